"""``horus status``: the verdict, its reasons, and who does what."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from horus_supervisor.address import parse_url
from horus_supervisor.lifecycle import Death
from horus_supervisor.store import operations
from horus_supervisor.store.wire import Wire
from tests.support.horus import RECORD, Horus, Scene

QUEUE_FIELDS = {
    *("queue", "ready", "oldest_ready_s", "running", "scheduled", "dead", "paused", "runners"),
}
SUPERVISOR_FIELDS = {"supervisor", "host", "pid", "started_at", "runners"}
RUNNER_FIELDS = {
    *("runner", "group", "pid", "app_version", "state", "job_id", "job", "queue", "since"),
}


@pytest.fixture
def keeper(scene: Scene, redis_url: str) -> Iterator[str]:
    """A supervisor whose keeper is connected; gives its id, which no other test uses."""
    name = scene.namespace
    with connected(redis_url, f"horus:{name}:keeper"):
        yield name


@contextlib.contextmanager
def connected(url: str, name: str) -> Iterator[None]:
    """Be connected to Redis under a name."""
    wire = Wire(parse_url(url), name=name)
    wire.connect()
    with contextlib.closing(wire):
        yield


def runner(slot: int, **facts: Any) -> dict[str, Any]:
    """A runner as its supervisor tells of it."""
    told = {"runner": f"emails/{slot + 1}", "slot": slot, "group": "emails", "pid": 900 + slot}
    since = "2026-08-24T02:14:07.000000Z"
    return {**told, "queues": ["emails"], "state": "idle", "since": since, **facts}


def service(
    scene: Scene, name: str, *runners: dict[str, Any], queues: tuple[str, ...] = ()
) -> None:
    scene.beat(name, groups={"emails": len(runners)}, runners=list(runners), queues=queues)


def reasons(horus: Horus) -> list[str]:
    """The reasons why it isn't well; the exit status must say so too."""
    told = horus.json("status", "--check", code=3)
    assert told["healthy"] is False
    assert horus("status").stdout.startswith("NOT WELL  ")
    found: list[str] = told["reasons"]
    return found


def well(horus: Horus) -> str:
    """All that people are told where it is well."""
    text = horus("status", "--check").stdout
    assert text.startswith("OK  ")
    assert horus.json("status")["healthy"] is True
    lines = [line for line in text.splitlines() if not line.startswith("Next: ")]
    assert [line for line in lines if len(line) > 80] == []
    return text


def test_an_empty_namespace_is_well(horus: Horus) -> None:
    told = horus.json("status")
    assert (told["queues"], told["supervisors"]) == ([], [])
    assert "enqueue" in well(horus).splitlines()[-1]


def test_work_that_waits_for_no_service_is_not_well(horus: Horus, scene: Scene) -> None:
    scene.add("a")
    assert reasons(horus) == ["no service runs, and 1 job waits"]
    text = horus("status").stdout  # without --check it is no failure
    assert text.splitlines()[-1] == "Next: horus-supervisor -c FILE"


def test_queues_are_counted_and_queues_without_jobs_are_known(
    horus: Horus, scene: Scene, keeper: str
) -> None:
    service(scene, keeper, runner(8), queues=("emails", "later"))
    scene.fall("d", 7)
    scene.start("r", 8)
    scene.add("s", delay_ms=5000)
    scene.add("w")
    emails, later = horus.json("status")["queues"]
    assert emails.keys() == later.keys() == QUEUE_FIELDS
    assert 0 <= emails.pop("oldest_ready_s") < 60
    assert emails == {
        "queue": "emails",
        "ready": 1,
        "running": 1,
        "scheduled": 1,
        "dead": 1,
        "paused": False,
        "runners": 1,
    }
    assert (later["queue"], later["ready"], later["oldest_ready_s"]) == ("later", 0, None)
    text = well_or_not(horus)
    assert text.splitlines()[1].split() == [
        *("QUEUE", "READY", "OLDEST", "RUNNING", "SCHED", "DEAD", "STATE"),
    ]


def well_or_not(horus: Horus) -> str:
    text: str = horus("status").stdout
    return text


