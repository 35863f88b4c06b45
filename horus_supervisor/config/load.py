"""The file in, records out, or every mistake of it at once.

Walks the parsed TOML against the table of ``keys``. Reads nothing but the file itself; imports no
job code, asks no Redis.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from horus_supervisor.address import parse_url
from horus_supervisor.config import keys
from horus_supervisor.config.keys import REQUIRED, Key
from horus_supervisor.config.schema import (
    Config,
    GroupConfig,
    LogConfig,
    RedisConfig,
    SupervisorConfig,
)
from horus_supervisor.config.units import format_size
from horus_supervisor.config.values import NAMES, WrongValue, is_name, show
from horus_supervisor.errors import ConfigError

TABLES = ("redis", "supervisor", "queues", "groups", "defaults", "log")

_BARE_UNIT = re.compile(r"\s*([\w.\"-]+)\s*=\s*([0-9][0-9_.]*\s?(?:ms|[smhd]|[kKMGT]?i?B)\w*)")


def load(path: Path) -> Config:
    """Read a file. Raises: ``ConfigError`` with every mistake, a missing file included."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8: byte {error.start} can't be read"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: can't be read: {error.strerror}"]) from None
    return parse(text, path)


def parse(text: str, file: Path) -> Config:
    """Turn a file's text into records; ``file`` says what its relative paths are relative to.

    Defaults: the table of ``keys``. Raises: ``ConfigError`` with every mistake, a sentence each.
    """
    reading = _Reading(file)
    document = reading.document(text)
    redis = reading.table(document, "redis", keys.REDIS)
    supervisor = reading.table(document, "supervisor", keys.SUPERVISOR)
    log = reading.table(document, "log", keys.LOG)
    defaults = reading.defaults(document)
    groups = reading.groups(document, defaults)
    if reading.mistakes:
        raise ConfigError(reading.mistakes)
    return Config(
        file=file.absolute(),
        redis=_redis(redis, file),
        supervisor=_supervisor(supervisor, file),
        groups=tuple(GroupConfig(**group) for group in groups),
        defaults=GroupConfig(**defaults, **_served((), ()), name=""),
        log=LogConfig(**log),
    )


class _Reading:
    """One reading of one file; owns the list of its mistakes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.mistakes: list[str] = []

    def wrong(self, where: str, why: str) -> None:
        self.mistakes.append(f"{self._file}: {where}: {why}")

    def document(self, text: str) -> dict[str, object]:
        try:
            document = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # also: a number of 5,000 digits, [[[[…
            raise ConfigError([f"{self._file}: {_syntax(str(error), text)}"]) from None
        for name in document:
            if name not in TABLES:
                self._unknown(_written(name), name, TABLES, "table")
        return document

    def table(self, document: dict[str, object], name: str, known: tuple[Key, ...]) -> Values:
        """Read one of the tables with fixed keys."""
        return self._values(self._table(document.get(name, {}), name), name, known, {})

    def groups(self, document: dict[str, object], defaults: Values) -> list[Values]:
        """Read ``[queues]`` and ``[groups]``, in the order of the file, over ``[defaults]``."""
        found: list[Values] = []
        for name in document:
            if name == "queues":
                found += self._queues(self._table(document[name], name), defaults)
            elif name == "groups":
                found += self._groups(self._table(document[name], name), document, defaults)
        total = sum(group["runners"] or 0 for group in found)
        if total > keys.MAX_RUNNERS:
            allowed = f"allowed are {keys.MAX_RUNNERS} in one service"
            self.wrong("runners", f"{total} in all groups together: {allowed}")
        return found

    def defaults(self, document: dict[str, object]) -> Values:
        """Read ``[defaults]``: every limit, whether set there or not."""
        given = self._table(document.get("defaults", {}), "defaults")
        if "queues" in given:
            self.wrong("defaults.queues", "each group under [groups] names its own queues")
        rest = {name: value for name, value in given.items() if name != "queues"}
        values = self._values(rest, "defaults", keys.LIMITS, {})
        self._check_memory("defaults", rest, values)
        return values

    def _queues(self, given: dict[str, object], defaults: Values) -> list[Values]:
        runners = keys.LIMITS[0]
        found = []
        for name, value in given.items():
            where = f"queues.{_written(name)}"
            if isinstance(value, dict):
                self.wrong(where, _nested(name, value))
            elif self._name(where, name, "queue"):
                count = self._value(where, runners, value)
                found.append({**defaults, **_served((name,), (1,)), "name": name, "runners": count})
        return found

    def _groups(
        self, given: dict[str, object], document: dict[str, object], defaults: Values
    ) -> list[Values]:
        queues = document.get("queues")
        found = []
        for name, value in given.items():
            where = f"groups.{_written(name)}"
            self._name(where, name, "group")
            if isinstance(queues, dict) and name in queues:
                self.wrong(where, "[queues] makes a group of that name: give this one another")
            table = self._table(value, where)
            if not isinstance(value, dict):
                continue
            values = self._values(table, where, keys.GROUP, defaults)
            self._check_memory(where, table, values)
            names, weights = values.pop("queues", None) or ((), ())
            found.append({**values, **_served(names, weights), "name": name})
        return found

    def _check_memory(self, where: str, given: dict[str, object], values: Values) -> None:
        soft, hard = values["max_memory"], values["hard_memory"]
        here = "max_memory" in given or "hard_memory" in given
        if here and soft is not None and hard is not None and hard < soft:
            found = f"{where}.hard_memory = {show(format_size(hard))}"
            self.wrong(found, f"allowed is max_memory, {show(format_size(soft))}, or more")

    # --- what all tables share -------------------------------------------------------------------

    def _values(
        self, given: dict[str, object], where: str, known: tuple[Key, ...], defaults: Values
    ) -> Values:
        """Read a table's keys; what it leaves out comes from ``defaults``, then from the key."""
        names = {key.name: key for key in known}
        for name in given:
            if name not in names:
                self._unknown_key(f"{where}.{_written(name)}", name, where, list(names))
        values: Values = {}
        for key in known:
            if key.name in given:
                values[key.field] = self._value(f"{where}.{key.name}", key, given[key.name])
            elif key.default is REQUIRED:
                self.wrong(f"{where}.{key.name}", f"is missing: {key.doc}")
            elif key.field in defaults:
                values[key.field] = defaults[key.field]
            else:
                values[key.field] = None if key.default is None else key.kind.read(key.default)
        return values

    def _value(self, where: str, key: Key, value: object) -> Any:
        try:
            return key.kind.read(value)
        except WrongValue as error:
            found = "" if key.secret else f" = {show(value)}"
            self.wrong(f"{where}{found}", str(error))
            return None

    def _table(self, value: object, where: str) -> dict[str, object]:
        if isinstance(value, dict):
            return value
        self.wrong(f"{where} = {show(value)}", f"allowed is a table: [{where}]")
        return {}

    def _name(self, where: str, name: str, what: str) -> bool:
        if is_name(name):
            return True
        self.wrong(where, f"{show(name)} is no name for a {what}: allowed are {NAMES}")
        return False

    def _unknown_key(self, where: str, name: str, table: str, known: list[str]) -> None:
        kind = table.partition(".")[0]
        if later := keys.LATER.get(f"{kind}.{name}"):
            self.wrong(where, f"is not supported yet: {later}")
        else:
            self._unknown(where, name, known, "key")

    def _unknown(self, where: str, name: str, known: Iterable[str], what: str) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name.lower().replace("-", "_"), names, 1)
        hint = f"; did you mean {near[0]}?" if near else "."
        self.wrong(where, f"no such {what}{hint} Allowed: {', '.join(names)}")


