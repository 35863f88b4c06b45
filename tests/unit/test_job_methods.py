"""What in the body of a job class would do nothing, or fail when called, is refused at once."""

from __future__ import annotations

import functools
import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from horus_supervisor.errors import JobDefinitionError
from horus_supervisor.job import definition
from horus_supervisor.job.definition import Job


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the classes of each test apart."""
    monkeypatch.setattr(definition, "_registry", {})


async def hears(self: Job, crash: object) -> None: ...


async def streams(self: Job) -> Any:
    yield


def yields(self: Job) -> Any:
    yield


def wrapped(execute: Callable[[Any, str], None]) -> Callable[[Any], None]:
    @functools.wraps(execute)
    def call(self: Any) -> None:
        execute(self, "a connection")

    return call


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({"execute": hears}, "execute is async, and nobody would await it"),
        ({"on_crash": hears}, "on_crash is async"),
        ({"execute": yields}, "execute has a yield"),
        ({"execute": streams}, "execute is async"),
        ({"execute": staticmethod(lambda: None)}, r"staticmethod .* write def execute\(self\)"),
        ({"execute": classmethod(lambda cls: None)}, "is a classmethod"),
        ({"execute": "shop.send"}, "execute is a str, no method"),
        ({"execute": lambda self, y: None}, r"\(self, y\) .* argument: 'y'.* is a field"),
        ({"execute": lambda self, *, y: None}, "argument: 'y'"),
        ({"execute": lambda: None}, "too many positional arguments"),
        ({"retry_in": lambda self, attempt: 5}, r"write def retry_in\(self, attempt, error\)$"),
        ({"on_crash": lambda self: None}, r"write def on_crash\(self, crash\)"),
        ({"queue": "emails"}, r"queue = 'emails' is no option .* class Bad\(Job, queue=\.\.\.\)"),
    ],
)
def test_what_would_do_nothing_or_fail_when_called_is_refused_with_the_remedy(
    methods: dict[str, Any], said: str
) -> None:
    body = {"execute": lambda self: None, "__module__": __name__, **methods}
    with pytest.raises(JobDefinitionError, match=rf"test_job_methods\.Bad\..*{said}"):
        type("Bad", (Job,), body)
    assert definition.registry() == {}


def test_a_method_that_comes_from_elsewhere_is_looked_at_too() -> None:
    class Mixin:
        execute = hears

    with pytest.raises(JobDefinitionError, match="execute is async"):

        class Bad(Mixin, Job): ...  # type: ignore[misc]


def test_a_class_hears_of_crashes_by_the_method_of_its_base() -> None:
    class Base(Job):
        def execute(self) -> None: ...

        def on_crash(self, crash: dict[str, Any]) -> None: ...

    class Heir(Base): ...

    assert (Job.__horus__.on_crash, Heir.__horus__.on_crash) == (False, True)


def test_a_default_that_is_set_anew_without_an_annotation_is_refused() -> None:
    class Base(Job):
        subject: str = "Hi"
        shared: ClassVar[str] = "a"

        def execute(self) -> None: ...

    class Fine(Base):
        shared = "b"

    with pytest.raises(JobDefinitionError, match=r"Bad\.subject = 'Ho' .* write subject: str ="):

        class Bad(Base):
            subject = "Ho"


def test_what_is_no_field_by_its_looks_is_let_be() -> None:
    class Mixin:
        color = "red"
        timeout = 5

    class Fine(Mixin, Job):
        LIMIT = 5
        _cache: ClassVar[dict[str, str]] = {}
        _seen = 0
        color = "blue"
        timeout = 9
        template = "welcome.html"
        names = ["a"]  # noqa: RUF012  # what people write
        parent = None
        log = logging.getLogger()

        @wrapped
        def execute(self, connection: str, *, more: int = 0) -> None: ...

        @property
        def size(self) -> int:
            return 5

        @staticmethod
        def help() -> None: ...

    Fine().execute()


def test_a_class_without_execute_that_is_nobodys_base_is_found() -> None:
    class Used(Job):
        tenant: str

    class Real(Used):
        def execute(self) -> None: ...

    class Marked(Job, ABC): ...

    class Shaped(Job):
        @abstractmethod
        def render(self) -> str: ...

    class Bad(Job):
        def excute(self) -> None: ...

    ours: list[type] = [Used, Real, Marked, Shaped, Bad]
    [found] = [cls for cls in definition.unfinished([__name__]) if cls in ours]
    assert found.__name__ == "Bad"
    line = inspect.getsourcelines(Bad)[1]
    assert f"no execute(self), so no runner could run it ({__file__}:{line})" in (
        definition.why_unfinished(found)
    )


def test_only_what_was_to_be_imported_must_be_finished() -> None:
    def make(module: str) -> type[Job]:
        return type("Lame", (Job,), {"__module__": module})

    ours = {make("shop_a"), make("shop_a.jobs")}
    others = make("shop_abc"), make("library")
    found = definition.unfinished(["shop_a", "shop_b.jobs"])
    assert (set(found), len(found)) == (ours, 2)
    definition.refuse_unfinished([])
    assert {*ours, *others} <= set(definition.heirs(Job))


def test_an_heir_by_two_ways_is_one() -> None:
    class Left(Job): ...

    class Right(Job): ...

    class Lame(Left, Right): ...

    found: list[type] = [*definition.heirs(Job)]
    assert found.count(Lame) == 1


def test_a_frozen_job_class_is_refused_where_it_is_defined() -> None:
    with pytest.raises(TypeError, match="frozen dataclass"):

        @dataclass(frozen=True)
        class Bad(Job):  # type: ignore[misc]  # mypy refuses it too
            number: int

            def execute(self) -> None: ...
