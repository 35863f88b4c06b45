"""Which types can travel as JSON: annotations of a class into the check of its values.

Built once a class. A type that can't travel is refused here, with its field's name, when the class
is defined; a name that doesn't exist yet is looked up again at first use. Never sees a payload.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import sys
import types
import typing
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, Flag
from typing import Any, Literal, Union
from uuid import UUID

import msgspec

from horus_supervisor.job import checks
from horus_supervisor.job.checks import Check

TRAVELS = (
    "str, int, float, bool, bytes, datetime, date, timedelta, UUID, Decimal, enums, Literal, "
    "dataclasses, and list, tuple, set, dict or Optional of these"
)

_ASKING = {"__getattr__", "__getattribute__"}
_SEQUENCES = (list, tuple, set, frozenset)
_KEYS = (str, int, UUID, Decimal, datetime, date, bytes)
_KEY_NAMES = "str, int, UUID, Decimal, datetime, date, bytes, an enum or a Literal of strings"

LONGEST_NAME = 120
"""Most characters of a type in an error: a Literal may have hundreds of values."""


class CannotTravel(Exception):
    """A type has no JSON that would come back as it was; the text says which, and why."""


class Unresolved(Exception):
    """An annotation names what does not exist (yet); the text says which."""


def type_name(annotation: object) -> str:
    """Write an annotation as its author did, as far as that can be told, and not at any length."""
    if inspect.isroutine(annotation):  # threading.Lock is a function before Python 3.13
        return annotation.__qualname__
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__qualname__
    text = inspect.formatannotation(annotation)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 4]} ..."


def annotation_of(cls: type, field: dataclasses.Field[Any]) -> Any:
    """Tell a field's type; postponed and quoted names are looked up where the field was written.

    Raises: ``Unresolved``; ``CannotTravel`` where it is no type at all.
    """
    owner = owner_of(cls, field)
    # a class, as a function has no Final
    stub = type("stub", (), {"__annotations__": {field.name: field.type}})
    module = sys.modules.get(owner.__module__)
    names = vars(module) if module else {}
    try:
        hints = typing.get_type_hints(stub, names, {owner.__name__: owner}, include_extras=True)
    except (NameError, AttributeError) as error:
        raise Unresolved(str(error)) from None
    except Exception as error:  # a text is evaluated, which may raise anything
        raise CannotTravel(f"its annotation can't be read: {error}") from None
    return hints[field.name]


def owner_of(cls: type, field: dataclasses.Field[Any]) -> type:
    """Find the class in whose body the field stands: its heirs have the same, its bases don't."""
    fields = [(base, vars(base).get("__dataclass_fields__", {})) for base in cls.__mro__]
    return [base for base, known in fields if known.get(field.name) is field][-1]


