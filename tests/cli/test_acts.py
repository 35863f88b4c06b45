"""``horus retry`` and ``horus discard``: which jobs they take, what they ask, how they exit."""

from __future__ import annotations

import pytest

from horus_supervisor.cli import job_rows
from horus_supervisor.cli.acts import WHY
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.rows import Slot
from tests.model import seen
from tests.support.horus import Horus, Scene
from tests.support.store import HOUR_MS
from tests.support.terminal import in_terminal


@pytest.fixture
def dead(scene: Scene) -> Slot:
    """Three dead jobs of two classes on two queues, b for half a minute, and one that runs."""
    scene.fall("a", 1, name="shop.Pdf", queue="reports")
    scene.fall("b", 2, name="shop.Pdf")
    scene.raw.zincrby(f"{scene.prefix}dead:emails", -30_000, "b")
    scene.fall("c", 3)
    return scene.start("running", 4)


@pytest.mark.parametrize(
    ("words", "done"),
    [
        (["a", "b"], {"a", "b"}),
        (["--all"], {"a", "b", "c"}),
        (["--all", "--queue", "reports"], {"a"}),
        (["--job", "shop.Pdf"], {"a", "b"}),
        (["--job", "Pdf", "--queue", "emails"], {"b"}),
        (["--job", "df"], set()),
        (["--all", "--since", "1h"], {"a", "b", "c"}),
        (["--all", "--since", "20s"], {"a", "c"}),
        (["--all", "--since", "0s"], set()),
    ],
)
@pytest.mark.parametrize(("verb", "state"), [("retry", "ready"), ("discard", "discarded")])
def test_retry_and_discard_take_the_dead_that_were_chosen(
    horus: Horus, scene: Scene, dead: Slot, verb: str, state: str, words: list[str], done: set[str]
) -> None:
    yes = ["--yes"] if verb == "discard" else []
    told = horus.json(verb, *words, *yes)
    assert (set(told["done"]), told["failed"]) == (done, [])
    assert {job_id for job_id in "abc" if scene.state(job_id) == state} == done


def test_a_running_job_is_neither_retried_nor_discarded(
    horus: Horus, scene: Scene, dead: Slot
) -> None:
    told = horus.json("retry", "a", "running", code=1)
    assert told["done"] == ["a"]
    assert [row["job_id"] for row in told["failed"]] == ["running"]
    words = horus("discard", "running", "--yes", code=1).stderr
    assert words.endswith("from its runner\n  try: the same once it has ended\n")
    assert scene.state("running") is JobState.RUNNING


def test_an_expired_job_is_not_retried_as_that_would_discard_it(
    horus: Horus, scene: Scene, dead: Slot
) -> None:
    scene.fall("late", 5, expires_after_ms=HOUR_MS)
    assert "Next: horus" in horus("show", "late").stdout
    seen.expire(scene.raw, scene.prefix, "late")
    told = horus.json("retry", "--all", code=1)
    assert set(told["done"]) == {"a", "b", "c"}
    assert told["failed"] == [{"job_id": "late", "why": WHY["expired"]}]
    assert horus.json("retry", "late", "--dry-run")["would"] == []
    assert scene.state("late") is JobState.DEAD
    assert horus("show", "late").stdout.endswith(" discard late\n")
    assert "discarded 1 job" in horus("discard", "late", "--yes").stdout


def test_one_unknown_id_among_others_fails_and_the_others_are_done(
    horus: Horus, dead: Slot
) -> None:
    told = horus.json("retry", "nix", "a", code=4)
    assert told["done"] == ["a"]
    assert told["failed"] == [{"job_id": "nix", "why": "is not known (any more)"}]
    words = horus("retry", "nix", code=4).stderr
    assert words == f"horus: nix is not known (any more)\n  try: {horus.again} jobs\n"


def test_many_are_taken_at_once(horus: Horus, scene: Scene) -> None:
    for number in range(120):
        scene.fall(f"j{number}", number)
    assert horus("retry", "--all").stdout == "retried 120 jobs\n"
    assert len(scene.ready()) == 120


LISTING = (("retry", "--all"), ("dead", "--limit", "10"), ("jobs", "--state", "dead"))


@pytest.mark.parametrize("words", LISTING, ids=" ".join)
def test_many_are_looked_at_piece_by_piece(
    horus: Horus, scene: Scene, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_rows, "PIECE", 2)
    for number in range(5):
        scene.fall(f"j{number}", number)
    lists_only = scene.namespace.encode() + b"}: dead emails "
    with scene.noted_calls() as calls:
        told = horus.json(*words)
    asked = [call.partition(lists_only)[2].split()[0] for call in calls if lists_only in call]
    assert asked == [b"1", b"2", b"2"], "how many each call asked for, the last one first"
    ids = told.get("done") or [row["job_id"] for row in told.get("dead") or told["jobs"]]
    assert sorted(ids) == [f"j{number}" for number in range(5)]


