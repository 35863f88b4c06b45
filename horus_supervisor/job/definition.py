"""The job class: a typed record that travels as JSON, with an ``execute``.

A subclass of ``Job`` is a dataclass as soon as it is defined, and then in the registry, by which
runners find it: nothing that a payload says can cause an import. Knows no Redis.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import types
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Never, dataclass_transform

from horus_supervisor.backoff import retry_in_s
from horus_supervisor.errors import JobDefinitionError
from horus_supervisor.ids import MAX_JOB_NAME, QUEUE_NAMES, valid_job_name, valid_queue_name
from horus_supervisor.job.checks import describe
from horus_supervisor.job.fields import (
    CannotTravel,
    Examination,
    Unresolved,
    is_plain,
    owner_of,
    refuse_init_vars,
    type_name,
)
from horus_supervisor.job.numbers import COUNTS, TIMEOUTS, in_seconds, valid_count, valid_timeout

MAX_ATTEMPTS = 12
"""Default attempts of a job; with the default ``retry_in`` they take about eleven hours."""

_CALLED = {"execute": (), "retry_in": ("attempt", "error"), "on_crash": ("crash",)}
"""Methods of a job that we call, and what with."""

_UNDONE = (types.CoroutineType, types.AsyncGeneratorType, types.GeneratorType)

_OPTIONS = ("queue", "name", "timeout", "max_attempts", "max_crashes")
_INHERIT: Any = object()


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What was said of a job class, found at ``cls.__horus__``. None: the group decides."""

    name: str = ""
    named: bool = False
    """Whether ``name=`` was given: a name that does not depend on where the class lives."""
    queue: str = "default"
    timeout_s: float | None = None
    max_attempts: int = MAX_ATTEMPTS
    max_crashes: int | None = None
    on_crash: bool = False
    """Whether the class has an ``on_crash`` of its own."""


@dataclass  # an heir that is decorated with frozen=True is then refused by dataclasses
@dataclass_transform(field_specifiers=(dataclasses.field,))
class Job(ABC):
    """Base of job classes: annotate fields, write ``execute``.

    ::

        class EmailJob(Job, queue="emails", timeout=30, max_attempts=5):
            recipient: str
            subject: str = ""

            def execute(self) -> None: ...

    Class options: ``queue`` (default ``"default"``), ``name`` on the wire (default
    ``module.QualName``), ``timeout`` in seconds and ``max_crashes`` (default None: what the
    runner's group says), ``max_attempts`` (12). A subclass inherits all of them but ``name``.

    A class without ``execute`` is a base: it has heirs, or says ``class Base(Job, ABC)``.

    Raises ``JobDefinitionError`` where the class is defined, if it can't work.
    """

    __horus__: ClassVar[JobOptions] = JobOptions()

    def __init_subclass__(
        cls,
        *,
        queue: str = _INHERIT,
        name: str | None = None,
        timeout: float | None = _INHERIT,
        max_attempts: int = _INHERIT,
        max_crashes: int | None = _INHERIT,
        **unknown: Never,
    ) -> None:
        super().__init_subclass__()
        _refuse_options(cls, unknown)
        given: dict[str, Any] = {
            "queue": queue,
            "timeout_s": timeout,
            "max_attempts": max_attempts,
            "max_crashes": max_crashes,
        }
        own = {option: value for option, value in given.items() if value is not _INHERIT}
        own["on_crash"] = cls.on_crash is not Job.on_crash
        own["name"] = f"{cls.__module__}.{cls.__qualname__}" if name is None else name
        cls.__horus__ = dataclasses.replace(cls.__horus__, named=name is not None, **own)
        _check_options(cls, cls.__horus__)
        _check_methods(cls)
        _make_record(cls)
        _check_values(cls)
        _check_fields(cls)
        if not _is_abstract(cls):
            _register(cls)

    @abstractmethod
    def execute(self) -> None:
        """Do the job. Returning is success; whatever is raised is a failed attempt."""

    def retry_in(self, attempt: int, error: BaseException) -> float:
        """Tell the seconds until the next attempt, after ``attempt`` (1 is the first) failed.

        Not asked after the last one. Default: attempt⁴ + 15, give or take a fifth.
        """
        return retry_in_s(attempt)

    def on_crash(self, crash: dict[str, Any]) -> None:  # noqa: B027  # may be left as it is
        """Hear that a runner died of this job, in a healthy one: a job of its own, on its queue.

        ``crash`` is the crash record, as ``horus crash --json`` shows it. Called for each record,
        at least once. Default: nothing, and nothing is enqueued.
        """


# --- the registry ----------------------------------------------------------------------------

_registry: dict[str, type[Job]] = {}


def find(name: str) -> type[Job] | None:
    """Tell the job class of that name, None where none was defined in this process."""
    return _registry.get(name)


def registry() -> dict[str, type[Job]]:
    """Tell all job classes of this process by name, those without an ``execute`` left out."""
    return dict(_registry)


