"""New code by SIGHUP: imported beside the old, taken by one runner after another, or not at all."""

from __future__ import annotations

import json
import os
import signal

import pytest

from horus_supervisor import Client
from tests.service.apps import testjobs as jobs
from tests.support.horus import Horus
from tests.support.rolling import App, least_alive
from tests.support.service import Service
from tests.support.waiting import wait_until


@pytest.fixture
def app(service: Service, client: Client) -> App:
    app = App(service, client)
    app.write("1")
    return app


def test_a_sighup_loads_new_code_and_runners_take_it_one_at_a_time(
    app: App, service: Service, horus: Horus
) -> None:
    app.serve("[queues]\nq = 4\nother = 2\n")
    before = set(service.runner_pids())
    assert app.says() == "1"
    app.write("2")
    app.reload()
    done = app.done()
    assert (done["runners"], done["app_version"], done["generation"]) == (6, "2", 2)
    assert app.says() == "2"
    assert set(app.versions().values()) == {"2"}
    assert not before & set(service.runner_pids())
    lines = service.lines()
    assert (least_alive(lines, "q"), least_alive(lines, "other")) == (3, 1)
    told = [line["rolled"] for line in service.events("reload.rolled")]
    assert told == [1, 2, 3, 4, 5, 6]
    assert service.events("runner.crashed") == []
    app.template()
    wait_until(lambda: versions_told(horus) == ["2"] * 6, "status tells it")


def versions_told(horus: Horus) -> list[str]:
    [supervisor] = horus.json("status")["supervisors"]
    return [runner["app_version"] for runner in supervisor["runners"]]


def test_a_module_and_a_path_that_the_file_names_anew_are_imported(
    app: App, service: Service
) -> None:
    app.serve("[queues]\nq = 1\n")
    (service.folder / "more.py").write_text('from rolled import *\n__version__ = "1.more"\n')
    app.configure("[queues]\nq = 1\n", imports="more")
    edited = service.wait_for("supervisor.reloaded")
    later = "from the next start on: supervisor.imports (or SIGHUP)"
    assert (edited["level"], edited["message"].partition("; ")[2]) == ("warning", later)
    assert edited["needs_restart"] == ["supervisor.imports"]
    app.reload()
    assert app.done()["app_version"] == "1.more"


FAILING = {
    "import no_such_module_anywhere": "ModuleNotFoundError: No module named 'no_such",
    "os._exit(7)": "exited with 7",
    "os.kill(os.getpid(), signal.SIGSEGV)": "Fatal Python error: Segmentation fault",
}


def test_an_import_that_fails_changes_nothing(app: App, service: Service, horus: Horus) -> None:
    app.serve("[queues]\nq = 2\n")
    before, template = service.runner_pids(), app.template()
    for more, why in FAILING.items():
        seen = len(service.lines())
        app.write("2", more)
        app.reload()
        failed = service.wait_for("template.failed", after=seen)
        assert why in f"{failed['error']}\n{failed.get('traceback')}"
        error = service.wait_for("reload.failed", level="error", after=seen)["error"]
        assert failed["error"] in error
        wait_until(lambda: error[:60] in horus.reasons(), "status tells it")  # noqa: B023
        wait_until(lambda: app.templates() == [template], "only the old template is there")
    os.kill(before[0], signal.SIGKILL)
    service.wait_for("runner.started", count=3)
    assert app.says() == "1"
    assert before[1] in service.runner_pids()
    app.write("3")
    app.reload()
    assert app.done()["app_version"] == "3"
    wait_until(lambda: horus.reasons().startswith("2 runners"), "it is well again")
    assert service.events("child.exited") == []


def test_an_import_that_hangs_is_ended_with_its_stack(app: App, service: Service) -> None:
    app.serve("[queues]\nq = 1\n", supervisor='import_timeout = "2s"')
    app.write("2", "time.sleep(60)")
    app.reload()
    failed = service.wait_for("template.failed", error="its import took over 2 s")
    assert 'rolled.py", line 17 in' in failed["traceback"]
    assert failed["error"] in service.wait_for("reload.failed")["error"]
    app.template()


