"""``horus`` on real jobs: what its verbs print, for people and as JSON, and how they exit."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from horus_supervisor import ids
from horus_supervisor.cli.crash_rows import FIELDS
from horus_supervisor.cli.job_rows import short_kind
from horus_supervisor.cli.output import Column, clean, table, wrap
from horus_supervisor.cli.show import HISTORY
from horus_supervisor.lifecycle import Death
from horus_supervisor.store import operations
from tests.support.horus import RECORD, Horus, Scene
from tests.support.redis_server import RedisServer
from tests.support.store import HOUR_MS

JOB_FIELDS = {
    *("job_id", "job", "queue", "state", "attempt", "crashes", "enqueued_at", "due_at"),
    *("expires_at", "tags"),
}


def narrow(text: str) -> None:
    """Assert that tables fit 80 columns; a command to type next is as long as it is."""
    lines = [line for line in text.splitlines() if not line.startswith("Next: ")]
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize(
    "words", [("status",), ("jobs",), ("dead",), ("retry", "--all", "--dry-run")]
)
def test_who_only_looks_fetches_no_payload(
    own_redis: RedisServer, namespace: str, words: tuple[str, ...]
) -> None:
    large = b'"' + b"x" * 200_000 + b'"'
    with Scene.open(own_redis, namespace) as scene:
        scene.fall("dead", 1, payload=large)
        scene.start("running", 2, payload=large)
        scene.add("ready", payload=large)
        scene.add("scheduled", payload=large, delay_ms=HOUR_MS)

        def sent() -> int:
            return int(scene.raw.info("stats")["total_net_output_bytes"])

        before = sent()
        Horus(own_redis.url, namespace).json(*words)
        assert sent() - before < len(large)


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
    assert text.split()[:6] == ["ID", "JOB", "QUEUE", "STATE", "TRY", "WHEN"]
    scene.kill("c", 3)
    assert "CRASHES" in horus("jobs").stdout


def test_ids_that_begin_alike_are_shown_so_far_that_they_can_be_typed(
    horus: Horus, scene: Scene
) -> None:
    made = ids.new_job_ids(3)
    long = {"name": "shop.jobs.SendTheMonthlyInvoice", "queue": "a-queue-with-a-long-name"}
    scene.add(*made[:2], **long)
    scene.add(made[2], delay_ms=HOUR_MS, **long)
    text = horus("jobs").stdout
    narrow(text)
    for job_id, line in zip(made, text.splitlines()[1:], strict=True):
        assert job_id.startswith(line.split()[0])
        assert horus.json("show", line.split()[0])["job"]["job_id"] == job_id


def test_a_job_whose_class_is_held_back_is_told_as_such(horus: Horus, scene: Scene) -> None:
    scene.hold()
    resume = f"{horus.again} resume --job shop.Mail"
    [row] = horus.json("jobs", "--state", "scheduled")["jobs"]
    assert (row["job_id"], row["state"], row["due_at"]) == ("parked", "scheduled", None)
    text = horus("jobs", "--state", "scheduled").stdout
    assert "  held back" in text
    assert text.endswith(f"\nNext: {resume}\n")
    assert horus.json("show", "parked")["job"]["due_at"] is None
    text = horus("show", "parked").stdout
    assert "scheduled, held back: horus resume --job shop.Mail\n" in text
    assert text.endswith(f"\nNext: {resume}\n")


def test_jobs_may_be_chosen_by_queue_and_state_and_number(horus: Horus, scene: Scene) -> None:
    make_all(scene)
    assert [row["job_id"] for row in horus.json("jobs", "--queue", "bulk")["jobs"]] == ["w1", "w2"]
    assert [row["job_id"] for row in horus.json("jobs", "--state", "dead")["jobs"]] == ["d"]
    assert [row["job_id"] for row in horus.json("jobs", "--limit", "2")["jobs"]] == ["r", "w1"]
    assert "2 of 5" in horus("jobs", "--limit", "2").stdout
    assert horus.json("jobs", "--state", "succeeded") == {"jobs": []}
    assert "jobs that were discarded aren't listed" in horus("jobs", "--state", "discarded").stderr
    horus("jobs", "--state", "asleep", code=2)
    horus("jobs", "--limit", "0", code=2)


def test_jobs_are_found_by_their_tag(
    horus: Horus, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.add("a", "b", tags=("tenant:7", "mail"))
    scene.add("c", tags=("tenant:70",), queue="bulk", delay_ms=HOUR_MS)
    rows = horus.json("jobs", "--tag", "tenant:7")["jobs"]
    assert [(row["job_id"], row["tags"]) for row in rows] == [
        *(("a", ["tenant:7", "mail"]), ("b", ["tenant:7", "mail"])),
    ]
    assert [row["job_id"] for row in horus.json("jobs", "--tag", "tenant:70")["jobs"]] == ["c"]
    assert "1 of 2 or more" in horus("jobs", "--tag", "mail", "--limit", "1").stdout
    assert horus("jobs", "--tag", "nix").stdout == "no such jobs\n"
    monkeypatch.setattr(operations, "SEARCHED", 1)
    assert horus("jobs", "--tag", "nix").stdout == "no such jobs\n"
    scene.add("d", "e")
    seen = "horus: only the first 1 of each queue and state were looked through\n"
    assert horus("jobs", "--tag", "nix").stderr == horus("jobs", "--tag", "mail").stderr == seen
    assert horus("jobs", "--tag", "nix", "--queue", "bulk").stderr == ""
    assert horus("jobs", "--tag", "nix", "--json").stderr == ""
    assert "tenant:7, mail" in horus("show", "a").stdout
    for bad in ("a b", "a,b", "ä", ""):
        assert "a tag is" in horus("jobs", "--tag", bad, code=2).stderr


def test_when_a_job_expires_is_shown(horus: Horus, scene: Scene) -> None:
    scene.add("a", expires_ms=4_102_444_800_000)
    assert horus.json("show", "a")["job"]["expires_at"].startswith("2100-01-01T00:00:00")
    assert "\nexpires " in horus("show", "a").stdout


def test_a_long_queue_does_not_hide_another_ones_next_job(horus: Horus, scene: Scene) -> None:
    scene.add(*(f"a{n}" for n in range(9)), queue="a")
    scene.add("b", queue="b")
    rows = horus.json("jobs", "--state", "ready", "--limit", "3")["jobs"]
    assert [row["job_id"] for row in rows] == ["a0", "b", "a1"]


def test_dead_lists_the_newest_first_of_all_queues_and_why(horus: Horus, scene: Scene) -> None:
    scene.fall("old", 1, queue="z", kind="shop.errors.NoSuchPage")
    scene.kill("new", 2, queue="a")
    scene.raw.zadd(f"{scene.prefix}dead:z", {"old": 1})  # else both in one millisecond, perhaps
    rows = horus.json("dead")["dead"]
    assert [row["job_id"] for row in rows] == ["new", "old"]
    assert all(row.keys() == JOB_FIELDS for row in rows)
    text = horus("dead").stdout
    narrow(text)
    assert "  NoSuchPage: no such page" in text
    assert "SIGSEGV" in text
    assert text.splitlines()[-1].startswith(f"Next: {horus.again} show ID; then retry ID")


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


def test_the_history_of_a_job_names_its_runners_however_long_the_errors_are() -> None:
    row = ("01:46:06Z", "2", "failed", "web-1:invoices/12", "FileNotFoundError: " + "x" * 80)
    _, line = table(HISTORY, [row], 80)
    assert "  web-1:invoices/12  FileNotFoundError: xxx" in line
    row = ("01:46:06Z", "2", "failed", "host.of-a-long.name.example:invoices/12", "x" * 80)
    narrow("\n".join(table(HISTORY, [row], 80)))


def test_where_a_table_has_no_room_no_column_gives_all_of_it() -> None:
    columns = (Column("ID"), Column("JOB", give=3), Column("QUEUE", give=2), Column("WHY", give=4))
    row = ("01a216ee-1782", "SendTheMonthlyInvoice", "the-invoices-of-a-month", "x" * 40)
    _, line = table(columns, [row], 60)
    assert line == "01a216ee-1782  SendTheMont…  the-invoices-of-…  xxxxxxxxxxx…"
    _, line = table(columns, [row], 40)
    assert line == "01a216ee-1782  SendT…  the-invo…  xxxxx…"


@pytest.mark.parametrize("died", [True, False])
def test_show_leads_to_the_crash_first_where_the_job_ended_with_its_runner(
    horus: Horus, scene: Scene, died: bool
) -> None:
    if died:
        scene.kill("a")
    else:
        scene.fall("a")
    told = horus("show", "a").stdout.splitlines()[-1]
    assert told == f"Next: {horus.again} {'crash a; then ' if died else ''}retry a"


def test_a_character_takes_the_columns_that_it_shows_and_drives_no_terminal() -> None:
    columns = (Column("NAME"), Column("N"))
    rows = table(columns, [("日本", "1"), ("e\u0301a", "2")], 80)
    assert rows == ["NAME  N", "日本  1", "e\u0301a    2"]
    assert clean("a\rb\t\x1b[2J\n") == "a\\rb\t\\x1b[2J\n"


def test_what_fits_on_a_line_is_not_broken_at_its_hyphens() -> None:
    assert wrap("it reads /srv/web-shop/c.toml", 24) == ["it reads", "/srv/web-shop/c.toml"]


def test_show_finds_a_job_in_every_state(horus: Horus, scene: Scene) -> None:
    make_all(scene)
    slot = scene.start("over", 3, queue="other")
    scene.run(scene.finish(slot, queues=()))
    states = {"r": "running", "w1": "ready", "s": "scheduled", "d": "dead", "over": "succeeded"}
    shown = {job_id: horus.json("show", job_id)["job"]["state"] for job_id in states}
    assert shown == states
    assert all(horus("show", job_id).stdout for job_id in states)


def test_show_says_why_nobody_takes_a_job_that_waits(horus: Horus, scene: Scene) -> None:
    scene.add("a")

    def why() -> str:
        lines = horus("show", "a").stdout.splitlines()
        return next((line for line in lines if line.startswith("waits")), "")

    assert why() == "waits     no service runs"
    scene.beat(queues=["reports"], runners=[{"queues": ["reports"]}])
    assert why() == "waits     no runner serves emails"
    scene.beat(jobs=["shop.Pdf"], runners=[{"queues": ["emails"]}])
    assert why() == "waits     no runner of emails imports shop.Mail"
    scene.beat(jobs=["shop.Mail"], runners=[{"queues": ["emails"]}])
    assert why() == ""
    horus("pause", "emails")
    assert why() == "waits     emails is paused"
    assert horus("show", "a").stdout.endswith(f"Next: {horus.again} resume emails\n")


def test_what_jobs_wrote_can_not_drive_the_terminal(horus: Horus, scene: Scene) -> None:
    scene.kill("d", output_tail=["\x1b]0;title\x07 \x9b2J"], payload='{"a": "\u202e"}'.encode())
    [record] = horus.json("crashes")["crashes"]
    for words in (("crash", record["crash_id"]), ("show", "d"), ("dead",), ("jobs",)):
        text = horus(*words).stdout
        assert [c for c in text if not c.isprintable() and c != "\n"] == []


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


def test_all_crashes_of_a_job_say_the_same_of_it(horus: Horus, scene: Scene) -> None:
    record = msgspec.json.encode(RECORD)
    scene.add("a")
    for number in (1, 2):
        slot = scene.member(number, 1, scene.namespace)
        scene.run(scene.claim(slot, queues=("emails",), max_crashes=2))
        scene.run(scene.crash(slot, record=record))
    rows = horus("crashes").stdout.splitlines()[1:3]
    assert [row.split()[-2:] for row in rows] == [["2", "quarantined"], ["1", "quarantined"]]


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


def test_people_are_shown_the_jobs_part_of_a_stack_and_programs_all_of_it(
    horus: Horus, scene: Scene
) -> None:
    stack = (
        "Current thread 0x1 (most recent call first):\n"
        '  File "/shop/pdf.py", line 88 in execute\n'
        '  File "/venv/horus_supervisor/runner/execute.py", line 75 in guarded\n'
        '  File "/venv/horus_supervisor/runner/main.py", line 189 in _attempt'
    )
    scene.kill("a", traceback=stack)
    [record] = horus.json("crashes")["crashes"]
    for words, noun in ((("crash", record["crash_id"]), "crash"), (("show", "a"), "job")):
        text = horus(*words).stdout
        assert "/shop/pdf.py" in text
        assert "horus_supervisor" not in text
        assert horus.json(*words)[noun]["traceback"] == stack


def test_who_runs_a_job_is_named_as_its_service_names_him(horus: Horus, scene: Scene) -> None:
    told = [{"runner": "oven/2", "slot": 1}]
    scene.start("r", 1)
    assert f", in {scene.namespace}/1\n" in horus("show", "r").stdout
    scene.beat(scene.namespace, runners=told)
    assert ", in oven/2 on w1\n" in horus("show", "r").stdout
    scene.beat(scene.namespace, runners=[{**told[0], "pid": 4711}])
    assert ", in oven/2 on w1, pid 4711\n" in horus("show", "r").stdout


def test_a_runner_that_dies_without_a_job_is_told_as_such(horus: Horus, scene: Scene) -> None:
    slot = scene.member(1, 1, scene.namespace)
    told = {**RECORD, "runner": "oven/1", "cause": "exit", "signal": None, "exit_code": 1}
    record = msgspec.json.encode({**told, "jobs_done": 0})
    scene.run(scene.crash(slot, 0, record=record, death=Death.CRASHED))
    [row] = horus.json("crashes")["crashes"]
    text = horus("crash", row["crash_id"]).stdout
    assert text.startswith("runner oven/1 ended with exit 1 on w2 pid 811")
    assert "alike " not in text
    assert "no job was in flight" in horus("show", row["crash_id"], code=4).stderr
    assert text.endswith(f"It had begun no job yet. Next: {horus.again} crashes --by cause\n")
    scene.run(
        scene.crash(scene.member(2, 1, scene.namespace), 0, record=record, death=Death.CRASHED)
    )
    assert "2 crashes without a job, " in horus("crash", row["crash_id"]).stdout


def test_errors_of_ours_and_of_python_are_named_without_their_module() -> None:
    assert short_kind("horus_supervisor.errors.JobTimeout") == "JobTimeout"
    assert short_kind("builtins.ValueError") == "ValueError"
    assert short_kind("shop.errors.NoSuchPage") == "shop.errors.NoSuchPage"


def test_times_are_utc(horus: Horus, scene: Scene) -> None:
    scene.fall("d")
    died = horus("dead").stdout.splitlines()[1].split()[0]
    at = datetime.strptime(died, "%H:%M:%SZ").replace(tzinfo=UTC)
    now = datetime.now(UTC)
    assert (now.hour * 60 + now.minute - at.hour * 60 - at.minute) % 1440 <= 1
