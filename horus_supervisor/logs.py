"""Log lines: one JSON object each, at most 15 KiB, rendered by one structlog processor.

Never decides where a line goes: a sink is a callable that takes bytes. The processor is lean on
purpose (3 microseconds; the usual chain of five costs 10): it runs twice in the life of a job.
"""

from __future__ import annotations

import importlib
import sys
import time
import traceback
from collections.abc import Callable
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

LEVELS = ("debug", "info", "warning", "error")

_LEVEL_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def _plain(value: Any) -> Any:
    return (
        repr(value) if not isinstance(value, BaseException) else f"{type(value).__name__}: {value}"
    )


_encode = msgspec.json.Encoder(enc_hook=_plain, decimal_format="string").encode


class _Stamp:
    """Now, as RFC 3339; the whole second is formatted once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self) -> str:
        second, micro = divmod(time.time_ns() // 1000, 1_000_000)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._text}{micro:06d}Z"


class _SinkLogger:
    """What structlog calls at the end of its chain."""

    def __init__(self, sink: Sink) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = sink


class Renderer:
    """structlog's last processor: fields to one line. ``base`` is encoded once; a line's own win."""

    def __init__(self, base: dict[str, Any]) -> None:
        self._base = base
        self._tail = _encode(base)[1:-1]
        self._stamp = _Stamp()
        self._kinds: dict[str, bytes] = {}  # each of our events has one level

    def __call__(self, _logger: Any, level: str, fields: dict[str, Any]) -> bytes:
        event = fields.pop("event")
        if type(event) is not str:
            event = str(event)
        if "exc_info" in fields:
            fields["traceback"] = _format_exception(fields.pop("exc_info"))
        line = self._line(level, event, fields)
        if len(line) >= MAX_LINE_BYTES:
            fields, cut = shorten(fields, MAX_LINE_BYTES - 2048)
            line = self._line(level, event[:200], {**fields, "truncated": cut})
        if len(line) >= MAX_LINE_BYTES:  # a thousand small fields: name some
            line = self._line(
                level, event[:200], {"truncated": [name[:50] for name in fields][:50]}
            )
        return line

    def _line(self, level: str, event: str, fields: dict[str, Any]) -> bytes:
        sentence = SENTENCES.get(event)
        message = fields.get("message")
        if message is None:
            message = self._fill(sentence, fields) if sentence else event
        words = (self._stamp().encode(), self._kind(level, event), _encode(message))
        head = b'{"timestamp":"%b",%b,"message":%b' % words
        if not fields:
            return b"%b,%b}\n" % (head, self._tail)
        if self._base.keys().isdisjoint(fields) and "message" not in fields:
            return b"%b,%b,%b\n" % (head, self._tail, _encode(fields)[1:])
        rest = {k: v for k, v in {**self._base, **fields}.items() if k not in _HEAD}
        return b"%b,%b\n" % (head, _encode(rest)[1:])

    def _kind(self, level: str, event: str) -> bytes:
        if event not in SENTENCES:
            return b'"level":"%b","event":%b' % (level.encode(), _encode(event))
        kind = self._kinds.get(event)
        if kind is None:
            kind = b'"level":"%b","event":%b' % (level.encode(), _encode(event))
            self._kinds[event] = kind
        return kind

    def _fill(self, sentence: str, fields: dict[str, Any]) -> str:
        try:
            return sentence.format_map(fields)
        except (KeyError, ValueError, IndexError):
            return _fill(sentence, {**self._base, **fields})


_HEAD = ("timestamp", "level", "event", "message")


def _fill(sentence: str, fields: dict[str, Any]) -> str:
    try:
        return sentence.format_map(fields)
    except (KeyError, ValueError, IndexError):
        return sentence


def _format_exception(info: Any) -> str:
    error = info if isinstance(info, BaseException) else sys.exc_info()[1]
    return "".join(traceback.format_exception(error)) if error else ""


def shorten(fields: dict[str, Any], room: int) -> tuple[dict[str, Any], list[str]]:
    """Cut the largest fields until the rest fits ``room`` bytes; tells which were cut.

    Lists lose their first lines, texts their middle: the ends tell most.
    """
    fields, cut = dict(fields), []
    sizes = {name: len(_encode(value)) for name, value in fields.items()}
    while sum(sizes.values()) + 10 * len(sizes) > room and sizes:
        name = max(sizes, key=lambda key: sizes[key])
        spare = room - (sum(sizes.values()) - sizes[name]) - 10 * len(sizes)
        fields[name] = _cut(fields[name], max(spare, 256))
        cut.append(name)
        before, sizes[name] = sizes[name], len(_encode(fields[name]))
        if sizes[name] >= before or len(cut) > 20:
            del fields[name], sizes[name]
    return fields, sorted(set(cut))


def _cut(value: Any, room: int) -> Any:
    if isinstance(value, list):
        kept: list[Any] = []
        for item in reversed(value):
            room -= len(_encode(item)) + 1
            if room < 0:
                break
            kept.insert(0, item)
        return kept or [_cut(str(value[-1]), 200)]
    text = value if isinstance(value, str) else _encode(value).decode()
    while len(encoded := _encode(text)) > room and len(text) > 8:
        keep = max(int(len(text) * room / len(encoded)) - 8, 8) // 2
        text = f"{text[:keep]} … {text[-keep:]}"
    return text


def bind(sink: Sink, base: dict[str, Any], level: str = "info") -> Logger:
    """Make a logger whose lines go to ``sink``, each with the fields of ``base``."""
    return cast(
        Logger,
        structlog.wrap_logger(
            _SinkLogger(sink),
            processors=[Renderer(base)],
            wrapper_class=structlog.make_filtering_bound_logger(_LEVEL_NUMBERS[level]),
            context_class=dict,
            cache_logger_on_first_use=True,
        ).bind(),
    )


def _color(level: str) -> str:
    return {"debug": "2", "info": "0", "warning": "33", "error": "31"}.get(level, "1;31")


def console_line(line: bytes, *, color: bool) -> bytes:
    """Write a JSON line for a person: time, level, event, message, and what is not in the message."""
    try:
        fields = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return line
    quiet = {
        *_HEAD,
        "service",
        "host",
        "supervisor",
        "pid",
        "group",
        "output_tail",
        "traceback",
        "text",
    }
    message = fields.get("text") if fields.get("event") == "output" else fields.get("message", "")
    pairs = " ".join(f"{k}={v}" for k, v in fields.items() if k not in quiet and v is not None)
    clock = str(fields.get("timestamp", ""))[11:23]
    level = str(fields.get("level", ""))
    text = f"{clock} {level:7} {fields.get('event', ''):18} {message}"
    if color:
        text = f"\x1b[{_color(level)}m{text}\x1b[0m\x1b[2m  {pairs}\x1b[0m"
    else:
        text = f"{text}  {pairs}".rstrip()
    if fields.get("traceback"):
        text += "\n" + str(fields["traceback"]).rstrip()
    return text.encode() + b"\n"
