"""``horus pause``, ``resume`` and ``purge``: a word on a whole queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from horus_supervisor.lifecycle import Death, JobState
from horus_supervisor.store import operations
from tests.support.horus import Horus, Scene
from tests.support.store import HOUR_MS, empty
from tests.support.terminal import in_terminal


def test_a_paused_queue_starts_nothing_until_it_is_resumed(horus: Horus, scene: Scene) -> None:
    scene.add("a", "b")
    told = horus("pause", "emails").stdout
    assert told.splitlines()[0] == "emails is paused"
    assert told.splitlines()[-1].endswith("resume emails")
    assert empty(scene.run(scene.claim(scene.member())))
    assert "already" in horus("pause", "emails").stdout
    assert horus("resume", "emails").stdout == "emails runs again\n"
    assert scene.ready() == ["a", "b"]
    assert "was not paused" in horus("resume", "emails").stdout
    for verb in ("pause", "resume"):
        assert horus.json(verb, "emails") == {"done": ["emails"], "failed": []}


def test_a_queue_that_nobody_knows_is_not_paused_but_one_of_the_file_is(
    horus: Horus, scene: Scene, tmp_path: Path
) -> None:
    scene.add("a")
    assert "did you mean emails?" in horus("pause", "emial", code=4).stderr
    url, namespace = horus.where[1], horus.where[3]
    text = f'[redis]\nurl = "{url}"\nnamespace = "{namespace}"\n[queues]\nlater = 1\n'
    (tmp_path / "c.toml").write_text(text)
    Horus.bare("-c", str(tmp_path / "c.toml"), "pause", "later", code=0)
    scene.beat(queues=["told"])
    horus("pause", "told")


@pytest.fixture
def waiting(scene: Scene) -> None:
    """Of one queue: 25 ready, one scheduled, one running, one dead; one of another."""
    scene.start("running", 1)
    scene.fall("dead", 2)
    scene.add(*(f"w{n}" for n in range(25)))
    scene.add("later", delay_ms=HOUR_MS)
    scene.add("other", queue="other")


def test_purge_discards_what_waits_in_one_queue_only(
    horus: Horus, scene: Scene, waiting: None
) -> None:
    before = scene.counts()
    told = horus.json("purge", "emails", "--dry-run")
    assert told == {"done": [], "failed": [], "discarded": 0, "would": 26}
    assert scene.counts() == before
    told = horus.json("purge", "emails", "--yes")
    assert told == {"done": ["emails"], "failed": [], "discarded": 26}
    assert scene.counts() == {**before, "ready": 0, "scheduled": 0, "discarded": 26}
    assert scene.state("other") is JobState.READY
    assert horus("purge", "emails", "--yes").stdout == "discarded 0 jobs of emails\n"


def test_purge_goes_on_until_nothing_is_left(
    horus: Horus, scene: Scene, waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = operations.purge
    monkeypatch.setattr(operations, "purge", lambda ns, queue, until: whole(ns, queue, until, 10))
    assert horus.json("purge", "emails", "--yes")["discarded"] == 26


@pytest.mark.parametrize(("answer", "code", "left"), [(b"y\n", 0, 1), (b"n\n", 1, 27)])
def test_purge_asks_with_the_counts_and_spares_what_comes_meanwhile(
    horus: Horus, scene: Scene, waiting: None, answer: bytes, code: int, left: int
) -> None:
    words = [*horus.where, "purge", "emails"]
    exited, text = in_terminal(*words, answer=answer, meanwhile=lambda: scene.add("new"))
    assert "Discard 25 ready and 1 scheduled job of emails? [y/N]" in text
    counts = scene.counts()
    assert (exited, counts["ready"] + counts["scheduled"]) == (code, left)
    assert scene.state("new") is JobState.READY


def test_a_class_that_is_held_is_resumed_by_its_name(horus: Horus, scene: Scene) -> None:
    words = horus("resume", "--job", "shop.Nobody", code=4).stderr
    why = "horus: no job class named shop.Nobody is held back"
    assert words == f"{why}\n  try: {horus.again} status\n"
    assert f"try: {horus.again} work -q QUEUE\n" in horus("work", code=2).stderr
    assert "a queue, or --job" in horus("resume", code=2).stderr
    scene.add("poison", max_attempts=1)
    slot = scene.member()
    scene.run(scene.claim(slot))
    record = b'{"cause":"signal"}'
    crash = operations.crash(scene.namespace, slot, 1, Death.CRASHED, record, hold_after=1)
    scene.run(crash)
    assert "shop.Mail" in horus("resume", "--job", "hop.Mail", code=4).stderr
    told = horus.json("resume", "--job", "Mail")
    assert told == {"done": ["shop.Mail"], "failed": [], "resumed": 0}