def test_what_a_slot_holds_wins_over_what_was_told_before(
    horus: Horus, scene: Scene, keeper: str, redis_url: str
) -> None:
    service(
        scene, keeper, runner(0), runner(1, state="executing"), runner(2, pid=None, state="backoff")
    )
    slot = scene.member(0, supervisor=keeper)
    scene.add("a")
    scene.run(scene.claim(slot))
    [one] = horus.json("status")["supervisors"]
    assert one.keys() == SUPERVISOR_FIELDS
    assert (one["supervisor"], one["host"], one["pid"]) == (keeper, "w1", 811)
    assert all(row.keys() == RUNNER_FIELDS for row in one["runners"])
    first, second, third = one["runners"]
    assert (first["state"], first["job_id"], first["job"]) == ("executing", "a", "shop.Mail")
    assert (second["state"], second["job_id"]) == ("idle", None)
    assert third["state"] == "backoff"
    text = well(horus)
    assert "2/3" in text
    assert "1 restarting" in text
    with connected(redis_url, f"horus:{keeper}:2.5"):  # it is back, and no heartbeat says so yet
        [one] = horus.json("status")["supervisors"]
        assert one["runners"][2]["state"] == "idle"


def test_a_runner_in_the_foreground_is_seen_by_its_connection(
    horus: Horus, scene: Scene, keeper: str, redis_url: str
) -> None:
    scene.beat(keeper, groups={"work": 1}, queues=["q"], runners=[])
    scene.start("a", queue="q")
    with connected(redis_url, f"horus:{keeper}:0.1"):
        told, shown = horus.json("status"), horus("status").stdout
    [row] = told["supervisors"][0]["runners"]
    assert (row["runner"], row["state"], row["app_version"]) == ("work/1", "executing", None)
    assert [row["runners"] for row in told["queues"]] == [1]
    assert "  1.0.0    1 executing\n" in shown
    assert ", in work/1 on w1\n" in horus("show", "a").stdout


def test_a_supervisor_of_which_only_its_row_is_left_is_silent(
    horus: Horus, scene: Scene, namespace: str
) -> None:
    service(scene, namespace, runner(0))
    [silent] = reasons(horus)
    assert silent.startswith("w1: silent")
    scene.add("a")
    assert reasons(horus)[0] == "no service runs, and 1 job waits"
    assert horus.json("status")["queues"][0]["runners"] == 0


def test_a_queue_that_no_runner_serves_is_not_well(horus: Horus, scene: Scene, keeper: str) -> None:
    service(scene, keeper, runner(0))
    scene.add("a", queue="reports")
    assert reasons(horus) == ["reports: 1 ready, no runner serves it"]
    assert "unserved" in horus("status").stdout


def test_a_queue_that_is_over_and_served_by_nobody_has_no_row(
    horus: Horus, scene: Scene, keeper: str
) -> None:
    service(scene, keeper, runner(0))
    scene.run(scene.finish(scene.start("a", 3, queue="once"), queues=()))
    assert [row["queue"] for row in horus.json("status")["queues"]] == ["emails", "once"]
    assert "once" not in well(horus)
    assert "\nemails " in well(horus)
    horus("pause", "once")
    assert "\nonce " in well(horus)


def test_scheduled_jobs_of_a_queue_that_no_runner_serves_are_not_well(
    horus: Horus, scene: Scene, keeper: str
) -> None:
    service(scene, keeper, runner(0), queues=("emails", "off"))
    scene.add("a", queue="off", delay_ms=3_600_000)
    scene.add("b", queue="reports")
    scene.add("c", queue="reports", delay_ms=3_600_000)
    assert reasons(horus) == [
        "off: 1 scheduled, no runner serves it",
        "reports: 1 ready and 1 scheduled, no runner serves it",
    ]


def test_a_queue_whose_service_tells_of_no_runner_yet_is_served(
    horus: Horus, scene: Scene, keeper: str
) -> None:
    scene.beat(keeper, groups={"emails": 1}, queues=["emails"], runners=[])
    scene.add("a", delay_ms=3_600_000)
    assert "unserved" not in horus("status").stdout
    scene.add("b")
    assert reasons(horus)[0] == "emails: 1 ready, its runners are restarting"
    [row] = [line for line in horus("status").stdout.splitlines() if line.startswith("emails ")]
    assert row.endswith("restarting")


def test_jobs_whose_class_no_runner_imports_are_not_well(
    horus: Horus, scene: Scene, keeper: str, redis_url: str
) -> None:
    told = {"groups": {"emails": 1}, "runners": [runner(0)]}
    scene.beat(keeper, jobs=["shop.Mail"], **told)
    scene.add("a", name="shop.Mail")
    well(horus)
    scene.add("b", name="shop.New")
    scene.add("c", name="shop.Newer", delay_ms=60_000)
    assert reasons(horus) == ["emails: jobs wait that no runner imports: shop.New, shop.Newer"]
    assert horus("status").stdout.splitlines()[-1].endswith(" doctor")
    with connected(redis_url, f"horus:{keeper}2:keeper"):
        scene.beat(f"{keeper}2", jobs=["shop.New", "shop.Newer"], **told)
        well(horus)