def test_a_runner_that_crashes_while_new_code_is_imported_is_replaced_by_the_code_in_force(
    app: App, service: Service
) -> None:
    app.serve("[queues]\nq = 1\n")
    app.write("2", f"while not os.path.exists({service.path('go')!r}): time.sleep(0.01)")
    app.reload()
    service.wait_for("reload.begun")
    os.kill(service.runner_pids()[0], signal.SIGKILL)
    assert service.wait_for("runner.started", count=2)["app_version"] == "1"
    assert app.says() == "1"
    jobs.mark(service.path("go"))
    app.done()
    assert app.says() == "2"


@pytest.mark.parametrize("groups", ["q = 1\n", "q = 3\n", "q = 2\nother = 2\n"])
def test_a_successor_that_dies_before_its_first_claim_brings_the_old_code_back(
    app: App, service: Service, horus: Horus, groups: str
) -> None:
    app.serve(f"[queues]\n{groups}")
    runners = len(service.runner_pids())
    app.write("2", dying(service))
    jobs.mark(service.path("dies"))
    app.reload()
    failed = service.wait_for("reload.failed")
    crashed = service.wait_for("runner.crashed", app_version="2")
    assert crashed["exit_code"] == 9
    assert f"{crashed['runner']} (pid {crashed['pid']}) died before its first" in failed["error"]
    service.wait_for("reload.undone")
    wait_until(lambda: len(service.runner_pids()) == runners, "all are there")
    wait_until(lambda: set(app.versions().values()) == {"1"}, "the old code runs")
    assert len(service.events("reload.failed")) == 1
    wait_until(lambda: " crashes" in horus("doctor").output, "doctor knows where to look")
    assert app.says() == "1"
    app.template()
    os.unlink(service.path("dies"))
    app.reload()
    assert app.done()["app_version"] == "2"
    assert app.says() == "2"


def dying(service: Service) -> str:
    """Code whose runners die before they claim, while a file is there."""
    return f"""
from horus_supervisor import on_runner_start

@on_runner_start
def die():
    if os.path.exists({service.path("dies")!r}):
        os._exit(9)
"""


def test_a_long_job_keeps_no_other_runner_on_old_code_and_all_go_back_from_bad_code(
    app: App, service: Service
) -> None:
    app.serve("[queues]\nq = 3\n")
    held = app.hold(service.path("done"))
    holder = held["runner"]
    app.write("2", dying(service))
    app.reload()
    rolled = {service.wait_for("reload.rolled", count=n)["runner"] for n in (1, 2)}
    assert holder not in rolled
    assert app.says() == "2"
    jobs.mark(service.path("dies"))
    jobs.mark(service.path("done"))
    assert service.wait_for("reload.failed")["runner"] == holder
    service.wait_for("job.succeeded", job_id=held["job_id"])
    service.wait_for("reload.undone")
    wait_until(lambda: set(app.versions().values()) == {"1"}, "the old code runs")
    assert least_alive(service.lines(), "q") == 2
    assert app.says() == "1"


def test_who_crashes_in_the_middle_gets_new_code_once_that_has_served(
    app: App, service: Service
) -> None:
    app.serve("[queues]\nq = 2\n")
    done = {
        app.hold(service.path(name), before)["runner"]: service.path(name)
        for before, name in enumerate(("one", "two"))
    }
    app.write("2")
    app.reload()
    service.wait_for("template.ready", generation=2)
    wait_until(lambda: stopping(service), "one is asked to leave")
    [turn] = stopping(service)
    [other] = done.keys() - {turn}
    crash(service, other, "1", successor="1")
    jobs.mark(done[turn])
    service.wait_for("reload.rolled", runner=turn)
    crash(service, other, "1", successor="2")
    crash(service, turn, "2", successor="2")
    assert app.done()["runners"] == 2
    assert service.events("reload.failed") == []