def refuse_unfinished(modules: Collection[str]) -> None:
    """Refuse what ``unfinished`` finds. Raises: ``JobDefinitionError`` that names them all."""
    if found := unfinished(modules):
        raise JobDefinitionError("; ".join(map(why_unfinished, found)))


def unfinished(modules: Collection[str]) -> list[type[Job]]:
    """Find classes without an ``execute`` that are nobody's base: forgotten, or misspelt.

    For who has imported all job code. Of ``modules`` and what lies below them only: a library may
    bring a base that nobody here needs. Another base without heirs says that it is one by ``ABC``
    among its bases, or by an abstract method of its own.
    """
    below = tuple(f"{module}." for module in modules)
    return [
        cls
        for cls in heirs(Job)
        if f"{cls.__module__}.".startswith(below) and _is_abstract(cls) and _is_leaf(cls)
    ]


def why_unfinished(cls: type[Job]) -> str:
    """Say what is wrong with such a class."""
    return (
        f"{_path(cls)} has no execute(self), so no runner could run it{place(cls)}: write one, "
        f"or class {cls.__name__}(Job, ABC) where it is a base"
    )


def heirs(base: type) -> list[type[Job]]:
    """Give all job classes of this process, those without an ``execute`` too, each once."""
    children: Collection[type[Job]] = base.__subclasses__()
    found = [heir for child in children for heir in (child, *heirs(child))]
    return list(dict.fromkeys(found))  # some have two bases


def _is_leaf(cls: type[Job]) -> bool:
    own = any(getattr(value, "__isabstractmethod__", False) for value in vars(cls).values())
    return not cls.__subclasses__() and not own and ABC not in cls.__bases__


def place(cls: type[Job]) -> str:
    """Tell the file and line of a class as `` (FILE:LINE)``; nothing where its text is gone."""
    try:
        return f" ({inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]})"
    except (OSError, TypeError):
        return ""


def forget(cls: type[Job]) -> None:
    """Take a class out of the registry, as if it had not been defined."""
    del _registry[cls.__horus__.name]


def _register(cls: type[Job]) -> None:
    """Enter a class; one that is defined anew, as a reloaded module does, takes its own place."""
    other = _registry.setdefault(cls.__horus__.name, cls)
    if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
        raise JobDefinitionError(
            f"{_path(cls)}: the name {cls.__horus__.name!r} is {_path(other)}'s already; "
            f"give one of them another name="
        )
    _registry[cls.__horus__.name] = cls


# --- definition ------------------------------------------------------------------------------


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _is_abstract(cls: type[Job]) -> bool:
    return getattr(cls.execute, "__isabstractmethod__", False)


def _refuse_options(cls: type[Job], unknown: Collection[str]) -> None:
    for option in unknown:
        import difflib  # for nobody else here

        near = difflib.get_close_matches(option, _OPTIONS, 1)
        meant = f"; did you mean {near[0]}?" if near else "."
        raise JobDefinitionError(
            f"{_path(cls)}: {option}= is no option of a job class{meant} "
            f"Allowed: {', '.join(_OPTIONS)}"
        )


def _check_options(cls: type[Job], options: JobOptions) -> None:
    def refuse(option: str, value: object, allowed: str) -> JobDefinitionError:
        return JobDefinitionError(f"{_path(cls)}: {option}={value!r}: {allowed}")

    if not valid_job_name(options.name):
        allowed = f"a name is 1 to {MAX_JOB_NAME} printable characters, no white space; set name="
        raise refuse("name", options.name, allowed)
    if not valid_queue_name(options.queue):
        raise refuse("queue", options.queue, f"a queue's name is {QUEUE_NAMES}")
    if options.timeout_s is not None and not valid_timeout(options.timeout_s):
        allowed = f"{TIMEOUTS}{in_seconds(options.timeout_s)}"
        raise refuse("timeout", options.timeout_s, allowed)
    if not valid_count(options.max_attempts):
        raise refuse("max_attempts", options.max_attempts, COUNTS)
    if options.max_crashes is not None and not valid_count(options.max_crashes):
        raise refuse("max_crashes", options.max_crashes, f"{COUNTS}, or None")


def _check_methods(cls: type[Job]) -> None:
    """Refuse what looks right and would do nothing, or fail only when it is called."""
    if "__dataclass_fields__" in vars(cls):  # a copy of a class that is one of ours already
        raise JobDefinitionError(
            f"{_path(cls)}: @dataclass(slots=True) would make a second class of it: "
            "leave that away, as a job class is a dataclass without it"
        )
    for name, given in _CALLED.items():
        if inspect.getattr_static(cls, name) is not vars(Job)[name]:  # ours is right
            _check_method(cls, name, given)
    if "__init__" in vars(cls):
        raise JobDefinitionError(
            f"{_path(cls)}.__init__ would not run in the runner: annotate fields, "
            "and do the rest in __post_init__, which runs on both sides"
        )


