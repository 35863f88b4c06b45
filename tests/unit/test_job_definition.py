"""A job class is a record with options; one that can't work is refused where it is defined."""

from __future__ import annotations

import dataclasses
import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

import pytest

from horus_supervisor.errors import HorusError, JobDefinitionError
from horus_supervisor.job import definition
from horus_supervisor.job.codec import encode
from horus_supervisor.job.definition import Job, JobOptions

T = TypeVar("T")


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the classes of each test apart."""
    monkeypatch.setattr(definition, "_registry", {})


class EmailJob(Job, queue="emails", timeout=30, max_attempts=5, max_crashes=2):
    recipient: str
    subject: str
    message: str = ""

    def execute(self) -> None: ...


@dataclass
class Holder:
    lock: threading.Lock


@dataclass
class Seeded:
    seed: dataclasses.InitVar[int]


class Perms(IntFlag):
    READ = 1
    WRITE = 2


# --- what a class is -------------------------------------------------------------------------


def test_fields_are_given_by_position_or_by_name() -> None:
    job = EmailJob("a@example.com", subject="Hi")
    assert (job.recipient, job.subject, job.message) == ("a@example.com", "Hi", "")
    assert job == EmailJob("a@example.com", "Hi")


def test_options_are_kept_with_the_class() -> None:
    assert EmailJob.__horus__ == JobOptions(
        name=f"{__name__}.EmailJob",
        named=False,
        queue="emails",
        timeout_s=30,
        max_attempts=5,
        max_crashes=2,
    )


def test_without_options_a_class_has_the_defaults() -> None:
    class Plain(Job):
        def execute(self) -> None: ...

    options = Plain.__horus__
    assert (options.queue, options.timeout_s, options.max_attempts) == ("default", None, 12)
    assert options.max_crashes is None


def test_a_subclass_has_the_fields_and_options_of_its_base_but_its_own_name() -> None:
    class Base(Job, queue="slow", timeout=5, name="base"):
        first: int

        def execute(self) -> None: ...

    class Heir(Base, timeout=None):
        second: int = 2

    assert dataclasses.astuple(Heir(1)) == (1, 2)
    assert Heir.__horus__.queue == "slow"
    assert Heir.__horus__.timeout_s is None
    assert Heir.__horus__.name == f"{__name__}.{Heir.__qualname__}"
    assert Base.__horus__.timeout_s == 5


def test_a_class_without_execute_is_a_base_only() -> None:
    class Base(Job):
        tenant: str

    class Real(Base):
        def execute(self) -> None: ...

    assert definition.registry() == {Real.__horus__.name: Real}
    with pytest.raises(TypeError, match="abstract"):
        Base("a")  # type: ignore[abstract]


def test_a_job_may_say_when_it_wants_to_be_tried_again() -> None:
    class Patient(Job):
        def execute(self) -> None: ...

        def retry_in(self, attempt: int, error: BaseException) -> float:
            return 60.0 * attempt

    assert Patient().retry_in(2, ValueError()) == 120
    assert 0.8 * 31 <= EmailJob("a", "b").retry_in(2, ValueError()) <= 1.2 * 31


def test_class_variables_are_no_fields() -> None:
    class Counting(Job):
        seen: ClassVar[list[int]] = []
        number: int = 1

        def execute(self) -> None: ...

    assert encode(Counting()) == b'{"number":1}'


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"queue": "two words"}, "queue='two words'"),
        ({"queue": ""}, "queue=''"),
        ({"queue": "q" * 65}, "1 to 64"),
        ({"queue": None}, "queue=None"),
        ({"name": "two words"}, "name='two words'"),
        ({"name": ""}, "name=''"),
        ({"name": "n" * 201}, "1 to 200"),
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": -1}, "timeout=-1"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"timeout": float("inf")}, "timeout=inf"),
        ({"timeout": "30s"}, "timeout='30s'"),
        ({"timeout": True}, "timeout=True"),
        ({"max_attempts": 0}, "max_attempts=0"),
        ({"max_attempts": None}, "max_attempts=None"),
        ({"max_attempts": 1.5}, "max_attempts=1.5"),
        ({"max_attempts": True}, "max_attempts=True"),
        ({"max_crashes": 0}, "max_crashes=0"),
        ({"max_crashes": 10**9}, "max_crashes=1000000000"),
        ({"que": "emails"}, "que= is no option of a job class; did you mean queue? Allowed: "),
        ({"retry": 5}, "retry= is no option of a job class. Allowed: queue, name, timeout, "),
    ],
)
def test_a_bad_option_is_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(JobDefinitionError) as refused:

        class Bad(Job, **options):
            def execute(self) -> None: ...

    assert said in str(refused.value)
    assert "Bad" in str(refused.value)
    assert definition.registry() == {}


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        (Callable[[], None], "Callable[[], None]"),
        (threading.Lock, "ock"),  # its name differs between versions of Python
        ("threading.Lock", "threading.Lock"),
        (io.TextIOWrapper, "TextIOWrapper"),
        (type, "type"),
        (complex, "complex"),
        (bytearray, "bytearray"),
        (list[Callable[[], None]], "list[collections.abc.Callable[[], None]]"),
        (dict[float, int], "float"),
        (dict[int | str, int], "int | str"),
        (str | bytes, "more than one str-like"),
        (int | Any, "Any"),
        (int | object, "Any"),
        (dict[Literal[1], int], "a dict's key is"),
        (Seeded, "Seeded.seed: an InitVar"),
        (Perms, "flags"),
        (Sequence[int], "use list"),
        (T, "T"),
        (Holder, "Holder.lock"),
        (list[Holder | None], "Holder.lock"),
        ("Callable[[], None]", "Callable[[], None]"),
        ("1 +", "can't be read"),
        ("1 / 0", "can't be read"),
        ("dict[str]", "its keys' and its values'"),
        (Literal[2**63], "64 bits, no more"),
        (Final, "no annotation where all jobs share"),
        ("Final", "no annotation where all jobs share"),
        (5, "(5)"),
    ],
)
def test_a_field_that_cannot_travel_is_named_with_its_type(kind: Any, shown: str) -> None:
    with pytest.raises(JobDefinitionError) as refused:
        type(
            "Bad", (Job,), {"__annotations__": {"fine": int, "what": kind}, "__module__": __name__}
        )

    assert f"{__name__}.Bad.what" in str(refused.value)
    assert shown in str(refused.value)


def test_the_error_is_a_type_error_and_horus_own() -> None:
    assert issubclass(JobDefinitionError, TypeError)
    assert issubclass(JobDefinitionError, HorusError)


def test_a_generic_dataclass_is_refused_where_its_type_is_open() -> None:
    @dataclass
    class Box(Generic[T]):
        content: T

    with pytest.raises(JobDefinitionError, match=r"Bad\.box"):
        type("Bad", (Job,), {"__annotations__": {"box": Box}, "__module__": __name__})


def test_init_only_variables_are_refused() -> None:
    with pytest.raises(JobDefinitionError, match=r"Bad\.seed: an InitVar"):

        class Bad(Job):
            seed: dataclasses.InitVar[int]

            def execute(self) -> None: ...


def test_a_field_without_a_default_after_one_with_is_refused() -> None:
    told = r"'second' follows default argument.*: give it a default too, or field\(kw_only=True\)$"
    with pytest.raises(JobDefinitionError, match=told):

        class Bad(Job):
            first: int = 1
            second: int  # type: ignore[misc]

            def execute(self) -> None: ...


def test_a_shared_mutable_default_is_refused() -> None:
    remedy = r"\.names: all .* write names: list\[str\] = field\(default_factory=list\)"
    with pytest.raises(JobDefinitionError, match=remedy) as refused:

        class Bad(Job):
            seen: ClassVar[list[str]] = []
            names: list[str] = []  # noqa: RUF012

            def execute(self) -> None: ...

    assert refused.value.__suppress_context__  # nothing is told but this
    with pytest.raises(JobDefinitionError, match=r"default_factory=lambda: \{'a': 1\}\)"):

        class Filled(Job):
            counts: dict[str, int] = {"a": 1}  # noqa: RUF012

            def execute(self) -> None: ...


def test_an_own_init_is_refused_with_the_remedy() -> None:
    with pytest.raises(JobDefinitionError, match="__post_init__"):

        class Bad(Job):
            number: int

            def __init__(self) -> None:
                self.number = 5

            def execute(self) -> None: ...


def test_a_second_class_made_for_slots_is_refused_with_the_remedy() -> None:
    with pytest.raises(JobDefinitionError, match="slots=True"):

        @dataclass(slots=True)
        class Bad(Job):
            number: int

            def execute(self) -> None: ...


def test_a_field_may_be_final_also_as_a_text() -> None:
    class Fixed(Job):
        number: Final[int] = 3

        def execute(self) -> None: ...

    assert encode(Fixed()) == b'{"number":3}'


def test_a_field_named_as_a_method_of_jobs_is_refused() -> None:
    with pytest.raises(JobDefinitionError, match=r"Bad\.retry_in"):

        class Bad(Job):
            retry_in: float  # type: ignore[assignment]

            def execute(self) -> None: ...
