"""Jobs into JSON and back: the only place where a payload is more than bytes.

Both sides check alike. What ``decode`` gives for ``encode``'s bytes equals the job that went in,
field by field and type by type; what would not is refused by ``encode``. Unknown fields are
ignored, so old runners take jobs of newer clients, and named by ``unknown_fields``; a missing field
takes its default.

``decode`` is on the path of every job (about a microsecond): a class's decoder is made once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from horus_supervisor.errors import JobDefinitionError, PayloadError
from horus_supervisor.job.checks import Check, Misfit
from horus_supervisor.job.definition import Job, place, registry
from horus_supervisor.job.fields import CannotTravel, Examination, Unresolved
from horus_supervisor.lifecycle import ON_CRASH

J = TypeVar("J", bound=Job)

MAX_PAYLOAD_BYTES = 256 * 1024
"""Default limit of a job's arguments as JSON; larger things belong elsewhere."""

MAX_DEPTH = 32
"""How deep lists and objects may nest, the object of the arguments itself included."""

MAX_UNKNOWN = 20
"""How many unknown fields of a class are named in one process; its payloads are at fault then."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_SQUARE = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

_write = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical").encode
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_read_object = msgspec.json.Decoder(dict[str, Any]).decode


class _Codec(msgspec.Struct, frozen=True):
    read: Callable[[bytes], Any]
    write: Callable[[Job], bytes]
    names: Callable[[bytes], Any]
    check: Check
    look: bool
    prove: bool


_codecs: dict[type[Job], _Codec] = {}
_named: dict[type[Job], tuple[str, ...]] = {}  # unknown fields that were told


def encode(job: Job, max_bytes: int = MAX_PAYLOAD_BYTES) -> bytes:
    """Write a job's arguments as a JSON object.

    Raises: ``PayloadError`` for a value that would not come back as it is, or too much of it;
    ``JobDefinitionError`` where an annotation names what does not exist.
    """
    cls = type(job)
    codec = _codecs.get(cls) or _make(cls)
    name = cls.__qualname__
    try:
        codec.check(job)
        payload = codec.write(job)
    except Misfit as misfit:
        where = name + "".join(misfit.path)
        raise PayloadError(f"{where}: expected {misfit.expected}, found {misfit.found}") from None
    except RecursionError:
        raise PayloadError(_too_deep(name)) from None
    except Exception as error:  # say: an int of 5000 digits
        raise PayloadError(f"{name}: {error}") from error
    _check_size(name, payload, max_bytes)
    if codec.prove:
        _read(codec, name, payload)
    return payload


def decode(cls: type[J], payload: bytes, max_bytes: int = MAX_PAYLOAD_BYTES) -> J:
    """Make the job again. Raises: ``PayloadError`` with what is wrong, whatever it is."""
    codec = _codecs.get(cls)
    if codec is None:
        try:
            codec = _make(cls)
        except JobDefinitionError as error:
            raise PayloadError(str(error)) from error
    large = len(payload) > max_bytes or payload.count(b"[") + payload.count(b"{") > MAX_DEPTH
    if large and cls.__horus__.name != ON_CRASH:  # which holds another job's payload, written out
        _check_size(cls.__qualname__, payload, max_bytes)
    job: J = _read(codec, cls.__qualname__, payload)
    return job


def unknown_fields(cls: type[Job], payload: bytes) -> list[str]:
    """Tell which fields the class does not know, each once in a process; for a payload that fits.

    On the path of every job (half a microsecond): values are skipped, not read.
    """
    codec = _codecs.get(cls)
    if codec is None:
        return []
    try:
        codec.names(payload)
    except _UNREADABLE:
        return _name_unknown(cls, codec, payload)
    return []


def _name_unknown(cls: type[Job], codec: _Codec, payload: bytes) -> list[str]:
    known, told = _names_of(cls), _named.get(cls, ())
    try:
        unknown = [name for name in _read_object(payload) if name not in {*known, *told}]
    except _UNREADABLE:
        return []  # ``decode`` says it
    _named[cls] = told = (*told, *unknown)
    names = bytes if len(told) > MAX_UNKNOWN else _only((*known, *told))
    _codecs[cls] = replace(codec, names=names)
    return unknown[:MAX_UNKNOWN]


def _names_of(cls: type[Job]) -> list[str]:
    return [field.name for field in fields(cls)]


def check_raw(name: str, payload: bytes, max_bytes: int = MAX_PAYLOAD_BYTES) -> None:
    """Check arguments whose class is not at hand: a JSON object within the limits.

    Raises: ``PayloadError``.
    """
    _check_size(name, payload, max_bytes)
    try:
        _read_object(payload)
    except _UNREADABLE as error:
        raise PayloadError(f"{name}: the arguments are no JSON object: {error}") from None


def make_ready(classes: Iterable[type[Job]] | None = None) -> None:
    """Make the codec of classes (None: all of the registry) now rather than at their first job.

    For a process that forks: what it makes here its children share. Raises: ``JobDefinitionError``.
    """
    for cls in registry().values() if classes is None else classes:
        _codecs.get(cls) or _make(cls)


def _make(cls: type[Job]) -> _Codec:
    examination = Examination()
    try:
        check = examination.record(cls)
        read = msgspec.json.Decoder(cls).decode
    except CannotTravel as error:
        raise JobDefinitionError(f"{cls.__module__}.{error}{place(cls)}") from None
    except (Unresolved, NameError, TypeError) as error:
        raise JobDefinitionError(
            f"{cls.__module__}.{cls.__qualname__}: its annotations can't be read: {error} "
            "(names must exist in the module, not only for type checkers or in a function)"
            f"{place(cls)}"
        ) from None
    names = _only(_names_of(cls))
    write = _write_fields if examination.asks else _write
    codec = _codecs[cls] = _Codec(read, write, names, check, examination.look, examination.prove)
    return codec


def _write_fields(job: Job) -> bytes:
    """Write the fields and no more: where asking for one is code, msgspec adds class variables."""
    return _write(asdict(job))


def _only(names: Iterable[str]) -> Callable[[bytes], Any]:
    """Make what reads an object and raises where it has a field of another name."""
    some = [
        (f"_{at}", msgspec.Raw, msgspec.field(default=msgspec.Raw(), name=name))
        for at, name in enumerate(names)
    ]
    return msgspec.json.Decoder(
        msgspec.defstruct("Names", some, forbid_unknown_fields=True, gc=False)
    ).decode


def _read(codec: _Codec, name: str, payload: bytes) -> Any:
    try:
        job = codec.read(payload)
        if codec.look:
            codec.check(job)
    except Misfit as misfit:
        where = name + "".join(misfit.path)
        raise PayloadError(f"{where}: expected {misfit.expected}, found {misfit.found}") from None
    except Exception as error:  # __post_init__ may raise anything
        raise PayloadError(f"{name}: {type(error).__name__}: {error}") from error
    return job


def _check_size(name: str, payload: bytes, max_bytes: int) -> None:
    if len(payload) > max_bytes:
        raise PayloadError(
            f"{name}: {len(payload)} bytes of arguments, at most {max_bytes} may travel: "
            "store large things elsewhere and send where they are"
        )
    if payload.count(b"[") + payload.count(b"{") > MAX_DEPTH and _depth_exceeds(payload):
        raise PayloadError(_too_deep(name))


def _depth_exceeds(payload: bytes) -> bool:
    """Tell whether brackets nest too deep, strings left out: a round takes the innermost away."""
    brackets = _STRING.sub(b"", payload).translate(_SQUARE, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _too_deep(name: str) -> str:
    return f"{name}: the arguments are nested deeper than {MAX_DEPTH}"