Values = dict[str, Any]
"""Field -> value, checked by its kind; None also where there was a mistake."""


def _served(names: tuple[str, ...], weights: tuple[int, ...]) -> Values:
    return {"queues": names, "weights": weights}


def _redis(values: Values, file: Path) -> RedisConfig:
    url: str = values["url"]
    if url.startswith(("embedded:", "rediss:")):  # these may name files, relative to ours
        url = parse_url(url, base=file.parent).url
    return RedisConfig(**{**values, "url": url})


def _supervisor(values: Values, file: Path) -> SupervisorConfig:
    path = tuple(_absolute(folder, file) for folder in values["path"])
    state_dir = _absolute(values["state_dir"] or f"{file.stem}.state", file)
    return SupervisorConfig(**{**values, "path": path, "state_dir": state_dir})


def _absolute(path: str, file: Path) -> Path:
    return Path(os.path.abspath(file.absolute().parent / Path(path).expanduser()))


def _written(name: str) -> str:
    """Write a key as TOML wants it: quoted where it has other characters than A-Za-z0-9_-."""
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else show(name)


def _nested(name: str, value: dict[str, object]) -> str:
    """Say what to write instead of a table under ``[queues]``."""
    known = {key.name for key in keys.GROUP}
    inner, runners = next(iter(value.items()), ("", None))
    if inner and inner not in known:
        while isinstance(runners, dict) and runners:
            deeper, runners = next(iter(runners.items()))
            inner = f"{inner}.{deeper}"
        example = runners if isinstance(runners, int) else 1
        return f'a name with a dot needs quotes: write "{name}.{inner}" = {example}'
    return f"allowed is a number of runners; a group with settings of its own is [groups.{name}]"


def _syntax(error: str, text: str) -> str:
    """Say where the TOML breaks off; quotes a line's key only, as its value may be a password."""
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", error)
    if not found:
        return f"not TOML: {error}"
    what, line, column = found[1], int(found[2]), found[3]
    lines = text.splitlines()
    slip = _BARE_UNIT.match(lines[line - 1]) if line <= len(lines) else None
    hint = f': durations and sizes are strings: write {slip[1]} = "{slip[2]}"' if slip else ""
    return f"line {line}, column {column}: not TOML: {what}{hint}"
