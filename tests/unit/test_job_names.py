"""Names: by which a job class is found, and those in its annotations that come later."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from horus_supervisor.errors import JobDefinitionError
from horus_supervisor.job import definition
from horus_supervisor.job.codec import decode, encode
from horus_supervisor.job.definition import Job


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the classes of each test apart."""
    monkeypatch.setattr(definition, "_registry", {})


class Early(Job):
    late: Late | None = None
    many: list[Late] = field(default_factory=list)

    def execute(self) -> None: ...


class Step(Job):
    then: Step | None = None

    def execute(self) -> None: ...


class EarlyAndBad(Job):
    late: LateHolder

    def execute(self) -> None: ...


@dataclass
class Late:
    number: int


@dataclass
class LateHolder:
    lock: threading.Lock


def test_a_class_is_found_by_its_name() -> None:
    class Found(Job, name="found"):
        def execute(self) -> None: ...

    assert definition.find("found") is Found
    assert definition.find("lost") is None


def test_a_class_that_is_defined_again_takes_its_own_place() -> None:
    def define() -> type[Job]:
        class Again(Job, name="again"):
            def execute(self) -> None: ...

        return Again

    define()
    second = define()
    assert definition.find("again") is second


def test_two_classes_of_one_name_are_refused_and_the_first_one_stays() -> None:
    class First(Job, name="same"):
        def execute(self) -> None: ...

    with pytest.raises(JobDefinitionError, match=r"Second: the name 'same' is .*First's already"):

        class Second(Job, name="same"):
            def execute(self) -> None: ...

    body = {"__qualname__": First.__qualname__, "__module__": "elsewhere"}
    with pytest.raises(JobDefinitionError, match=r"'same' is .*First's already"):
        type("First", (First,), body, name="same")

    assert definition.find("same") is First


def test_where_the_text_of_a_class_is_gone_no_place_of_it_is_told() -> None:
    made = [type("Made", (Job,), {"__module__": name}) for name in (__name__, "nowhere")]
    assert [*map(definition.place, made)] == ["", ""]


# --- names that come later -------------------------------------------------------------------


def test_a_name_that_exists_only_later_is_looked_up_at_first_use() -> None:
    assert encode(Early(Late(3))) == b'{"late":{"number":3},"many":[]}'


def test_a_job_class_may_have_fields_of_its_own_type() -> None:
    assert decode(Step, encode(Step(Step()))) == Step(Step())


def test_a_name_in_an_annotation_is_looked_up_where_the_field_was_written() -> None:
    heir: Any = type("Heir", (Early,), {"__module__": "elsewhere"})
    assert encode(heir(Late(3))) == b'{"late":{"number":3},"many":[]}'


def test_a_late_name_that_cannot_travel_is_refused_at_first_use() -> None:
    with pytest.raises(JobDefinitionError, match=r"LateHolder\.lock \(threading.Lock\)"):
        encode(EarlyAndBad(LateHolder(threading.Lock())))


def test_a_name_that_never_exists_is_refused_at_first_use() -> None:
    class Never(Job):
        what: Nowhere  # type: ignore[name-defined]  # noqa: F821

        def execute(self) -> None: ...

    with pytest.raises(JobDefinitionError, match=r"Never.*'Nowhere' is not defined"):
        encode(Never(1))

    class Dotted(Job):
        what: io.Nowhere  # type: ignore[name-defined]

        def execute(self) -> None: ...

    with pytest.raises(JobDefinitionError, match=r"Dotted.*no attribute 'Nowhere'"):
        encode(Dotted(1))


def test_fields_beside_a_name_that_comes_later_are_checked_at_once() -> None:
    with pytest.raises(JobDefinitionError, match=r"Bad\.lock"):

        class Bad(Job):
            late: Later  # type: ignore[name-defined]  # noqa: F821
            lock: threading.Lock

            def execute(self) -> None: ...
