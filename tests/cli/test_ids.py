"""Ids as typed: whole, or as much of their beginning as tells one job."""

from __future__ import annotations

import pytest

from horus_supervisor.cli import crash_rows
from horus_supervisor.cli.acts import WHY
from horus_supervisor.ids import new_job_id
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store.operation import load_script
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


@pytest.mark.parametrize("outcome", ["succeeded", "discarded"])
def test_a_beginning_finds_a_job_that_is_over(horus: Horus, scene: Scene, outcome: str) -> None:
    slot = scene.start("order-17")
    scene.run(scene.finish(slot, 2, outcome, queues=()))
    assert horus.json("show", "order")["job"]["state"] == outcome
    scene.rotate()
    assert horus.json("show", "order-1")["job"]["job_id"] == "order-17"
    error = horus.json("retry", "order", code=1)
    assert error["failed"] == [{"job_id": "order-17", "why": WHY[outcome]}]


def test_a_beginning_finds_a_job_however_many_wait_before_it(horus: Horus, scene: Scene) -> None:
    scene.raw.rpush(f"{scene.prefix}ready:emails", *(f"gone-{n}" for n in range(1000)))
    scene.add("order-17")
    assert horus.json("show", "order")["job"]["state"] == "ready"


def test_a_beginning_means_what_is_not_over_first(horus: Horus, scene: Scene) -> None:
    slot = scene.start("order-1")
    scene.run(scene.finish(slot, queues=()))
    scene.add("order-2")
    assert horus.json("show", "order")["job"]["job_id"] == "order-2"
    scene.fall("order-3", 1, queue="other")
    assert horus.json("show", "order")["job"]["job_id"] == "order-3"


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


def test_a_crash_is_found_by_its_job_and_a_job_by_its_crash(horus: Horus, scene: Scene) -> None:
    scene.kill("order-17", 1)
    scene.kill("order-18", 2)
    crashes = {row["job_id"]: row["crash_id"] for row in horus.json("crashes")["crashes"]}
    for job, crash in crashes.items():
        assert horus.json("crash", job)["crash"]["crash_id"] == crash
        assert horus.json("show", crash[:12])["job"]["job_id"] == job
        assert f"{crash} is a crash of this job: horus " in horus("show", crash).stderr
    assert "begin so" in horus("crash", "order", code=2).stderr
    scene.kill("order", 5)
    assert horus.json("crash", "order")["crash"]["job_id"] == "order"
    scene.fall("order-19", 3)
    scene.fall("other-20", 4)
    for typed, job in {"order-19": "order-19", "other": "other-20"}.items():
        told = horus("crash", typed, code=4).stderr
        assert f"{job} is a job, and no crash of it is known" in told
        assert told.endswith(f" show {job}\n")


@pytest.mark.parametrize(("verb", "state"), [("retry", "ready"), ("discard", "discarded")])
def test_a_job_is_acted_on_by_the_id_of_its_crash(
    horus: Horus, scene: Scene, verb: str, state: str
) -> None:
    scene.kill("order-17", 1)
    [crash] = horus.json("crashes")["crashes"]
    yes = ["--yes"] if verb == "discard" else []
    assert horus.json(verb, crash["crash_id"][:12], *yes)["done"] == ["order-17"]
    assert scene.state("order-17") == state


def test_a_crash_whose_job_is_gone_is_named_by_show(horus: Horus, scene: Scene) -> None:
    scene.kill("order-17", 1)
    horus("discard", "order-17", "--yes")
    scene.raw.delete(f"{scene.prefix}finished")
    [crash] = horus.json("crashes")["crashes"]
    told = horus("show", crash["crash_id"], code=4).stderr
    assert "its job order-17 is not known any more" in told
    assert told.endswith(f" crash {crash['crash_id']}\n")


@pytest.mark.parametrize("words", [("show",), ("crash",), ("retry",), ("discard", "--yes")])
def test_an_empty_id_means_no_job_though_there_is_only_one(
    horus: Horus, scene: Scene, words: tuple[str, ...]
) -> None:
    scene.kill("order-17", 1)
    assert "an id is empty" in horus(*words, "", code=2).stderr
    assert scene.state("order-17") is JobState.DEAD


def test_an_old_crash_is_found_and_no_call_reads_many(
    horus: Horus, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crash_rows, "PAGE", 2)
    for number in range(5):
        scene.kill(f"j{number}", number)
    *_, oldest = horus.json("crashes")["crashes"]
    with scene.noted_calls() as commands:
        for typed in (oldest["crash_id"], oldest["crash_id"][:12], "j0"):
            assert horus.json("crash", typed)["crash"]["crash_id"] == oldest["crash_id"]
        assert horus.json("crashes", "--by", "job")["crashes"][0]["count"] == 5
    sha = load_script("crashes").sha.encode()
    asked = [int(one.split()[4]) for one in commands if one.split()[1:2] == [sha]]
    assert asked
    assert max(asked) == 2
