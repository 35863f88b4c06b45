"""Log lines: one JSON object each, at most 15 KiB, rendered by one structlog processor.

Never decides where a line goes: a sink is a callable that takes bytes. The processor is lean on
purpose (3 microseconds; the usual chain of five costs 10): it runs twice in the life of a job.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from types import ModuleType
from typing import Any, cast

import msgspec

from horus_supervisor.events import SENTENCES


class _LaterAsyncio(ModuleType):
    """Stands for asyncio while structlog is imported, which uses it within functions only."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module("asyncio"), name)


# structlog imports asyncio, and rich where that is installed, for what we do not use: together
# 0.1 s at start and 3 MB in every process.
_stand_ins = {"rich": None, "asyncio": _LaterAsyncio("asyncio")}
_lent = {name: module for name, module in _stand_ins.items() if name not in sys.modules}
sys.modules.update(_lent)  # type: ignore[arg-type]
import structlog  # noqa: E402

for _name in _lent:
    del sys.modules[_name]

Logger = structlog.typing.FilteringBoundLogger
Sink = Callable[[bytes], Any]

MAX_LINE_BYTES = 15 * 1024
"""Container log drivers split lines at 16 KiB; shippers drop much longer ones."""

_LEVEL_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    return repr(value)


_encode = msgspec.json.Encoder(enc_hook=_plain, decimal_format="string").encode


