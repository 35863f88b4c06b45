"""``horus`` on real jobs: what its verbs print, for people and as JSON, and how they exit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from horus_supervisor.cli.crash_rows import FIELDS
from horus_supervisor.ids import new_job_id
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store.rows import Slot
from tests.support.horus import Horus, Scene
from tests.support.redis_server import RedisServer
from tests.support.store import HOUR_MS

JOB_FIELDS = {
    *("job_id", "job", "queue", "state", "attempt", "crashes", "enqueued_at", "due_at"),
}


@pytest.fixture
def horus(redis_url: str, namespace: str) -> Horus:
    return Horus(redis_url, namespace)


@pytest.fixture
def scene(redis_server: RedisServer, namespace: str) -> Iterator[Scene]:
    scene = Scene.open(redis_server, namespace)
    yield scene
    scene.raw.close()


@pytest.fixture
def file(tmp_path: Path, redis_url: str, namespace: str) -> Path:
    """A configuration that imports a module with job classes."""
    (tmp_path / "clijobs.py").write_text(
        "from horus_supervisor import Job\n"
        "print('imported')\n"
        "class Mail(Job, queue='emails', name='cli.Mail'):\n"
        "    to: str\n"
        "    copies: int = 1\n"
        "    def execute(self) -> None: ...\n"
    )
    file = tmp_path / "horus.toml"
    file.write_text(
        f'[redis]\nurl = "{redis_url}"\nnamespace = "{namespace}"\n'
        '[supervisor]\nimports = ["clijobs"]\n[queues]\nemails = 1\n'
    )
    return file


def narrow(text: str) -> None:
    """Assert that tables fit 80 columns; a command to type next is as long as it is."""
    lines = [line for line in text.splitlines() if not line.startswith("Next: ")]
    assert [line for line in lines if len(line) > 80] == []


# --- enqueue ---------------------------------------------------------------------------------


def test_enqueue_prints_the_id_of_a_job_that_is_then_ready(
    horus: Horus, scene: Scene, file: Path
) -> None:
    result = horus.bare("-c", str(file), "enqueue", "cli.Mail", "--args", '{"to": "a@b"}')
    job = scene.found(result.stdout.strip()).job
    assert job is not None
    assert (job.queue, job.name) == ("emails", "cli.Mail")
    assert json.loads(job.payload)["to"] == "a@b"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["cli.Mail"], "to"),
        (["cli.Mail", "--args", '{"to": 3}'], "str"),
        (["cli.Mail", "--args", '{"to": "a", "copy": 3}'], "did you mean copies?"),
        (["cli.Mail", "--args", "{to}"], "not JSON"),
        (["cli.Mail", "--args", "[1]"], "an object"),
        (["cli.Mail", "--args", '{"to": "a"}', "--queue", "a b"], "queue"),
        (["cli.Mail", "--args", '{"to": "a"}', "--id", "a b"], "id"),
        (["cli.Mail", "--args", '{"to": "a"}', "--delay", "5"], '"5s"'),
        (["cli.Mail", "--args", '{"to": "a"}', "--at", "2030-01-01T00:00"], "zone"),
        (["cli.Mail", "--args", '{"to": "a"}', "--delay", "5s", "--at", "2030-01-01T00Z"], "one"),
        (["cli.Mial"], "horus enqueue cli.Mail"),
        (["Mail"], "horus enqueue cli.Mail"),
        (["elsewhere.Job"], "--queue"),
    ],
)
def test_enqueue_refuses_what_its_runner_would_refuse(
    horus: Horus, scene: Scene, file: Path, words: list[str], told: str
) -> None:
    result = horus.bare("-c", str(file), "enqueue", *words, code=2)
    assert result.stderr.startswith("horus: ") or "imported" in result.stderr
    assert told in result.stderr
    assert result.stdout == ""
    assert scene.contents() == {}


def test_a_class_that_is_not_here_is_enqueued_unchecked_on_a_named_queue(
    horus: Horus, scene: Scene
) -> None:
    told = horus.json("enqueue", "elsewhere.Job", "--queue", "q", "--args", '{"n": 1}')
    assert told == {"job": {"job_id": told["job"]["job_id"], "created": True}}
    job = scene.found(told["job"]["job_id"]).job
    assert job is not None
    assert (job.name, job.payload) == ("elsewhere.Job", b'{"n": 1}')


def test_an_id_that_is_known_changes_nothing_and_says_so(horus: Horus, scene: Scene) -> None:
    words = ("enqueue", "elsewhere.Job", "--queue", "q", "--id", "order-1")
    assert horus(*words).stdout == "order-1\n"
    before = scene.contents()
    assert horus.json(*words) == {"job": {"job_id": "order-1", "created": False}}
    assert "known already" in horus(*words).stderr
    assert scene.contents() == before


def test_delay_and_at_say_when(horus: Horus, scene: Scene) -> None:
    words = ("enqueue", "elsewhere.Job", "--queue", "q")
    horus(*words, "--id", "a", "--delay", "1h30m")
    horus(*words, "--id", "b", "--at", "2096-02-01T01:00:00+01:00")
    rows = {row["job_id"]: row for row in horus.json("jobs", "--state", "scheduled")["jobs"]}
    assert rows["b"]["due_at"] == "2096-02-01T00:00:00.000000Z"
    due, enqueued = (datetime.fromisoformat(rows["a"][key]) for key in ("due_at", "enqueued_at"))
    assert (due - enqueued).total_seconds() == 5400


# --- jobs, dead, show ------------------------------------------------------------------------


def make_all(scene: Scene) -> None:
    """One job in each state that is listed."""
    scene.fall("d", 1)
    scene.start("r", 2)
    scene.add("w1", "w2", queue="bulk")
    scene.add("s", delay_ms=HOUR_MS)


def test_jobs_lists_what_runs_waits_and_is_dead(horus: Horus, scene: Scene) -> None:
    make_all(scene)
    rows = horus.json("jobs")["jobs"]
    assert [(row["job_id"], row["state"]) for row in rows] == [
        *(("r", "running"), ("w1", "ready"), ("w2", "ready"), ("s", "scheduled"), ("d", "dead")),
    ]
    assert all(row.keys() == JOB_FIELDS for row in rows)
    assert {row["attempt"] for row in rows if row["state"] == "running"} == {1}
    text = horus("jobs").stdout
    narrow(text)
    assert text.split()[:7] == ["ID", "JOB", "QUEUE", "STATE", "TRY", "CRASHES", "WHEN"]


def test_jobs_may_be_chosen_by_queue_and_state_and_number(horus: Horus, scene: Scene) -> None:
    make_all(scene)
    assert [row["job_id"] for row in horus.json("jobs", "--queue", "bulk")["jobs"]] == ["w1", "w2"]
    assert [row["job_id"] for row in horus.json("jobs", "--state", "dead")["jobs"]] == ["d"]
    assert [row["job_id"] for row in horus.json("jobs", "--limit", "2")["jobs"]] == ["r", "w1"]
    assert "2 of 5" in horus("jobs", "--limit", "2").stdout
    assert horus.json("jobs", "--state", "succeeded") == {"jobs": []}
    horus("jobs", "--state", "asleep", code=2)
    horus("jobs", "--limit", "0", code=2)


def test_a_long_queue_does_not_hide_another_ones_next_job(horus: Horus, scene: Scene) -> None:
    scene.add(*(f"a{n}" for n in range(9)), queue="a")
    scene.add("b", queue="b")
    rows = horus.json("jobs", "--state", "ready", "--limit", "3")["jobs"]
    assert [row["job_id"] for row in rows] == ["a0", "b", "a1"]


def test_dead_lists_the_newest_first_of_all_queues_and_why(horus: Horus, scene: Scene) -> None:
    scene.fall("old", 1, queue="z")
    scene.kill("new", 2, queue="a")
    rows = horus.json("dead")["dead"]
    assert [row["job_id"] for row in rows] == ["new", "old"]
    assert all(row.keys() == JOB_FIELDS for row in rows)
    text = horus("dead").stdout
    narrow(text)
    assert "ValueError: no such page" in text
    assert "SIGSEGV" in text


def test_show_tells_all_of_a_dead_job(horus: Horus, scene: Scene) -> None:
    scene.fall("d", payload=b'{"page": 9007199254740993}')
    job = horus.json("show", "d")["job"]
    assert job.keys() == JOB_FIELDS | {
        *("args", "error_type", "error_message", "traceback", "history"),
    }
    assert job["args"] == {"page": 9007199254740993}
    assert (job["error_type"], job["error_message"]) == ("ValueError", "no such page")
    assert job["traceback"] == "Trace"
    assert [(line["what"], line["attempt"]) for line in job["history"]] == [("failed", 1)]
    text = horus("show", "d").stdout
    assert "no such page" in text
    assert text.endswith("retry d\n")


def test_show_finds_a_job_in_every_state(horus: Horus, scene: Scene) -> None:
    make_all(scene)
    slot = scene.start("over", 3, queue="other")
    scene.run(scene.finish(slot, queues=()))
    states = {"r": "running", "w1": "ready", "s": "scheduled", "d": "dead", "over": "succeeded"}
    shown = {job_id: horus.json("show", job_id)["job"]["state"] for job_id in states}
    assert shown == states
    assert all(horus("show", job_id).stdout for job_id in states)


def test_what_jobs_wrote_can_not_drive_the_terminal(horus: Horus, scene: Scene) -> None:
    scene.kill("d", output_tail=["\x1b]0;title\x07 \x9b2J"], payload='{"a": "\u202e"}'.encode())
    [record] = horus.json("crashes")["crashes"]
    for words in (("crash", record["crash_id"]), ("show", "d"), ("dead",), ("jobs",)):
        text = horus(*words).stdout
        assert [c for c in text if not c.isprintable() and c != "\n"] == []


# --- ids -------------------------------------------------------------------------------------


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


# --- crashes ---------------------------------------------------------------------------------


def test_crashes_are_listed_newest_first_with_what_became_of_the_job(
    horus: Horus, scene: Scene
) -> None:
    scene.kill("a", 1, name="shop.jobs.RenderPdf")
    scene.kill("b", 2, cause="exit", signal=None, exit_code=3)
    horus("discard", "b", "--yes")
    rows = horus.json("crashes")["crashes"]
    assert [row["job_id"] for row in rows] == ["b", "a"]
    assert all(set(FIELDS) <= row.keys() for row in rows)
    text = horus("crashes").stdout
    narrow(text)
    first, second = (" ".join(line.split()) for line in text.splitlines()[1:3])
    assert first.endswith("exit 3 Mail emails w2 1 discarded")
    assert second.endswith("SIGSEGV RenderPdf emails w2 1 quarantined")
    assert len(horus.json("crashes", "--limit", "1")["crashes"]) == 1
    assert len(horus.json("crashes", "--since", "1h")["crashes"]) == 2
    horus("crashes", "--since", "yesterday", code=2)


def test_crashes_are_counted_by_job_cause_and_host(horus: Horus, scene: Scene) -> None:
    scene.kill("a", 1, name="shop.Pdf")
    scene.kill("b", 2, name="shop.Pdf", host="w3")
    scene.kill("c", 3, cause="exit", signal=None, exit_code=3)

    def counted(by: str) -> dict[str, int]:
        rows = horus.json("crashes", "--by", by)["crashes"]
        return {row[by]: row["count"] for row in rows}

    assert counted("job") == {"shop.Pdf": 2, "shop.Mail": 1}
    assert counted("cause") == {"signal": 2, "exit": 1}
    assert counted("host") == {"w2": 2, "w3": 1}
    narrow(horus("crashes", "--by", "cause").stdout)
    horus("crashes", "--by", "moon", code=2)


def test_crash_tells_one_whole_and_what_to_type_next(horus: Horus, scene: Scene) -> None:
    scene.kill("a", 1, payload=b'{"page": 7}')
    scene.kill("b", 2)
    record = horus.json("crashes")["crashes"][1]
    whole = horus.json("crash", record["crash_id"][:8])["crash"]
    assert whole == record
    assert set(FIELDS) <= whole.keys()
    assert (whole["job_id"], whole["args"], whole["cause"]) == ("a", {"page": 7}, "signal")
    text = horus("crash", record["crash_id"]).stdout
    for said in (
        *("Mail killed by SIGSEGV on w2 pid 811", "app 4.2.1", "2 crashes of 2 jobs", "only w2"),
        *("shop/pdf.py", "cairo: surface", "peak 1.9GiB", "runner up 2h, 311 jobs"),
        *("Quarantined after attempt 1.", "retry a"),
    ):
        assert said in text


# --- retry, discard --------------------------------------------------------------------------


@pytest.fixture
def dead(scene: Scene) -> Slot:
    """Three dead jobs of two classes on two queues, and one that runs."""
    scene.fall("a", 1, name="shop.Pdf", queue="reports")
    scene.fall("b", 2, name="shop.Pdf")
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
    assert "is running" in horus("discard", "running", "--yes", code=1).stderr
    assert scene.state("running") is JobState.RUNNING


def test_one_unknown_id_among_others_fails_and_the_others_are_done(
    horus: Horus, dead: Slot
) -> None:
    told = horus.json("retry", "nix", "a", code=4)
    assert told["done"] == ["a"]
    assert told["failed"] == [{"job_id": "nix", "why": "is not known (any more)"}]


def test_many_are_taken_at_once(horus: Horus, scene: Scene) -> None:
    for number in range(120):
        scene.fall(f"j{number}", number)
    assert horus("retry", "--all").stdout == "retried 120 jobs\n"
    assert len(scene.ready()) == 120


@pytest.mark.parametrize(
    "words", [[], ["--queue", "q"], ["a", "--all"], ["a", "--job", "x"], ["--all", "--job", "x"]]
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


def test_times_are_utc(horus: Horus, scene: Scene) -> None:
    scene.fall("d")
    died = horus("dead").stdout.splitlines()[1].split()[0]
    at = datetime.strptime(died, "%H:%M:%SZ").replace(tzinfo=UTC)
    now = datetime.now(UTC)
    assert (now.hour * 60 + now.minute - at.hour * 60 - at.minute) % 1440 <= 1
