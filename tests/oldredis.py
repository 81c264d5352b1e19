"""A Redis of a test's own whose files can be put back to what they were."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from kit.embedded.redis import EmbeddedRedis


@dataclass
class OldRedis:
    """A server whose files can be put back to what they were."""

    server: EmbeddedRedis
    url: str

    def remember(self) -> None:
        shutil.copytree(self.server.folder, self._copy, dirs_exist_ok=True)

    def come_back_old(self) -> None:
        self.server.stop()
        shutil.rmtree(self.server.folder)
        shutil.copytree(self._copy, self.server.folder)
        self.server.start()

    @property
    def _copy(self) -> Path:
        return self.server.folder.with_name("yesterday")
