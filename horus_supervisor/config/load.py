"""The file in, records out, or every mistake of it at once.

Walks the parsed TOML against the table of ``keys``. Reads nothing but the file itself and its
``url_file``; imports no job code, asks no Redis.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from horus_supervisor.address import is_utf8, parse_url
from horus_supervisor.config import keys
from horus_supervisor.config.content import beside, content, state_dir
from horus_supervisor.config.keys import REQUIRED, Key
from horus_supervisor.config.schema import (
    Config,
    GroupConfig,
    LogConfig,
    RedisConfig,
    SupervisorConfig,
)
from horus_supervisor.config.units import format_size
from horus_supervisor.config.url_file import read_url
from horus_supervisor.config.values import WrongValue, show, with_a_dot
from horus_supervisor.errors import ConfigError, Mistake
from horus_supervisor.ids import QUEUE_NAMES, valid_queue_name

if TYPE_CHECKING:
    from horus_supervisor.config.lines import Lines
    from horus_supervisor.config.lines import Path as Place

TABLES = ("redis", "supervisor", "queues", "groups", "defaults", "log")

Values = dict[str, Any]
"""Field -> value, checked by its kind; None also where there was a mistake."""


def load(path: Path, *, pipes: bool = False) -> Config:
    """Read a file; ``pipes``: one that can be read only once, too.

    Raises: ``ConfigError`` with every mistake, a missing file included, and an empty one: such a
    file was cut off on its way, by a full disk say, and would take all runners away.
    """
    text = _read(path, pipes=pipes)
    if not text.strip("\0 \t\r\n"):
        raise ConfigError([Mistake(str(path), "empty: write what is to be served, or [queues]")])
    return parse(text, path)


def load_redis(path: Path, error: ConfigError) -> RedisConfig:
    """Read ``[redis]`` alone, of a file that ``load`` refused with ``error``.

    Raises: ``error``, where a mistake may concern what ``[redis]`` says, or what breaks off before.
    """
    try:
        text = _read(path)
    except ConfigError:  # a pipe, which was read
        raise error from None
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError):
        document = _before_it_breaks_off(text, error)
    reading = _Reading(path, document)
    redis = reading.redis()
    reading.table("supervisor", keys.SUPERVISOR)
    reading.table("log", keys.LOG)
    reading.tables()
    if any(map(_may_concern_redis, reading.mistakes)):
        raise error
    return RedisConfig(**redis)


def _before_it_breaks_off(text: str, error: ConfigError) -> dict[str, object]:
    """Read a text that is no TOML up to the table in which that is so; raises ``error``."""
    lines = text.split("\n")[: error.details[0].line or 0]
    head = max((at for at, line in enumerate(lines) if line.startswith("[")), default=0)
    try:
        document = tomllib.loads("\n".join(lines[:head]))
    except (ValueError, RecursionError):
        raise error from None
    if "redis" not in document:
        raise error
    return document


def _may_concern_redis(wrong: _Wrong) -> bool:
    named = wrong.at[-1] in _names(keys.REDIS)
    return wrong.at[0] == "redis" or named or wrong.nearest == "redis"


def _read(path: Path, *, pipes: bool = False) -> str:
    try:
        return content(path, pipes=pipes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        why = f"not UTF-8: byte {error.start} can't be read: save the file as UTF-8"
        raise ConfigError([Mistake(str(path), why, line)]) from None
    except OSError as error:
        raise ConfigError([Mistake(str(path), f"can't be read: {error.strerror}")]) from None


def parse(text: str, file: Path) -> Config:
    """Turn a file's text into records; ``file`` says what its relative paths are relative to.

    Defaults: the table of ``keys``. Raises: ``ConfigError`` with every mistake.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        from horus_supervisor.config.syntax import syntax_mistake  # as scan, for a mistake only

        raise ConfigError([syntax_mistake(str(file), text, error)]) from None
    if not is_utf8(str(file.absolute())):
        why = "its path is no UTF-8, as all that we write is: rename the folder or file that isn't"
        raise ConfigError([Mistake(str(file), why)])
    reading = _Reading(file, document)
    redis = reading.redis()
    supervisor = reading.table("supervisor", keys.SUPERVISOR)
    log = reading.table("log", keys.LOG)
    defaults = reading.defaults()
    groups = reading.groups(defaults)
    reading.tables()
    if reading.mistakes:
        from horus_supervisor.config.lines import scan

        raise ConfigError(_in_lines(reading.mistakes, scan(text), file))
    return Config(
        file=file.absolute(),
        redis=RedisConfig(**redis),
        supervisor=_supervisor(supervisor, file),
        groups=tuple(GroupConfig(**group) for group in groups),
        defaults=GroupConfig(**defaults, queues=(), weights=(), name=""),
        log=LogConfig(**log),
    )


