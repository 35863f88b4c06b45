"""``--args`` into a job, or every mistake in it: which field, of which type, and what to type."""

from __future__ import annotations

import dataclasses
import difflib
import enum
import json
import shlex
import types
import typing
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from horus_supervisor.cli.errors import Failure, usage
from horus_supervisor.errors import PayloadError
from horus_supervisor.job.codec import decode
from horus_supervisor.job.fields import (
    CannotTravel,
    Unresolved,
    annotation_of,
    type_name,
    unwrapped,
)

if TYPE_CHECKING:
    from horus_supervisor.job.definition import Job

FEW = 6
"""Most values of a choice that are named."""

EXAMPLES: dict[Any, Any] = {
    str: "text",
    int: 1,
    float: 1.5,
    bool: True,
    datetime: "2026-08-24T02:14:07Z",
    date: "2026-08-24",
    timedelta: "PT90S",
    Decimal: "1.5",
    UUID: "01a21057-1372-70d3-8e3a-5c4907f993de",
    bytes: "dGV4dA==",
    dict: {},
}
"""What to type for a type of which every value looks alike."""


def make(cls: type[Job], text: str) -> Job:
    """Make the job, as its runner will; what it doesn't know is a slip of the finger here.

    Fails with every mistake in the fields of a JSON object.
    """
    given = msgspec.json.decode(text.encode(), type=dict[str, msgspec.Raw])
    fields = {field.name: field for field in dataclasses.fields(cls)}
    unknown = [_unknown(cls, name, list(fields)) for name in given if name not in fields]
    try:
        wrong = dict(_misfits(cls, fields, given))
    except (CannotTravel, Unresolved):  # decode says why
        wrong = {}
    if unknown or wrong:
        right = {name: json.loads(bytes(given[name])) for name in fields if name in given}
        raise _failure(unknown, wrong, right)
    try:
        return decode(cls, text.encode())
    except PayloadError as error:
        raise usage(f"--args: {error}") from error


Misfits = dict[str, tuple[str, Any]]
"""Field -> what is wrong with it, and what could stand there."""


def _misfits(
    cls: type[Job], fields: dict[str, dataclasses.Field[Any]], given: dict[str, msgspec.Raw]
) -> Iterator[tuple[str, tuple[str, Any]]]:
    for name, field in fields.items():
        annotation = annotation_of(cls, field)
        where, example = f"{cls.__qualname__}.{name}", _example(annotation)
        choices = _choices(annotation)
        kind = _one_of(choices) or _short(
            field.type if isinstance(field.type, str) else type_name(annotation)
        )
        if name in given:
            try:
                msgspec.json.decode(given[name], type=annotation)
            except (msgspec.DecodeError, ValueError) as error:
                found = bytes(given[name]).decode()
                near = difflib.get_close_matches(found, map(_json, choices), 1)
                reason = "" if choices else f": {error}"
                yield (
                    name,
                    (
                        f"{where} is {kind}, not {_short(found)}{reason}",
                        json.loads(near[0]) if near else example,
                    ),
                )
        elif _is_needed(field):
            yield name, (f"{where} ({kind}) is missing", example)


def _unknown(cls: type[Job], name: str, fields: list[str]) -> str:
    near = difflib.get_close_matches(name, fields, 1)
    hint = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(fields) or 'none'}"
    return f"{cls.__qualname__} has no field {name!r}; {hint}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _choices(annotation: Any) -> list[Any]:
    """Tell what a field may hold, where that is one of a few values; else nothing."""
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return [member.value for member in annotation]
    return []


def _json(value: Any) -> str:
    return json.dumps(value, default=str)


def _one_of(choices: list[Any]) -> str:
    """Write choices: all of a few, else the first, and how many more there are."""
    shown = [_json(choice) for choice in choices]
    if len(shown) > FEW:
        shown[FEW - 1 :] = [f"{len(shown) - FEW + 1} more"]
    *most, last = shown or [""]
    return f"{', '.join(most)} or {last}" if most else last


def _example(annotation: Any) -> Any:
    """Make JSON that the type takes; ``...`` for one that takes all."""
    if choices := _choices(annotation):
        return choices[0]
    origin, arms = typing.get_origin(annotation), typing.get_args(annotation)
    if (inner := unwrapped(annotation, origin, arms)) is not None:
        return _example(inner)
    if origin in (typing.Union, types.UnionType):  # null ends a record that may hold its like
        return None if types.NoneType in arms else _example(arms[0])
    if (origin or annotation) in (list, tuple, set, frozenset):
        row = origin is tuple and ... not in arms
        return [_example(arm) for arm in arms] if row else []
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        needed = (field for field in dataclasses.fields(annotation) if _is_needed(field))
        return {field.name: _example(annotation_of(annotation, field)) for field in needed}
    return EXAMPLES.get(origin or annotation, "...")


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


def _failure(unknown: list[str], wrong: Misfits, given: dict[str, Any]) -> Failure:
    """Make the failure; what to type are the arguments as given, with the wrong ones replaced."""
    mistakes = [*unknown, *(why for why, _ in wrong.values())]
    args = {**given, **{name: example for name, (_, example) in wrong.items()}}
    text = shlex.quote(json.dumps(args, ensure_ascii=False))
    hint = f"the same with --args {text}" if wrong else ""
    return usage("\n".join(f"--args: {mistake}" for mistake in mistakes), hint)
