"""The edited file: noticed by its content, taken once it has held still, whole or not at all."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from horus_supervisor.config.load import parse
from horus_supervisor.config.schema import Config
from horus_supervisor.errors import ConfigError

STILL_S = 0.25
"""Seconds that a file's content must not change before it is read: editors write in pieces."""


@dataclass(slots=True)
class Watch:
    """Remembers what was last read of a file. Follows links: a mounted folder swaps them."""

    path: Path
    _taken: bytes = b""
    _seen: bytes = b""
    _since: float = 0.0
    _stat: tuple[int, ...] = field(default=())

    def __post_init__(self) -> None:
        self._taken = self._seen = self._digest()

    def look(self, now: float, *, at_once: bool = False) -> bytes | None:
        """Give the content's digest once it differs from what was taken and holds still."""
        seen = self._digest()
        if seen != self._seen:
            self._seen, self._since = seen, now
        if seen == self._taken or (now - self._since < STILL_S and not at_once):
            return None
        self._taken = seen
        return seen

    @property
    def unsettled(self) -> bool:
        """Whether a change was seen and not taken yet."""
        return self._seen != self._taken

    def _digest(self) -> bytes:
        try:
            status = self.path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size, status.st_ctime_ns)
            if stamp != self._stat:
                self._content = hashlib.sha256(self.path.read_bytes()).digest()
                self._stat = stamp
        except OSError:
            self._stat = ()
            return b"missing"
        return self._content

    _content: bytes = b""


def read(path: Path, in_force: Config) -> tuple[Config, list[str]]:
    """Read the file again; give it with what of it needs a restart. Raises ``ConfigError``."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: can't be read: {error}"]) from error
    config = parse(text, path)
    return config, [
        name
        for name in ("redis", "supervisor", "log")
        if getattr(config, name) != getattr(in_force, name)
    ]


def changes(before: Config, after: Config) -> str:
    """Say in words what changed between two files: groups that appear, vanish, grow, shrink."""
    old = {group.name: group for group in before.groups}
    new = {group.name: group for group in after.groups}
    words = [f"{name} appears" for name in new.keys() - old.keys()]
    words += [f"{name} vanishes" for name in old.keys() - new.keys()]
    for name in old.keys() & new.keys():
        if old[name].runners != new[name].runners:
            words.append(f"{name} {old[name].runners} -> {new[name].runners}")
        elif old[name] != new[name]:
            words.append(f"{name} has new settings")
    return ", ".join(sorted(words)) or "nothing that runs"