def imports_of(file: Path) -> tuple[list[str], list[str]]:
    """Tell what a file with mistakes says to import, and from where; nothing where that is one."""
    try:
        document = tomllib.loads(content(file).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return [], []
    values = _Reading(file, document).table("supervisor", keys.SUPERVISOR)
    if values["imports"] is None or values["path"] is None or not is_utf8(str(file.absolute())):
        return [], []
    return list(values["imports"]), [str(beside(file, folder)) for folder in values["path"]]


class _Wrong(msgspec.Struct, frozen=True):
    """A mistake whose line is not known yet; ``at`` is where it is."""

    at: Place
    why: str
    found: str | None = None
    nearest: str | None = None


def _in_lines(mistakes: Iterable[_Wrong], lines: Lines, file: Path) -> list[Mistake]:
    """Find the line of each mistake, and put them into the order of the file."""
    told = [
        Mistake(
            str(file),
            wrong.why,
            line=lines.of(*wrong.at),
            key=_dotted(wrong.at),
            found=wrong.found,
            nearest=wrong.nearest,
        )
        for wrong in mistakes
    ]
    return sorted(told, key=lambda mistake: mistake.line or 0)


class _Reading:
    """One reading of one document; owns the list of its mistakes."""

    def __init__(self, file: Path, document: dict[str, object]) -> None:
        self._file = file
        self._document = document
        self.mistakes: list[_Wrong] = []

    def wrong(self, at: Place, why: str, found: str | None = None) -> None:
        self.mistakes.append(_Wrong(at, why, found))

    def tables(self) -> None:
        """Refuse tables that there are not."""
        for name in self._document:
            if name not in TABLES:
                self._unknown((name,), TABLES, "table")

    def redis(self) -> Values:
        """Read ``[redis]``, and the file that it may name."""
        given = self._table(self._document.get("redis", {}), ("redis",))
        values = self._values(given, ("redis",), keys.REDIS, {})
        secret = values.pop("url_file")
        if "url" in given and "url_file" in given:
            self.wrong(("redis", "url_file"), "url is there too: keep one of them")
        elif secret is not None:
            values["url_file"] = beside(self._file, secret)
            try:
                values["url"] = read_url(values["url_file"])
            except WrongValue as error:
                self.wrong(("redis", "url_file"), str(error))
        if (values["url"] or "").startswith(("embedded:", "rediss:")):  # these may name files
            values["url"] = parse_url(values["url"], base=self._file.parent).url
        return values

    def table(self, name: str, known: tuple[Key, ...]) -> Values:
        """Read one of the tables with fixed keys."""
        given = self._table(self._document.get(name, {}), (name,))
        return self._values(given, (name,), known, {})

    def groups(self, defaults: Values) -> list[Values]:
        """Read ``[queues]`` and ``[groups]``, in the order of the file, over ``[defaults]``."""
        found: list[Values] = []
        for name, value in self._document.items():
            if name == "queues":
                found += self._queues(self._table(value, (name,)), defaults)
            elif name == "groups":
                found += self._groups(self._table(value, (name,)), defaults)
        total = sum(group["runners"] or 0 for group in found)
        if total > keys.MAX_RUNNERS:
            most = max(found, key=lambda group: group["runners"] or 0)["name"]
            at = ("queues", most) if most in self._given_queues() else ("groups", most, "runners")
            allowed = f"allowed are {keys.MAX_RUNNERS} in one service"
            self.wrong(at, f"{total} runners in all groups together: {allowed}")
        return found

    def defaults(self) -> Values:
        """Read ``[defaults]``: every limit, whether set there or not."""
        given = self._table(self._document.get("defaults", {}), ("defaults",))
        if "queues" in given:
            why = "each group under [groups] names its own queues"
            self.wrong(("defaults", "queues"), why)
        rest = {name: value for name, value in given.items() if name != "queues"}
        values = self._values(rest, ("defaults",), keys.LIMITS, {})
        self._check_memory(("defaults",), rest, values)
        return values

    def _given_queues(self) -> dict[str, object]:
        queues = self._document.get("queues")
        return queues if isinstance(queues, dict) else {}

    def _queues(self, given: dict[str, object], defaults: Values) -> list[Values]:
        runners = keys.LIMITS[0]
        found = []
        for name, value in given.items():
            at = ("queues", name)
            if isinstance(value, dict):
                self.wrong(at, _no_number(name, value))
            elif self._name(at, "queue"):
                count = self._value(at, runners, value)
                served = {"queues": (name,), "weights": (1,)}
                found.append({**defaults, **served, "name": name, "runners": count})
        return found

    def _groups(self, given: dict[str, object], defaults: Values) -> list[Values]:
        found = []
        for name, value in given.items():
            at = ("groups", name)
            self._name(at, "group")
            if name in self._given_queues():
                self.wrong(at, "[queues] makes a group of that name: give this one another")
            table = self._table(value, at)
            if not isinstance(value, dict):
                continue
            values = self._values(table, at, keys.GROUP, defaults)
            self._check_memory(at, table, values)
            names, weights = values.pop("queues", None) or ((), ())
            found.append({**values, "queues": names, "weights": weights, "name": name})
        return found

    def _check_memory(self, at: Place, given: dict[str, object], values: Values) -> None:
        soft, hard = values["max_memory"], values["hard_memory"]
        here = "max_memory" in given or "hard_memory" in given
        if here and soft is not None and hard is not None and hard < soft:
            allowed = f"allowed is max_memory, {show(format_size(soft))}, or more"
            self.wrong((*at, "hard_memory"), allowed, show(format_size(hard)))

    # --- what all tables share -------------------------------------------------------------------

    def _values(
        self, given: dict[str, object], at: Place, known: tuple[Key, ...], defaults: Values
    ) -> Values:
        """Read a table's keys; what it leaves out comes from ``defaults``, then from the key."""
        names = {key.name: key for key in known}
        for name in given:
            if name not in names:
                self._unknown((*at, name), names, "key")
        values: Values = {}
        for key in known:
            if key.name in given:
                values[key.field] = self._value((*at, key.name), key, given[key.name])
            elif key.default is REQUIRED:
                self.wrong((*at, key.name), f"is missing: {key.doc}")
            elif key.field in defaults:
                values[key.field] = defaults[key.field]
            else:
                values[key.field] = None if key.default is None else key.kind.read(key.default)
        return values

    def _value(self, at: Place, key: Key, value: object) -> Any:
        read = None
        try:
            read = key.kind.read(value)
        except* WrongValue as group:
            for error in group.exceptions:
                assert isinstance(error, WrongValue)
                found = None if key.secret else show(_inside(value, error.at))
                self.wrong((*at, *error.at), str(error), found)
        return read

    def _table(self, value: object, at: Place) -> dict[str, object]:
        if isinstance(value, dict):
            return value
        found = None if at == ("redis",) else show(value)  # it may be the URL, with a password
        nameless = at == ("groups",) or (at[0] == "groups" and at[-1] in _names(keys.GROUP))
        table = "groups.NAME" if nameless else _dotted(at)
        self.wrong(at, f"allowed is a table: [{table}]", found)
        return {}

    def _name(self, at: tuple[str, str], what: str) -> bool:
        if valid_queue_name(at[-1]):
            return True
        self.wrong(at, f"{show(at[-1])} is no name for a {what}: allowed are {QUEUE_NAMES}")
        return False

    def _unknown(self, at: Place, known: Iterable[str], what: str) -> None:
        """Refuse a name, with where it belongs, or what it may have been meant to be."""
        names, name = sorted(known), str(at[-1])
        import difflib  # a file without mistakes need not pay for it

        tables = {"defaults": keys.LIMITS, **keys.TABLES}
        homes = [table for table, known in tables.items() if name in _names(known)]
        written = name.lower().replace("-", "_")
        near = [] if homes else difflib.get_close_matches(written, names, 1)
        hint = f"did you mean {near[0]}?" if near else ""
        if homes:
            hint = f"it belongs into [{'] or ['.join(homes)}]."
        why = f"no such {what}{'; ' + hint if hint else '.'} Allowed: {', '.join(names)}"
        self.mistakes.append(_Wrong(at, why, nearest=near[0] if near else None))


def _names(known: Iterable[Key]) -> set[str]:
    return {key.name for key in known}


def _inside(value: object, at: Place) -> object:
    """Give what stands under the keys of a place; an item of an array is shown with its array."""
    for step in at:
        if isinstance(value, dict):
            value = value[step]
    return value


def _supervisor(values: Values, file: Path) -> SupervisorConfig:
    path = tuple(beside(file, folder) for folder in values["path"])
    folder = state_dir(file, values["state_dir"])
    return SupervisorConfig(**{**values, "path": path, "state_dir": folder})


def _dotted(at: Place) -> str:
    """Write a key as TOML wants it: quoted where it has other characters than A-Za-z0-9_-."""
    names = (step for step in at if isinstance(step, str))
    return ".".join(n if re.fullmatch("[A-Za-z0-9_-]+", n) else show(n) for n in names)


def _no_number(name: str, value: dict[str, object]) -> str:
    """Say what to write instead of a table under ``[queues]``."""
    if value and next(iter(value)) not in _names(keys.GROUP):
        return with_a_dot(name, value)
    return f"allowed is a number of runners; a group with settings of its own is [groups.{name}]"
