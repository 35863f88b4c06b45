"""``horus status``: its verdict, and the reasons."""

from __future__ import annotations

import msgspec

from horus_supervisor.lifecycle import Death
from horus_supervisor.store import operations
from tests.support.horus import RECORD, Horus, Scene
from tests.support.told import connected, reasons, runner, service, well


def test_an_empty_namespace_is_well(horus: Horus) -> None:
    told = horus.json("status")
    assert (told["queues"], told["supervisors"]) == ([], [])
    assert well(horus).splitlines()[-1] == "Next: horus-supervisor -c FILE"


def test_work_that_waits_for_no_service_is_not_well(horus: Horus, scene: Scene) -> None:
    scene.add("a")
    assert reasons(horus) == ["no service runs, and 1 job waits"]
    text = horus("status").stdout  # without --check it is no failure
    assert text.splitlines()[-1] == "Next: horus-supervisor -c FILE"


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
