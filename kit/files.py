"""Files that others read while they are written."""

from pathlib import Path


def write_whole(path: Path, content: str) -> None:
    """Writes `content` as UTF-8, whole or not at all: a reader never meets half of it."""
    new = path.with_name(path.name + ".new")
    new.write_text(content, encoding="utf-8")
    new.replace(path)