def _check_method(cls: type[Job], name: str, given: tuple[str, ...]) -> None:
    where, method = f"{_path(cls)}.{name}", getattr(cls, name)
    right = f"write def {name}({', '.join(('self', *given))})"
    kind = type(inspect.getattr_static(cls, name))
    if kind in (staticmethod, classmethod):
        raise JobDefinitionError(f"{where} is a {kind.__name__} and would not see its job: {right}")
    if not callable(method):
        raise JobDefinitionError(f"{where} is a {kind.__name__}, no method: {right}")
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        raise JobDefinitionError(
            f"{where} is async, and nobody would await it: "
            "write a plain one that calls asyncio.run()"
        )
    if inspect.isgeneratorfunction(method):
        raise JobDefinitionError(f"{where} has a yield: calling it would do nothing")
    if inspect.isfunction(method):
        signature = inspect.signature(method, follow_wrapped=False)  # a wrapper's own
        try:
            signature.bind("self", *given)
        except TypeError as error:
            needs = "; what a job needs is a field of it" if name == "execute" else ""
            told = f"{where}{signature} can't be called: {error}: {right}{needs}"
            raise JobDefinitionError(told) from None


def refuse_undone(given_back: object) -> None:
    """Refuse what a call of job code gave back where that has yet to be run, and nobody would.

    A decorator may hide from the definition that what it wraps is async, or has a yield.
    """
    kind = type(given_back)
    del given_back  # Python warns of a coroutine now, by name, and not when the error is gone
    if kind in _UNDONE:
        raise JobDefinitionError(
            f"it was not run: calling it gave a {kind.__name__} back, which nobody would run: "
            "write a plain one that calls asyncio.run()"
        )


def _check_values(cls: type[Job]) -> None:
    """Refuse a value without an annotation where it would do nothing: a field's, or an option's.

    Any other is an attribute that all jobs share, as in every class.
    """
    fields = vars(cls)["__dataclass_fields__"]
    for name, value in vars(cls).items():
        if not is_plain(value) or (name in fields and _is_own(cls, fields[name])):
            continue
        where = f"{_path(cls)}.{name} = {describe(value).rpartition(' (')[0]}"
        if name in fields:
            kind = fields[name].type
            remedy = f"write {name}: {kind if isinstance(kind, str) else type_name(kind)} = ..."
            raise JobDefinitionError(
                f"{where} has no annotation, so the field's default stays as it is: {remedy}"
            )
        if name in _OPTIONS and not any(hasattr(mixin, name) for mixin in _mixins(cls)):
            remedy = f"write class {cls.__name__}(Job, {name}=...)"
            raise JobDefinitionError(f"{where} is no option there: {remedy}")


def _is_own(cls: type[Job], field: dataclasses.Field[Any]) -> bool:
    """Tell whether a name is annotated in a class, or as a class variable in one of its bases."""
    class_variable: bool = field._field_type.name == "_FIELD_CLASSVAR"  # type: ignore[attr-defined]
    return class_variable or owner_of(cls, field) is cls


def _mixins(cls: type[Job]) -> list[type]:
    return [base for base in cls.__mro__ if not issubclass(base, Job)]


def _make_record(cls: type[Job]) -> None:
    try:
        dataclass(cls)
    except (TypeError, ValueError) as error:  # say: a field without a default after one with
        late = " follows default argument" in str(error)
        hint = ": give it a default too, or field(kw_only=True)" if late else ""
        told = _shared_default(cls, str(error)) or f"{_path(cls)}: {error}{hint}"
        raise JobDefinitionError(told) from None


def _shared_default(cls: type[Job], why: str) -> str | None:
    """Say what to write instead of a default that all jobs would share; None: it was not that."""
    with contextlib.suppress(NameError):  # Python 3.14: an annotation names what is not there yet
        for name, annotation in inspect.get_annotations(cls).items():
            default = vars(cls).get(name)
            if f" for field {name} " in why and isinstance(default, list | dict | set):
                kind = annotation if isinstance(annotation, str) else type_name(annotation)
                named = type(default).__name__
                make = f"lambda: {describe(default).rpartition(' (')[0]}" if default else named
                return (
                    f"{_path(cls)}.{name}: all jobs would share this {named}: write "
                    f"{name}: {kind} = field(default_factory={make}), with field from dataclasses"
                )
    return None


def _check_fields(cls: type[Job]) -> None:
    """Refuse fields that can't travel; names that don't exist yet are looked up at first use."""
    examination = Examination()
    try:
        refuse_init_vars(cls)
        for field in dataclasses.fields(cls):
            if field.name in _CALLED:
                raise CannotTravel(f"{cls.__qualname__}.{field.name}: a job has a method so called")
            with contextlib.suppress(Unresolved):  # the codec asks again
                examination.field(cls, field)
    except CannotTravel as error:
        raise JobDefinitionError(f"{cls.__module__}.{error}") from None