class _Stamp:
    """Now, as RFC 3339; the whole second is formatted once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = b""

    def __call__(self) -> bytes:
        second, micro = divmod(time.time_ns() // 1000, 1_000_000)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second)).encode()
        return b"%b%06dZ" % (self._text, micro)


class _SinkLogger:
    """What structlog calls at the end of its chain."""

    def __init__(self, sink: Sink) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = sink


class Form:
    """A line that is ready but for its time and the values of its holes."""

    def __init__(self, stamp: Callable[[], bytes], form: bytes) -> None:
        self._stamp = stamp
        self._form = form

    def __call__(self, *values: bytes | float) -> bytes:
        return self._form % (self._stamp(), *values)


class Renderer:
    """structlog's last processor: fields to a line. ``base`` is encoded once; a line's own win.

    Where it is ``firm`` they don't: of a job's ``host=`` the line has its own host, and ``host_``.
    Never raises, whatever the fields are, and never gives more than ``MAX_LINE_BYTES``.
    """

    def __init__(self, base: Mapping[str, Any], *, firm: bool = False) -> None:
        short = len(_encode(base)) <= _BASE_MOST
        self._base = base if short else {name: _short(value) for name, value in base.items()}
        self._taken = frozenset((*self._base, *_HEAD))
        self._kept = self._taken if firm else frozenset(_HEAD)
        self._tail = b"," + _encode(self._base)[1:-1] if base else b""
        self._stamp = _Stamp()
        self._kinds: dict[tuple[str, str], bytes] = {}  # of our events, each in its levels

    def __call__(self, _logger: Any, level: str, fields: MutableMapping[str, Any]) -> bytes:
        event = fields.pop("event", None)
        try:
            if type(event) is not str:
                event = str(event)
            if "exc_info" in fields:
                fields["traceback"] = _format_exception(fields.pop("exc_info"))
            line = self._line(level, event, fields)
        except Exception:  # some value can't be written: all are looked at, one by one
            event = _text(event)
            fields = {_text(name): _writable(value) for name, value in fields.items()}
            line = self._line(level, event, fields)
        return line if len(line) <= MAX_LINE_BYTES else self._shortened(level, event, fields)

    def form(
        self, event: str, level: str, fields: Mapping[str, str], holes: Mapping[str, str]
    ) -> Form:
        """Prepare a line of which only some values change: ``holes`` names them, with a %-format.

        For the line that every job costs: one formatting instead of a dozen steps. The fields must
        be short, and a hole for text takes it as JSON.
        """
        filled, pairs = dict(holes), []
        for name, value in fields.items():
            filled[name] = value.replace("%", "%%")
            pairs.append(b'"%b":%b' % (name.encode(), _encode(filled[name])))
        for name, hole in holes.items():
            pairs.append(b'"%b":%b' % (name.encode(), hole.encode()))
        message = SENTENCES[event].format_map(filled)
        tail = self._tail.replace(b"%", b"%%")
        words = (self._kind(level, event), _encode(message), tail, b",".join(pairs))
        return Form(self._stamp, b'{"timestamp":"%%b",%b,"message":%b%b,%b}\n' % words)

    def _shortened(self, level: str, event: str, fields: Mapping[str, Any]) -> bytes:
        whole = {"event": event, "message": self._message(event, fields)}
        said = {"event": _cut(event, 512), "message": _cut(whole["message"], 1024)}
        rest = {name: value for name, value in fields.items() if name != "message"}
        short, cut = shorten(rest, MAX_LINE_BYTES - _RESERVE)
        head = [name for name in said if said[name] != whole[name]]
        event, message = said["event"], said["message"]
        names = _cut([_cut(name, 128) for name in sorted([*head, *cut])], 2048)
        line = self._line(level, event, {**short, "message": message, "truncated": names})
        if len(line) <= MAX_LINE_BYTES:
            return line
        names = _cut([_cut(str(name), 128) for name in [*rest, *head]], 4096)
        return self._line(level, event, {"message": message, "truncated": names})

    def _message(self, event: str, fields: Mapping[str, Any]) -> Any:
        message = fields.get("message")
        if message is not None:
            return message
        sentence = SENTENCES.get(event)
        return self._fill(sentence, fields) if sentence else event

    def _line(self, level: str, event: str, fields: Mapping[str, Any]) -> bytes:
        message = self._message(event, fields)
        words = (self._stamp(), self._kind(level, event), _encode(message))
        head = b'{"timestamp":"%b",%b,"message":%b' % words
        if not fields:
            return b"%b%b}\n" % (head, self._tail)
        if self._taken.isdisjoint(fields):
            return b"%b%b,%b\n" % (head, self._tail, _encode(fields)[1:])
        own = ((name, value) for name, value in fields.items() if name != "message")
        beside = {f"{name}_" if name in self._kept else name: value for name, value in own}
        rest = {**self._base, **beside}
        return b"%b,%b\n" % (head, _encode(rest)[1:]) if rest else b"%b}\n" % head

    def _kind(self, level: str, event: str) -> bytes:
        kind = self._kinds.get((level, event))
        if kind is None:
            kind = b'"level":"%b","event":%b' % (level.encode(), _encode(event))
            if event in SENTENCES:
                self._kinds[level, event] = kind
        return kind

    def _fill(self, sentence: str, fields: Mapping[str, Any]) -> str:
        try:
            return sentence.format_map(fields)
        except (KeyError, ValueError, IndexError):
            return _fill(sentence, {**self._base, **fields})


_HEAD = ("timestamp", "level", "event", "message")

_BASE_MOST = 512
"""Bytes that ``base`` may take without a look at each value."""

_RESERVE = 6 * 1024
"""Bytes kept for all but the fields: ``base``, ``event``, ``message``, names of what was cut."""


def _short(value: Any) -> Any:
    return _cut(value, 256) if isinstance(value, str) else value


def _fill(sentence: str, fields: Mapping[str, Any]) -> str:
    try:
        return sentence.format_map(fields)
    except (KeyError, ValueError, IndexError):
        return sentence


def _format_exception(info: Any) -> str:
    if not info:
        return ""
    error = info if isinstance(info, BaseException) else sys.exc_info()[1]
    return "".join(traceback.format_exception(error)) if error else ""


def _text(value: Any) -> str:
    """Give a value's text, with what UTF-8 can't say (lone surrogates) written out."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception as error:
        text = f"<a {type(value).__name__}, whose repr raised {type(error).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode()


def _writable(value: Any) -> Any:
    try:
        _encode(value)
        f"{value}"  # a sentence may want it
    except Exception:
        return _text(value)
    return value


