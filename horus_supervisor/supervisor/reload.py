"""The edited file: noticed by its content, taken once it has held still, whole or not at all."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from horus_supervisor.config import keys
from horus_supervisor.config.content import content
from horus_supervisor.config.load import load
from horus_supervisor.config.schema import Config, GroupConfig, SupervisorConfig
from horus_supervisor.errors import ConfigError
from horus_supervisor.events import Event
from horus_supervisor.logs import Logger
from horus_supervisor.messages import Boot

STILL_S = 0.25
"""Seconds that a file's content must not change before it is read: editors write in pieces."""

RECENT_S = 2.0
"""Seconds after a change in which stamps prove nothing: two edits may fall into one tick."""

_AT_START = {"redis": keys.REDIS, "supervisor": keys.SUPERVISOR, "log": keys.LOG}
"""Tables that are in force from a start to the end."""

_BY_SIGHUP = ("imports", "path")
"""Keys of [supervisor] that a SIGHUP takes too."""

Content = bytes | None
"""What stands in a file; None where it can't be read."""


@dataclass(slots=True)
class Watch:
    """Remembers what was last read of a file. Follows links: a mounted folder swaps them."""

    path: Path
    _taken: Content = None
    _seen: Content = None
    _since: float = 0.0
    _stamp: tuple[int, ...] = ()
    _read: Content = None

    def __post_init__(self) -> None:
        self._taken = self._seen = self._look(trusted=False)

    def look(self, now: float, *, at_once: bool = False) -> bool:
        """Tell whether the content differs from what was taken and holds still: take it then.

        ``at_once``: without waiting for it to hold still.
        """
        seen = self._look(trusted=now - self._since > RECENT_S)
        if seen != self._seen:
            self._seen, self._since = seen, now
        if seen == self._taken or (now - self._since < STILL_S and not at_once):
            return False
        self._taken = seen
        return True

    @property
    def unsettled(self) -> bool:
        """Whether a change was seen and not taken yet."""
        return self._seen != self._taken

    def _look(self, *, trusted: bool) -> Content:
        """Read the content; ``trusted``: unless the file's stamp is what it was."""
        try:
            status = self.path.stat()
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            if stamp != self._stamp or not trusted:
                self._read = content(self.path)
                self._stamp = stamp
        except OSError:
            self._stamp, self._read = (), None
        return self._read


class Settings:
    """The file's settings in force, and the seats that they want filled."""

    def __init__(self, config: Config, watch: Watch) -> None:
        self._watch = watch
        self._put_in_force(config)

    def _put_in_force(self, config: Config) -> None:
        self.config = config
        self.seats: dict[str, GroupConfig] = {
            f"{group.name}/{at}": dataclasses.replace(group, runners=0)
            for group in config.groups
            for at in range(1, group.runners + 1)
        }

    @property
    def unsettled(self) -> bool:
        """Whether a change was seen and not taken yet."""
        return self._watch.unsettled

    def look(self, now: float, log: Logger, code: Boot, *, at_once: bool = False) -> bool:
        """Take an edited file, or refuse it; tell whether other settings may be in force now.

        ``at_once``: somebody asked, and is answered though nothing was edited. Code is loaded then
        only: what else the file would import than ``code``, which runs, is told as waiting for it.
        """
        before = self.config
        if not (before.supervisor.reload_on_save or at_once):
            return False
        edited = self._watch.look(now, at_once=at_once)
        if not (edited or at_once):
            return False
        file = str(before.file)
        try:
            config, restart = read(before.file, before)
        except ConfigError as error:
            log.warning(Event.CONFIG_REJECTED, config=file, mistakes=error.mistakes)
            return False
        kept = {name: getattr(before, name) for name in _AT_START}
        kept["supervisor"] = _with_code(before.supervisor, config)
        by_sighup = [] if at_once else _other_code(config.supervisor, code)
        self._put_in_force(dataclasses.replace(config, **kept))
        told = changes(before, self.config) if edited else "nothing was edited"
        if restart or by_sighup:
            later = ", ".join([*restart, *(f"{key} (or SIGHUP)" for key in by_sighup)])
            text = f"{file} taken: {told}; from the next start on: {later}"
            fields = {"needs_restart": [*restart, *by_sighup], "message": text}
            log.warning(Event.SUPERVISOR_RELOADED, config=file, changes=told, **fields)
        else:
            log.info(Event.SUPERVISOR_RELOADED, config=file, changes=told)
        return True


def _with_code(settings: SupervisorConfig, code: Config) -> SupervisorConfig:
    """Give settings with what another file says is to be imported."""
    supervisor = code.supervisor
    return dataclasses.replace(settings, imports=supervisor.imports, path=supervisor.path)


def _other_code(settings: SupervisorConfig, code: Boot) -> list[str]:
    """Name the keys by which settings would import other code."""
    return [
        f"supervisor.{name}"
        for name in _BY_SIGHUP
        if [str(one) for one in getattr(settings, name)] != getattr(code, name)
    ]


def read(path: Path, in_force: Config) -> tuple[Config, list[str]]:
    """Read the file again; give it with its keys that need a restart. Raises ``ConfigError``."""
    config = load(path)
    code_as_it_is = _with_code(config.supervisor, in_force)
    as_it_is = dataclasses.replace(config, supervisor=code_as_it_is)
    return config, [
        f"{table}.{key.name}"
        for table, known in _AT_START.items()
        for key in known
        if _value(as_it_is, table, key) != _value(in_force, table, key)
    ]


def _value(config: Config, table: str, key: keys.Key) -> object:
    return getattr(getattr(config, table), key.field)


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
    return ", ".join(sorted(words)) or "nothing that runs has changed"