def stopping(service: Service) -> set[str]:
    """The runners that leave after their job, by a snapshot."""
    seen = len(service.events("snapshot"))
    service.signal(signal.SIGUSR1)
    service.wait_for("snapshot", count=seen + 2)
    told = service.events("snapshot")[seen:]
    return {line["runner"] for line in told if line["state"] == "stopping"}


def crash(service: Service, runner: str, version: str, *, successor: str) -> None:
    """Kill a runner; check what code it ran, and what its successor runs."""
    lives = service.events("runner.started", runner=runner)
    os.kill(lives[-1]["pid"], signal.SIGKILL)
    assert service.wait_for("runner.crashed", pid=lives[-1]["pid"])["app_version"] == version
    following = service.wait_for("runner.started", runner=runner, count=len(lives) + 1)
    assert following["app_version"] == successor


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_template_that_dies_in_the_middle_is_replaced(
    app: App, service: Service, which: str
) -> None:
    app.serve("[queues]\nq = 2\n")
    app.hold(service.path("done"))
    old = app.template()
    app.write("2")
    app.reload()
    service.wait_for("reload.rolled")
    wait_until(lambda: len(app.templates()) == 2, "two templates")
    [new] = [pid for pid in app.templates() if pid != old]
    victim = old if which == "old" else new
    os.kill(victim, signal.SIGKILL)
    service.wait_for("child.exited", pid=victim)
    service.wait_for("template.ready", count=3)
    jobs.mark(service.path("done"))
    assert app.done()["app_version"] == "2"
    assert set(app.versions().values()) == {"2"}
    assert service.events("reload.failed") == []


def test_new_code_whose_template_can_not_stay_is_taken_back(app: App, service: Service) -> None:
    app.serve("[queues]\nq = 2\n")
    app.hold(service.path("done"))
    old = app.template()
    app.write("2")
    app.reload()
    service.wait_for("reload.rolled")
    for count in range(3):
        service.wait_for("template.ready", count=2 + count)
        wait_until(lambda: len(app.templates()) == 2, "two templates")
        [new] = [pid for pid in app.templates() if pid != old]
        os.kill(new, signal.SIGKILL)
    assert "the third time" in service.wait_for("reload.failed")["error"]
    jobs.mark(service.path("done"))
    service.wait_for("reload.undone")
    assert app.says() == "1"


def test_a_second_sighup_loads_what_was_written_since(app: App, service: Service) -> None:
    app.serve("[queues]\nq = 2\n")
    imports = service.path("imports")
    app.write("2", f"open({imports!r}, 'w').close()\ntime.sleep(60)")
    app.reload()
    wait_until(lambda: os.path.exists(imports), "the import has begun")
    app.write("3")
    app.reload()  # instead of the import that goes on
    assert app.done()["app_version"] == "3"
    app.hold(service.path("done"))
    app.write("4")
    app.reload()
    service.wait_for("reload.rolled", count=3)
    app.write("5")
    app.reload()  # after the roll that goes on
    service.wait_for("reload.later")
    jobs.mark(service.path("done"))
    assert service.wait_for("reload.done", count=2)["app_version"] == "4"
    assert service.wait_for("reload.done", count=3)["app_version"] == "5"
    assert set(app.versions().values()) == {"5"}
    app.template()


@pytest.mark.parametrize("moment", ["reload.begun", "template.ready", "reload.rolled"])
def test_a_stop_in_the_middle_ends_well(app: App, service: Service, moment: str) -> None:
    app.serve("[queues]\nq = 8\n")
    app.write("2", "time.sleep(60)" if moment == "reload.begun" else "")
    seen = len(service.lines())
    app.reload()
    service.wait_for(moment, after=seen)
    assert service.stop() == 0
    assert service.events("supervisor.stopped")
    assert service.events("runner.crashed") == service.events("reload.failed") == []