class Examination:
    """One walk through the types of a class; owns what it notes for the codec on its way."""

    def __init__(self) -> None:
        self.look = False
        """Decoded values need their check too: msgspec takes naive datetimes and NaN Decimals."""
        self.prove = False
        """Only decoding tells whether a value is valid: ``Annotated`` with msgspec's ``Meta``."""
        self.asks = False
        """A record has a ``__getattr__`` or ``__getattribute__`` of its own."""
        self._records: dict[type, Check] = {}

    def record(self, cls: type) -> Check:
        """Make the check of a dataclass's instances. Raises: ``CannotTravel``, ``Unresolved``."""
        if cls not in self._records:
            parts: list[tuple[str, Check]] = []
            self._records[cls] = checks.record(cls, parts)  # first: a tree's nodes have nodes
            refuse_init_vars(cls)
            self.asks |= any(_ASKING & vars(base).keys() for base in cls.__mro__[:-1])
            parts += [(field.name, self.field(cls, field)) for field in dataclasses.fields(cls)]
        return self._records[cls]

    def field(self, cls: type, field: dataclasses.Field[Any]) -> Check:
        """Make the check of one field's values. Raises: ``CannotTravel``, ``Unresolved``."""
        name = f"{cls.__qualname__}.{field.name}"
        try:
            annotation = annotation_of(cls, field)
        except CannotTravel as error:
            raise CannotTravel(f"{name}: {error}") from None
        try:
            check = self._check(annotation)
            _be_decoded(annotation)
        except CannotTravel as error:
            shown = field.type if isinstance(field.type, str) else type_name(annotation)
            why = f"{name} ({shown}) can't travel: {error}"
            raise CannotTravel(why) from None
        return check

    def _check(self, annotation: Any) -> Check:
        if isinstance(annotation, collections.abc.Hashable) and annotation in checks.SIMPLE:
            self.look |= annotation in (datetime, Decimal)
            return checks.SIMPLE[annotation]
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if (inner := unwrapped(annotation, origin, args)) is not None:
            self.prove |= any(isinstance(extra, msgspec.Meta) for extra in args[1:])
            return self._check(inner)
        if origin in (Union, types.UnionType):
            return self._union(annotation, args)
        if origin is Literal:
            return checks.one_of(args, type_name(annotation))
        if (origin or annotation) in (*_SEQUENCES, dict):
            return self._container(annotation, origin or annotation, args)
        if _is_enum(annotation):
            return _enum(annotation)
        if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
            return self.record(annotation)
        raise CannotTravel(_advice(origin or annotation))

    def _union(self, annotation: Any, args: tuple[Any, ...]) -> Check:
        some = [arg for arg in args if arg is not types.NoneType]
        if len(some) == 1:
            return checks.optional(self._check(some[0]))
        if Any in some or object in some:
            raise CannotTravel("a union with Any comes back as plain JSON values")
        arms = [self._check(arg) for arg in some]
        if any(typing.get_origin(arg) is Literal or _is_enum(arg) for arg in some):
            # where whole numbers are a Literal's or an enum's, a float must have its point
            arms = [checks.real if arm is checks.number else arm for arm in arms]
        check = checks.either(arms, type_name(annotation))
        return checks.optional(check) if len(some) < len(args) else check

    def _container(self, annotation: Any, kind: Any, args: tuple[Any, ...]) -> Check:
        if kind is dict:
            if len(args) not in (0, 2):
                raise CannotTravel("a dict has two types, its keys' and its values'")
            key, value = args or (str, Any)
            if not _is_key(key):
                raise CannotTravel(f"a dict's key is {_KEY_NAMES}, not {type_name(key)}")
            return checks.mapping(self._check(key), self._check(value))
        if kind is tuple and annotation not in (tuple, typing.Tuple) and args[1:] != (...,):  # noqa: UP006
            return checks.row([self._check(arg) for arg in args])
        return checks.sequence(kind, self._check(args[0] if args else Any))


def _be_decoded(annotation: Any) -> None:
    """Refuse what msgspec doesn't read back, say, unions whose JSON tells no arm."""
    try:
        msgspec.json.Decoder(annotation)
    except NameError as error:  # a job class in itself: its name comes with the end of its body
        raise Unresolved(str(error)) from None
    except NotImplementedError:
        raise CannotTravel("an int of a Literal or an enum has 64 bits, no more") from None
    except TypeError as error:
        raise CannotTravel(str(error)) from None


def is_plain(value: object) -> bool:
    """Tell whether a value is of a kind that fields have, and not, say, a logger or a method."""
    return type(value) in (*_KEYS, *_SEQUENCES, float, bool, dict, timedelta, types.NoneType) or (
        isinstance(value, Enum)
    )


def refuse_init_vars(cls: type) -> None:
    """Raise ``CannotTravel`` for ``InitVar``: its value is not kept, so it can't be sent."""
    for name, field in vars(cls)["__dataclass_fields__"].items():
        if field._field_type.name == "_FIELD_INITVAR":
            raise CannotTravel(f"{cls.__qualname__}.{name}: an InitVar is not kept, so not sent")


def unwrapped(annotation: Any, origin: Any, args: tuple[Any, ...]) -> Any:
    """Tell what an annotation is a mere name or wrapper for, None for those that are themselves."""
    if origin in (typing.Annotated, typing.Final):
        return args[0]
    if isinstance(annotation, typing.NewType):
        return annotation.__supertype__
    if type(annotation).__name__ == "TypeAliasType":  # `type X = ...`, from Python 3.12 on
        return annotation.__value__
    return None


def _is_enum(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Enum)


def _enum(kind: type[Enum]) -> Check:
    if issubclass(kind, Flag):
        raise CannotTravel("combined flags have no name of their own; use a list of an Enum")
    return checks.exactly(kind)


def _is_key(annotation: Any) -> bool:
    if isinstance(annotation, typing.NewType):
        return _is_key(annotation.__supertype__)
    if typing.get_origin(annotation) is Literal:
        return all(isinstance(value, str) for value in typing.get_args(annotation))
    return annotation in _KEYS or _is_enum(annotation)


def _advice(kind: Any) -> str:
    if kind is typing.Final:
        return "it names no type: write Final[...], or no annotation where all jobs share the value"
    if isinstance(kind, type) and issubclass(kind, collections.abc.Mapping):
        return "use dict"
    if kind in (collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection):
        return "use list"
    return f"a field is made of {TRAVELS}"