def test_a_queue_whose_runners_are_all_down_is_not_well(
    horus: Horus, scene: Scene, keeper: str
) -> None:
    service(scene, keeper, runner(0, pid=None, state="backoff"))
    scene.add("a")
    assert reasons(horus) == ["emails: 1 ready, its runners are restarting"]


def test_a_service_whose_code_is_not_imported_is_not_well(
    horus: Horus, scene: Scene, keeper: str
) -> None:
    why = "0 of 1 runner, as the job code is not imported"
    down = [runner(0, pid=None, state="backoff")]
    scene.beat(keeper, groups={"emails": 1}, runners=down, imported=False, not_ready=why)
    scene.add("a")
    assert reasons(horus) == [f"w1: {why}", "emails: 1 ready, its runners are restarting"]
    assert horus("status").stdout.endswith("\nNext: horus-supervisor -c FILE --check\n")
    told = horus("doctor", code=1).stdout
    assert f"w1: {why}" in told
    assert "horus-supervisor -c FILE --check" in told


def test_new_code_that_was_refused_is_not_well(horus: Horus, scene: Scene, keeper: str) -> None:
    died = "emails/1 (pid 7) died before its first claim"  # of which --check knows nothing
    for error, by, typed in (("KeyError: 'X'", None, "--check"), (died, "emails/1", "crashes")):
        refused = {"at": "2026-08-24T02:14:07.000000Z", "error": error, "runner": by}
        scene.beat(keeper, groups={"emails": 1}, runners=[runner(0)], refused=refused)
        assert reasons(horus) == [f"w1: new code refused at 08-24 02:14:07Z: {error}"]
        assert horus("status").stdout.endswith(f" {typed}\n")
        assert f" {typed}\n" in horus("doctor").stdout.split("refused")[1].split("\nNext")[0]


def test_a_service_that_stops_serves_nothing(horus: Horus, scene: Scene, keeper: str) -> None:
    scene.beat(keeper, groups={"emails": 1}, runners=[runner(0)], stopping=True)
    assert "stopping: 1 idle" in well(horus)
    scene.start("r", 7)
    warned = horus("enqueue", "shop.Mail", "-q", "emails").stderr
    assert "the service stops: the job waits in emails" in warned
    assert reasons(horus) == ["the service stops, and 1 job waits"]
    assert horus.json("status")["queues"][0]["runners"] == 0


def test_a_job_that_waits_too_long_is_not_well(horus: Horus, scene: Scene, keeper: str) -> None:
    service(scene, keeper, runner(0))
    scene.add("a", due_ms=1_000)
    [reason] = reasons(horus)
    assert reason.startswith("emails: oldest waits ")


def test_a_job_that_is_due_and_moved_by_no_keeper_is_not_well(
    horus: Horus, scene: Scene, keeper: str
) -> None:
    service(scene, keeper, runner(0))
    scene.add("a", delay_ms=60_000)
    well(horus)
    scene.make_due("a")
    [reason] = reasons(horus)
    assert reason.startswith("emails: a job was due ")


def test_many_crashes_are_not_well_and_a_few_are(horus: Horus, scene: Scene, keeper: str) -> None:
    service(scene, keeper, runner(0))
    for number in range(1, 4):
        scene.kill(f"j{number}", number)
    assert "3 dead jobs" in well(horus)
    scene.kill("j4", 4)
    assert reasons(horus) == ["4 crashes/10m (Mail SIGSEGV w2)"]
    text = horus("status").stdout
    assert "crashing" in text
    assert text.splitlines()[-1].endswith("crashes --since 10m")
    scene.kill("j5", 5, name="shop.Pdf", cause="exit", signal=None, exit_code=3)
    assert reasons(horus) == ["5 crashes/10m (Mail SIGSEGV w2, Pdf exit 3 w2)"]
    for number in range(5):
        slot = scene.member(10 + number, 1, scene.namespace)
        scene.run(scene.crash(slot, 0, record=msgspec.json.encode(RECORD), death=Death.CRASHED))
    assert reasons(horus) == ["10 crashes/10m (no job SIGSEGV w2, Mail SIGSEGV w2, 1 more)"]
    scene.add("late", due_ms=1_000)
    assert reasons(horus)[1].startswith("emails: oldest waits ")  # what crashes is mostly why
    scene.add("r", queue="reports")
    assert reasons(horus)[0] == "reports: 1 ready, no runner serves it"
    assert horus("status").stdout.splitlines()[-1].endswith(" work -q reports")


