"""``horus status``: who does what, and how much waits."""

from __future__ import annotations

from horus_supervisor.address import parse_url
from tests.support.horus import Horus, Scene
from tests.support.redis_server import RedisServer
from tests.support.told import connected, reasons, runner, service, well

QUEUE_FIELDS = {
    *("queue", "ready", "oldest_ready_s", "running", "scheduled", "dead", "paused", "runners"),
}
SUPERVISOR_FIELDS = {"supervisor", "host", "pid", "started_at", "runners"}
RUNNER_FIELDS = {
    *("runner", "group", "pid", "app_version", "state", "job_id", "job", "queue", "since"),
}


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
    assert ", in work/1 on w1, pid 811\n" in horus("show", "a").stdout


def test_a_supervisor_of_which_only_its_row_is_left_is_silent(
    horus: Horus, scene: Scene, namespace: str
) -> None:
    service(scene, namespace, runner(0))
    [silent] = reasons(horus)
    assert silent.startswith("w1: silent")
    scene.add("a")
    assert reasons(horus)[0] == "no service runs, and 1 job waits"
    assert horus.json("status")["queues"][0]["runners"] == 0


def test_where_it_looked_is_told_while_no_service_is_seen(
    horus: Horus, scene: Scene, keeper: str, redis_server: RedisServer, namespace: str
) -> None:
    where = f"Looked in {parse_url(redis_server.url).safe}, namespace {namespace} (--url) Next: "
    assert where in " ".join(horus("status").stdout.split())
    service(scene, keeper, runner(0))
    assert "Looked in" not in horus("status").stdout


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
