"""The rehearsal of a runner: it gets through, and leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from horus_supervisor.runner import rehearsal

CODE = """
import gc, json, os, signal, threading
import horus_supervisor
from horus_supervisor import badge
from horus_supervisor.errors import HorusError
from horus_supervisor.job import definition
from horus_supervisor.messages import Boot
from horus_supervisor.runner import process, rehearsal

def descriptors():
    gc.collect()  # what nobody holds any more is closed
    links = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            links[fd] = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:  # the listing's own
            continue
    return links

def state():
    handlers = [str(signal.getsignal(number)) for number in signal.valid_signals()]
    environment, threads = dict(os.environ), threading.active_count()
    jobs = sorted(definition.registry())
    worn = badge.of(os.getpid())
    return [descriptors(), jobs, handlers, os.getcwd(), environment, threads, worn]

def current():
    try:
        return horus_supervisor.current_job().job_id
    except HorusError:
        return None

boot = Boot(
    supervisor_pid=os.getppid(), redis_url="redis://localhost", namespace="horus", spool="/",
    path=[], imports=[], max_payload_bytes=1000,
)
PATCH
process.reset_signals()
before = state()
done = rehearsal.rehearse(boot)
process.reset_signals()
told = {"done": done, "before": before, "after": state(), "job": current()}
print(json.dumps({**told, "wakeup": signal.set_wakeup_fd(-1)}))
"""


def rehearsed(patch: str = "") -> dict[str, object]:
    """Rehearse in a process of its own, whose standard descriptors are a template's.

    In Python's development mode, which tells of what nobody closed.
    """
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-c", CODE.replace("PATCH", patch)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=45,
        check=True,
    )
    told: dict[str, object] = json.loads(ran.stdout)
    return told


def test_every_job_of_the_rehearsal_is_done_and_nothing_is_left_behind() -> None:
    told = rehearsed()
    assert told["done"] == rehearsal.LIVES * rehearsal.JOBS
    assert told["after"] == told["before"]
    assert (told["job"], told["wakeup"]) == (None, -1)


def test_answers_that_do_not_fit_end_the_rehearsal() -> None:
    told = rehearsed(
        "import itertools\n"
        r"no = itertools.repeat(b'-ERR no\r\n')"
        "\nrehearsal._ANSWERS = itertools.chain(rehearsal._ANSWERS[:1], no)"
    )
    assert told["done"] == 0
    assert told["after"] == told["before"]


@pytest.mark.parametrize(
    "patch",
    [
        "import socket; socket.socket = type('Green', (socket.socket,), {})",
        "import _thread; start = _thread.start_new_thread\n"
        "_thread.start_new_thread = lambda *given: start(*given)",
    ],
)
def test_where_sockets_or_threads_are_not_pythons_own_nothing_is_rehearsed(patch: str) -> None:
    """As after ``gevent.monkey.patch_all()``: whoever plays Redis would wait for the runner."""
    told = rehearsed(patch)
    assert told["done"] == 0
    assert told["after"] == told["before"]