def test_crashes_that_blame_nobody_any_more_are_well(
    horus: Horus, scene: Scene, keeper: str
) -> None:
    service(scene, keeper, runner(0))
    for number in range(1, 5):
        scene.kill(f"l{number}", number, cause="supervisor_lost", signal=None)
    well(horus)
    for number in range(5, 9):
        scene.kill(f"j{number}", number)
    assert reasons(horus) == ["4 crashes/10m (Mail SIGSEGV w2)"]
    scene.run(operations.calm(scene.namespace, "shop.Mail"))  # as by its next success
    well(horus)


def test_a_class_that_is_held_back_is_not_well(horus: Horus, scene: Scene, keeper: str) -> None:
    service(scene, keeper, runner(0))
    scene.hold()
    assert reasons(horus) == ["shop.Mail is held back: 1 job waits"]
    assert horus.json("status")["held"] == [{"job": "shop.Mail", "parked": 1}]
    resume = "resume --job shop.Mail"
    assert horus("status").stdout.splitlines()[-1] == f"Next: {horus.again} crashes"
    doctor = horus("doctor", code=1).stdout
    assert "shop.Mail is held back: 1 job waits" in doctor
    assert resume in doctor
    for words in (("crash", "poison"), ("show", "poison")):
        text = horus(*words).stdout
        assert "held back" in text
        assert resume in text
    warned = horus("enqueue", "shop.Mail", "-q", "emails").stderr
    assert "shop.Mail is held back" in warned
    assert resume in warned
    horus("resume", "--job", "shop.Mail")
    assert "held" not in well(horus)


def test_dead_jobs_are_named_and_well(horus: Horus, scene: Scene, keeper: str) -> None:
    service(scene, keeper, runner(0))
    scene.fall("d", 9)
    text = well(horus)
    assert "1 dead job to look at" in text
    assert text.splitlines()[-1].endswith("dead")


def test_what_an_operator_paused_is_well_and_said(horus: Horus, scene: Scene, keeper: str) -> None:
    service(scene, keeper, runner(0))
    scene.add("a", due_ms=1_000)
    scene.add("b", queue="reports")
    horus("pause", "emails")
    horus("pause", "reports")
    assert [row["paused"] for row in horus.json("status")["queues"]] == [True, True]
    text = well(horus)
    assert "2 queues are paused (emails, reports)" in text
    assert len([line for line in text.splitlines() if line.endswith("  paused")]) == 2
    assert text.splitlines()[-1].endswith("resume emails")


def test_what_another_version_tells_of_itself_does_not_hurt(
    horus: Horus, scene: Scene, keeper: str
) -> None:
    scene.beat(keeper, host="w9", runners=[{"runner": 5, "new": {}}], groups="many")
    [one] = horus.json("status")["supervisors"]
    assert (one["host"], one["runners"]) == ("w9", [])
    assert "w9" in well(horus)


def test_many_busy_runners_are_cut_with_a_count(horus: Horus, scene: Scene, keeper: str) -> None:
    service(scene, keeper, *(runner(n) for n in range(25)))
    for number in range(25):
        slot = scene.member(number, supervisor=keeper)
        scene.add(f"job-{number}", name="shop.jobs." + "VeryLongNamedJob" * 5)
        scene.run(scene.claim(slot))
    text = well(horus)
    assert "and 5 more: 25 jobs run" in text
    [one] = horus.json("status")["supervisors"]
    assert sum(row["state"] == "executing" for row in one["runners"]) == 25


def test_while_new_code_is_taken_each_version_is_shown(
    horus: Horus, scene: Scene, keeper: str
) -> None:
    runners = [runner(0, app_version="4.2"), runner(1, app_version="4.3")]
    service(scene, keeper, *runners)
    assert "4.2, 4.3" in horus("status").stdout
    [told] = horus.json("status")["supervisors"]
    assert [one["app_version"] for one in told["runners"]] == ["4.2", "4.3"]


def test_the_version_is_what_the_runners_run(horus: Horus, scene: Scene, keeper: str) -> None:
    told = {"app_version": "4.2", "groups": {"emails": 1}}  # the last heartbeat before a roll's end
    scene.beat(keeper, **told, runners=[runner(0, app_version="4.3")])
    [row] = [line for line in horus("status").stdout.splitlines() if "1/1" in line]
    assert "4.3" in row
    assert "4.2" not in row