@pytest.mark.parametrize("verb", ["retry", "discard"])
def test_a_dry_run_says_what_would_be_done_and_changes_nothing(
    horus: Horus, scene: Scene, dead: Slot, verb: str
) -> None:
    before = {job_id: scene.found(job_id) for job_id in ("a", "b", "c", "running")}
    told = horus.json(verb, "--job", "Pdf", "--dry-run")
    assert (told["done"], set(told["would"]), told["failed"]) == ([], {"a", "b"}, [])
    told = horus.json(verb, "a", "running", "nix", "--dry-run")
    assert told["would"] == ["a"]
    assert {row["job_id"] for row in told["failed"]} == {"running", "nix"}
    assert horus(verb, "a", "--dry-run").stdout == f"would {verb} 1 job\n  a\n"
    assert {job_id: scene.found(job_id) for job_id in before} == before


@pytest.mark.parametrize("verb", ["retry", "discard"])
def test_a_dry_run_foretells_what_is_done(horus: Horus, scene: Scene, verb: str) -> None:
    scene.fall("dead", 1)
    scene.start("running", 2)
    scene.add("scheduled", delay_ms=HOUR_MS)
    scene.add("ready")
    names = ["dead", "running", "scheduled", "ready"]
    would = horus.json(verb, *names, "--dry-run")
    yes = ["--yes"] if verb == "discard" else []
    did = horus.json(verb, *names, *yes, code=1)
    assert (would["would"], would["failed"]) == (did["done"], did["failed"])


@pytest.mark.parametrize(
    "words",
    [
        *([], ["--queue", "q"], ["a", "--all"], ["a", "--job", "x"], ["--all", "--job", "x"]),
        *(["a", "--queue", "emails"], ["a", "--since", "1h"]),
    ],
)
@pytest.mark.parametrize("verb", ["retry", "discard"])
def test_an_unclear_choice_is_refused(
    horus: Horus, scene: Scene, dead: Slot, verb: str, words: list[str]
) -> None:
    horus(verb, *words, code=2)
    assert scene.state("a") is JobState.DEAD


def test_discard_without_a_terminal_needs_yes(horus: Horus, scene: Scene, dead: Slot) -> None:
    assert "--yes" in horus("discard", "a", code=2).stderr
    assert scene.state("a") is JobState.DEAD


def test_who_retries_a_job_of_a_class_that_is_held_back_is_told(horus: Horus, scene: Scene) -> None:
    scene.fall("other", name="shop.Pdf")
    scene.hold()
    assert horus("retry", "other").stderr == ""
    held = "horus: shop.Mail is held back: none of its jobs starts"
    told = horus("retry", "--all")
    assert told.stdout == "retried 1 job\n"
    assert told.stderr == f"{held}\n  try: {horus.again} resume --job shop.Mail\n"


@pytest.mark.parametrize(
    ("answer", "code", "state"),
    [(b"y\n", 0, JobState.DISCARDED), (b"n\n", 1, JobState.DEAD), (b"\n", 1, JobState.DEAD)],
)
def test_discard_asks_and_minds_the_answer(
    horus: Horus, scene: Scene, answer: bytes, code: int, state: JobState
) -> None:
    scene.fall("a", 1)
    scene.fall("b", 2)
    exited, text = in_terminal(*horus.where, "discard", "--all", answer=answer)
    assert "Discard a, b for good? [y/N]" in text.replace("b, a", "a, b")
    assert (exited, scene.state("a"), scene.state("b")) == (code, state, state)


def test_discard_names_in_full_what_was_shortened_and_counts_the_many(
    horus: Horus, scene: Scene
) -> None:
    for slot, name in enumerate(("order-12", "b", "c", "d"), 1):
        scene.fall(name, slot)
    _, text = in_terminal(*horus.where, "discard", "order-1", answer=b"n\n")
    assert "Discard order-12 for good? [y/N]" in text
    _, text = in_terminal(*horus.where, "discard", "--all", answer=b"n\n")
    assert "Discard 4 jobs for good? [y/N]" in text


@pytest.mark.parametrize("what", ["a", "--all"])
def test_discard_leaves_alone_what_ran_while_it_asked(
    horus: Horus, scene: Scene, what: str
) -> None:
    def live_and_die_again() -> None:
        scene.run(operations.retry(scene.namespace, "a"))
        slot = scene.member(2, supervisor=scene.namespace)
        scene.run(scene.claim(slot))
        scene.run(scene.fail(slot, what="refused"))

    scene.fall("a", 1)
    exited, text = in_terminal(
        *horus.where, "discard", what, answer=b"y\n", meanwhile=live_and_die_again
    )
    assert "a ran since you looked" in text
    assert (exited, scene.state("a")) == (1, JobState.DEAD)
