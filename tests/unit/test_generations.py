"""From one generation of code to the next: what begins, what is taken, and when it is over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from horus_supervisor import logs, messages
from horus_supervisor.supervisor.generations import Generations
from horus_supervisor.supervisor.programs import Template
from horus_supervisor.supervisor.seat import Seat
from tests.unit.test_plan import GROUP
from tests.unit.test_programs import BOOT

READY = messages.TemplateReady(jobs=[], threads=1, took_s=0.1, app_version="2", code="two")


@pytest.fixture
def generations() -> Generations:
    ways = SimpleNamespace(log=logs.bind(lambda _: None, {}))
    programs: Any = SimpleNamespace(templates=[], ways=ways)
    return Generations(programs, BOOT)


def begun(generations: Generations, now: float = 0.0) -> Template:
    """Begin a reload; give its template."""
    generations.begin(BOOT, 60.0, now)
    template: Template = generations._programs.templates[-1]
    return template


def test_an_import_that_fails_late_earns_no_restart(generations: Generations) -> None:
    template, waits = generations.in_force, []
    for now in (0.0, 100.0, 200.0, 300.0):
        generations.ended(template, "exited with 1", [], now)
        waits.append(template.ready_at - now)
    assert waits == [0.0, 0.0, 0.5, 1.0]


def test_a_reload_is_over_once_its_import_has_failed(generations: Generations) -> None:
    generations.ended(begun(generations), "exited with 1", [], 1.0)
    assert not generations.busy
    assert generations.refused


def test_who_made_a_claim_and_is_gone_has_taken_new_code(generations: Generations) -> None:
    new = begun(generations)
    generations.imported(new, READY)
    generations.served(new, "q/1")
    generations.look([Seat("q/1", GROUP, 0, new.generation)], 1.0)
    assert generations.in_force is new
    assert not generations.busy


def test_what_a_later_sighup_asked_for_is_what_the_file_is_compared_with(
    generations: Generations,
) -> None:
    generations.imported(begun(generations), READY)
    later = msgspec.structs.replace(BOOT, imports=["later"])
    generations.begin(later, 60.0, 1.0)
    assert generations.boot is later


def test_code_that_was_taken_back_is_not_what_the_file_is_compared_with(
    generations: Generations,
) -> None:
    generations.begin(msgspec.structs.replace(BOOT, imports=["later"]), 60.0, 1.0)
    new = generations._programs.templates[-1]
    generations.imported(new, READY)
    assert generations.boot is new.boot
    generations.died_young(new, "q/1", 7)
    assert generations.busy, "all go back"
    assert generations.boot is BOOT