def shorten(fields: Mapping[str, Any], room: int) -> tuple[dict[str, Any], list[str]]:
    """Cut the largest fields until the rest fits ``room`` bytes; tells which were cut.

    Lists lose their first lines, texts their middle: the ends tell most.
    """
    kept, cut = dict(fields), set[str]()
    sizes = {name: _size(name, value) for name, value in kept.items()}
    total = sum(sizes.values())
    largest_first = sorted(sizes, key=lambda name: sizes[name], reverse=True)
    for name in largest_first:
        if total <= room:
            break
        others = total - sizes[name] + _size(name, 0)
        kept[name] = _cut(kept[name], max(room - others, 256))
        size = _size(name, kept[name])
        if size < sizes[name]:
            cut.add(name)
        total, sizes[name] = total - sizes[name] + size, size
    for name in largest_first:
        if total <= room:
            break
        total -= sizes[name]
        del kept[name]
        cut.add(name)
    return kept, sorted(cut)


def _size(name: str, value: Any) -> int:
    return len(_encode(name)) + len(_encode(value)) + 2


def _cut(value: Any, room: int) -> Any:
    if isinstance(value, list):
        kept: list[Any] = []
        left = room
        for item in reversed(value):
            left -= len(_encode(item)) + 1
            if left < 0:
                break
            kept.insert(0, item)
        return kept or [_cut(str(item), room - 1) for item in value[-1:]]
    text = value if isinstance(value, str) else _encode(value).decode()
    while len(encoded := _encode(text)) > room and len(text) > 8:
        keep = max(int(len(text) * room / len(encoded)) - 8, 8) // 2
        text = f"{text[:keep]} … {text[-keep:]}"
    return text


def bind(sink: Sink, base: Mapping[str, Any], level: str = "info", *, firm: bool = False) -> Logger:
    """Make a logger whose lines go to ``sink``, each with the fields of ``base``.

    ``firm``: for job code, which does not know what these are called, and may say ``host=``.
    """
    return cast(
        Logger,
        structlog.wrap_logger(
            _SinkLogger(sink),
            processors=[Renderer(base, firm=firm)],
            wrapper_class=structlog.make_filtering_bound_logger(_LEVEL_NUMBERS[level]),
            context_class=dict,
            cache_logger_on_first_use=True,
        ).bind(),
    )


def _color(level: str) -> str:
    return {"debug": "2", "info": "0", "warning": "33", "error": "31"}.get(level, "1;31")


_QUIET = frozenset(
    (
        *_HEAD,
        *("service", "host", "supervisor", "pid", "group"),
        *("output_tail", "traceback", "text"),
    )
)
"""Fields that a console line does not repeat."""

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != 9}
"""What could move a terminal's cursor or change its colours, and what is shown in its place."""

_CONTROLS_BUT_NEWLINE = {code: text for code, text in _CONTROLS.items() if code != 10}


def in_colour(fd: int) -> bool:
    """Tell whether people see colours there: on a terminal, without ``NO_COLOR``."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return os.isatty(fd) and not plain


def console_lines(lines: bytes, *, color: bool) -> bytes:
    """Write JSON lines for a person, each as ``console_line`` does."""
    return b"".join(console_line(line, color=color) for line in lines.splitlines())


def console_line(line: bytes, *, color: bool) -> bytes:
    """Write a JSON line for a person: time, level, event, message, what is not in the message.

    What is no JSON object is passed on. A terminal gets no control characters of others.
    """
    try:
        fields = msgspec.json.decode(line, type=dict[str, Any])
    except (ValueError, RecursionError):
        return line.decode("utf-8", "replace").translate(_CONTROLS).encode() + b"\n"
    message = fields.get("text") if fields.get("event") == "output" else fields.get("message", "")
    pairs = " ".join(f"{k}={v}" for k, v in fields.items() if k not in _QUIET and v is not None)
    clock = str(fields.get("timestamp", ""))[11:23]
    level, event = str(fields.get("level", "")), str(fields.get("event", ""))
    message = "" if message == event else message  # a job's own line has its event for both
    text = f"{clock} {level:7} {event:18} {message}".translate(_CONTROLS)
    pairs = pairs.translate(_CONTROLS)
    if color:
        text = f"\x1b[{_color(level)}m{text}\x1b[0m\x1b[2m  {pairs}\x1b[0m"
    else:
        text = f"{text}  {pairs}".rstrip()
    if stack := fields.get("traceback"):
        from horus_supervisor.stacks import of_job  # who logs JSON needs none of it

        text += "\n" + of_job(str(stack)).rstrip().translate(_CONTROLS_BUT_NEWLINE)
    return text.encode("utf-8", "replace") + b"\n"