def test_saving_the_file_in_the_middle_scales(app: App, service: Service) -> None:
    app.serve("[queues]\nq = 3\n")
    app.hold(service.path("done"))
    app.write("2")
    app.reload()
    service.wait_for("reload.rolled", count=2)
    app.configure("[queues]\nq = 5\nother = 2\n")
    service.wait_for("reload.rolled", count=6)  # other/2 after other/1, and with old code at first
    app.configure("[queues]\nq = 2\nother = 1\n")
    service.wait_for("runner.exited", runner="other/2", count=2)
    jobs.mark(service.path("done"))
    assert app.done()["runners"] == 3
    wait_until(lambda: len(service.runner_pids()) == 3, "as many as the file says")
    living = {line["pid"]: line for line in service.events("runner.started")}
    assert {living[pid]["app_version"] for pid in service.runner_pids()} == {"2"}


def test_a_reload_under_load_loses_nothing_and_runs_nothing_twice(
    app: App, service: Service
) -> None:
    app.serve("[queues]\nq = 4\n", supervisor="")
    sent: list[str] = []
    for version in ("2", "3"):
        app.write(version)
        app.reload()
        while not service.events("reload.done", app_version=version):
            sent.extend(app.say() for _ in range(4))
            wait_until(lambda: len(sent) - len(app.said()) < 8, "each has one job, and the next")
    wait_until(lambda: len(service.events("job.succeeded")) >= len(sent), "all done")
    assert sorted(line["job_id"] for line in service.events("job.succeeded")) == sorted(sent)
    assert len(app.said()) == len(sent)
    assert service.events("job.stale") == service.events("runner.crashed") == []
    assert least_alive(service.lines(), "q") == 3


PAINT = """
class Paint(Job, name="rolled.Paint", queue="q"):
    path: str
    {field}

    def execute(self) -> None:
        if not hasattr(self, "colour"):
            raise RuntimeError("not yet")
        with open(self.path, "a") as file:
            file.write(self.colour + "\\n")

    def retry_in(self, attempt: int, error: BaseException) -> float:
        return 0.05
"""


def test_a_field_that_old_code_does_not_know_is_told_once_and_kept_for_new_code(
    app: App, service: Service, client: Client
) -> None:
    app.write("1", PAINT.format(field=""))
    app.serve("[queues]\nq = 1\n")
    payload = json.dumps({"path": service.path("painted"), "colour": "red"}).encode()
    job = client.enqueue_raw("rolled.Paint", payload, "q")
    service.wait_for("job.failed", job_id=job.id, count=3)
    [told] = service.events("job.unknown_fields")
    assert (told["job"], told["fields"], told["level"]) == ("rolled.Paint", "colour", "warning")
    app.write("2", PAINT.format(field='colour: str = "none"'))
    app.reload()
    service.wait_for("job.succeeded", job_id=job.id)
    assert jobs.marks(service.path("painted")) == ["red"]
    assert len(service.events("job.unknown_fields")) == 1


FRESH = """import sys, __main__
print(sys.argv, getattr(__main__, "__file__", None), sys.path[0] == {path!r})
"""


def test_an_import_finds_the_interpreter_as_in_a_fresh_one(app: App, service: Service) -> None:
    service.fresh = True
    app.write("1", FRESH.format(path=str(service.folder)))
    app.serve("[queues]\nq = 1\n")
    told = service.wait_for("output", child="template")
    assert told["text"] == "['horus_supervisor.template'] None True"
    assert app.says() == "1"


KILL = """
class Kill(Job, name="rolled.Kill", queue="q"):
    def execute(self) -> None:
        os._exit(3)
"""


def test_a_group_whose_jobs_kill_its_runners_takes_the_mend(
    app: App, service: Service, client: Client
) -> None:
    app.write("1", KILL)
    app.serve("[defaults]\nhold_after = 0\n[queues]\nq = 2\nother = 2\n")
    last = [client.enqueue_raw("rolled.Kill", b"{}", "q").id for _ in range(40)][-1]
    service.wait_for("crash_loop", group="q")
    app.write("2", KILL)
    app.reload()
    assert app.done()["app_version"] == "2"
    app.write("3", KILL.replace("os._exit(3)", "pass"))
    app.reload()
    service.wait_for("reload.done", app_version="3")
    wait_until(lambda: client.status(last) == "succeeded", "the mend", on_failure=service.tail)
