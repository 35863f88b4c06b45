"""Ids as typed: whole, or as much of their beginning as tells one job."""

from __future__ import annotations

import pytest

from horus_supervisor.ids import new_job_id
from horus_supervisor.lifecycle import JobState
from tests.support.horus import Horus, Scene
from tests.support.store import HOUR_MS


@pytest.mark.parametrize("state", [JobState.READY, JobState.SCHEDULED, JobState.DEAD])
def test_ids_are_shown_and_taken_shortened_while_unique(
    horus: Horus, scene: Scene, state: JobState
) -> None:
    ids = [new_job_id() for _ in range(3)]
    for number, job_id in enumerate(ids):
        if state is JobState.DEAD:
            scene.fall(job_id, number)
        else:
            scene.add(job_id, delay_ms=HOUR_MS if state is JobState.SCHEDULED else None)
    column = 1 if state is JobState.DEAD else 0
    verb = ["dead"] if state is JobState.DEAD else ["jobs"]
    lines = horus(*verb).stdout.splitlines()[1:4]
    shown = [line.split("  ")[column] for line in lines]
    assert all(13 <= len(text) < 36 for text in shown)
    assert {horus.json("show", text)["job"]["job_id"] for text in shown} == set(ids)


def test_a_beginning_of_several_ids_is_refused_by_name(horus: Horus, scene: Scene) -> None:
    scene.fall("order-17", 1)
    scene.fall("order-18", 2)
    error = horus.failure("show", "order", code=2)
    assert "order-17, order-18" in error["message"]
    horus("retry", "order", code=2)
    assert scene.state("order-17") is JobState.DEAD
    scene.fall("order", 3)
    assert horus.json("show", "order")["job"]["job_id"] == "order"


@pytest.mark.parametrize("words", [("show", "nix"), ("crash", "nix"), ("retry", "nix")])
def test_what_is_not_found_exits_with_4(horus: Horus, words: tuple[str, ...]) -> None:
    assert "nix" in horus(*words, code=4).stderr
    horus(*words, "--json", code=4)
