"""Which methods an address takes, over all routes that share it: what `Allow` must list (RFC 9110, 10.2.1)."""

from typing import TYPE_CHECKING

from starlette.routing import compile_path

if TYPE_CHECKING:
    from fastapi import FastAPI


def allowed_methods(app: "FastAPI", path: str) -> list[str]:
    """The methods that `app` describes for `path`, sorted; empty for an address it does not describe."""
    methods: set[str] = set()
    for template, operations in app.openapi()["paths"].items():
        if compile_path(template)[0].fullmatch(path):
            methods |= {method.upper() for method in operations if method != "parameters"}
    return sorted(methods)
