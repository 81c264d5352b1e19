"""What this machine lacks, each with the line that brings it. A row that needs it says so and does not hold."""

import importlib.util
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

NGINX_PARTS: Final = (
    "/usr/lib/nginx/modules/ndk_http_module.so",
    "/usr/lib/nginx/modules/ngx_http_lua_module.so",
    "/usr/share/lua/5.1/nginx/redis.lua",
    "/usr/share/lua/5.1/resty/core.lua",
    "/usr/share/lua/5.1/ngx/base64.lua",
)
NGINX_PACKAGES: Final = "apt-get install --no-install-recommends nginx libnginx-mod-http-lua lua-nginx-redis lua-cjson lua-resty-core"
# What a bench may need: how to tell that it is there, and how to get it.
NEEDS: Final[Mapping[str, str]] = {
    "nginx": NGINX_PACKAGES,
    "throttled-py": "pip install throttled-py",
    "limits": "pip install limits",
}
_MODULES: Final = {"throttled-py": "throttled", "limits": "limits"}


def nginx_binary() -> str | None:
    """nginx, though a user's PATH may leave its folder out."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def missing() -> dict[str, str]:
    """What is not there: name → install line."""
    return {name: line for name, line in NEEDS.items() if not _is_there(name)}


def _is_there(name: str) -> bool:
    if name == "nginx":
        return nginx_binary() is not None and all(Path(part).exists() for part in NGINX_PARTS)
    return importlib.util.find_spec(_MODULES[name]) is not None
