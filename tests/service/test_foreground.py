"""One runner in a process of somebody else, who goes on afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from horus_supervisor import Client, start_runner
from horus_supervisor.lifecycle import Death
from horus_supervisor.store import operations
from tests.service.apps import testjobs, untidy
from tests.support.horus import COMMAND
from tests.support.processes import Bounded
from tests.support.redis_server import RedisServer
from tests.support.service import ROOT, Service, children
from tests.support.waiting import wait_until

PROGRAM = """
import os, signal, socket, sys
from horus_supervisor import Client, start_runner

def held():
    maps = open("/proc/self/maps").read().count("horus-scoreboard")
    return len(os.listdir("/proc/self/fd")), maps, signal.getsignal(signal.SIGTERM)

url, namespace = sys.argv[1:]
client = Client(url, namespace=namespace)
ours, theirs = socket.socketpair()
theirs.setblocking(False)
signal.set_wakeup_fd(theirs.fileno())
client.enqueue_raw("unknown", b"{}", queue="other")  # connects
before = held()
done = start_runner(client, ["q"], imports=["tests.service.apps.untidy"], until_empty=True)
assert held() == before, (before, held())
assert signal.set_wakeup_fd(-1) == theirs.fileno()
print(done)
"""


def test_start_runner_gives_back_all_that_it_took(
    service: Service, client: Client, redis_url: str, namespace: str
) -> None:
    client.enqueue(untidy.Children("sleeper", service.path("ended")))
    client.enqueue(testjobs.Quick())
    program = [sys.executable, "-c", PROGRAM, redis_url, namespace]
    done = subprocess.run(
        program, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
    assert testjobs.marks(service.path("ended")) == ["-15"]  # a child that got SIGTERM


@pytest.mark.parametrize(
    "wrong", [{"queues": []}, {"queues": "q"}, {"queues": ["a b"]}, {"imports": "testjobs"}]
)
def test_start_runner_refuses_what_is_no_list_of_names(client: Client, wrong: Any) -> None:
    with pytest.raises(ValueError, match="a list of"):
        start_runner(client, **{"queues": ["q"], "until_empty": True, **wrong})


def test_start_runner_says_what_a_client_is() -> None:
    wrong: Any = "redis://:secret@localhost"
    with pytest.raises(TypeError, match=r"Client\(URL\) makes, not a str"):
        start_runner(wrong, ["q"], until_empty=True)


IN_A_THREAD = """
import sys, threading
from horus_supervisor import Client, start_runner

url, namespace = sys.argv[1:]
client = Client(url, namespace=namespace)
options = {"imports": ["tests.service.apps.testjobs"], "until_empty": True}
thread = threading.Thread(target=start_runner, args=(client, ["q"]), kwargs=options)
thread.start()
thread.join()
print("lives")
"""


IMPATIENT = """
from horus_supervisor.runner import outage
outage.ALONE_S, outage.TOLD_AFTER_S = 0.1, 0.3
"""


def test_one_in_another_thread_waits_for_redis_however_long_it_alone_misses_it(
    own_redis: RedisServer, namespace: str, tmp_path: Path
) -> None:
    ran, done, log = str(tmp_path / "ran"), str(tmp_path / "done"), tmp_path / "log"
    program = [sys.executable, "-c", IMPATIENT + IN_A_THREAD, own_redis.url, namespace]
    with Client(own_redis.url, namespace=namespace) as client, log.open("wb") as err:
        client.enqueue(testjobs.Quick())
        job = client.enqueue(testjobs.Hang(ran, done=done))
        with Bounded(program, cwd=ROOT, stderr=err, stdout=err) as process:
            wait_until(lambda: testjobs.marks(ran) != [], "it runs")
            [keeper] = children(process.pid, "horus-keeper")
            os.kill(keeper, signal.SIGSTOP)  # so that it tells of no outage
            own_redis.kill()
            testjobs.mark(done)
            wait_until(lambda: "redis.lost" in log.read_text(), "it misses Redis")
            own_redis.start()
            os.kill(keeper, signal.SIGCONT)
            assert process.wait(45) == 0
        assert job.status() == "succeeded"
    assert "runner.recycled" not in log.read_text()


def test_a_timeout_in_another_thread_does_not_end_the_process(
    client: Client, redis_url: str, namespace: str, tmp_path: Path
) -> None:
    job = client.enqueue(testjobs.Hang(str(tmp_path / "ran"), seconds=0.3), timeout=0.05)
    program = [sys.executable, "-c", IN_A_THREAD, redis_url, namespace]
    done = subprocess.run(
        program, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "lives\n"), done.stderr
    assert job.status() == "succeeded"


DEBUGGED = """
import os, sys
import _posixsubprocess
from horus_supervisor import Client, start_runner

true = _posixsubprocess.fork_exec

def held(arguments, *more):  # as debugpy does with each Python that it sees being started
    if b"python" in os.path.basename(os.fsencode(arguments[0])):
        arguments = [arguments[0], "-c", "import time; time.sleep(60)"]
    return true(arguments, *more)

_posixsubprocess.fork_exec = held
import subprocess
subprocess._fork_exec = held
url, namespace = sys.argv[1:]
client = Client(url, namespace=namespace)
options = {"imports": ["tests.service.apps.testjobs"], "until_empty": True}
print(start_runner(client, ["q"], **options))
"""


def test_a_debugger_that_holds_the_children_of_its_process_does_not_hold_the_keeper(
    client: Client, redis_url: str, namespace: str
) -> None:
    client.enqueue(testjobs.Quick())
    program = [sys.executable, "-c", DEBUGGED, redis_url, namespace]
    done = subprocess.run(
        program, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_one_whose_place_redis_closes_says_that_it_serves_no_longer(
    client: Client, redis_url: str, namespace: str
) -> None:
    where = ("--url", redis_url, "--namespace", namespace)
    words = ("work", "-q", "q", "--import", "tests.service.apps.testjobs")
    first = client.enqueue(testjobs.Quick())
    program = [*COMMAND, *where, *words]
    with Bounded(program, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: first.status() == "succeeded", "it serves")
        [row] = client.connection.run(operations.supervisors(namespace))
        end = operations.retire(
            namespace,
            row.supervisor,
            beat=None,
            death=Death.LOST,
            record=b"{}",
            readable=False,
        )
        client.connection.run(end)
        job = client.enqueue(testjobs.Quick())
        _, told = process.communicate(timeout=45)
    assert process.returncode == 1, told
    assert "horus: Redis closed its place: this runner serves no longer\n" in told
    assert job.status() == "ready"
