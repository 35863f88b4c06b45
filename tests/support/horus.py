"""``horus`` in this process, and states of jobs to use it on."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from click.testing import CliRunner, Result

from horus_supervisor.cli.main import main
from horus_supervisor.clock import rfc3339
from horus_supervisor.lifecycle import Death
from horus_supervisor.store import operations
from horus_supervisor.store.connection import connect
from horus_supervisor.store.rows import Slot
from tests.support.redis_server import RedisServer
from tests.support.store import Store

Row = dict[str, Any]

COMMAND = (sys.executable, "-m", "horus_supervisor.cli.main")

AWAY = {"HORUS_URL": None, "HORUS_CONFIG": None, "NO_COLOR": None}


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in AWAY}
    return {**kept, "PYTHONPATH": os.getcwd(), **more}


class Horus:
    """The operator's command on one namespace, as typed: words in, exit status and output back."""

    def __init__(self, url: str, namespace: str) -> None:
        self.where = ["--url", url, "--namespace", namespace]

    @property
    def again(self) -> str:
        """How it is told to be typed once more."""
        return shlex.join(["horus", *self.where])

    def __call__(self, *words: str, code: int | None = 0) -> Result:
        """Run a verb; fails where it exits with another status than ``code`` (None: with any)."""
        return self.bare(*self.where, *words, code=code)

    def json(self, *words: str, code: int | None = 0) -> Row:
        """Run a verb with ``--json``; gives the envelope's inside."""
        envelope: Row = json.loads(self(*words, "--json", code=code).stdout)
        assert envelope.pop("schema") == 1
        return envelope

    def reasons(self) -> str:
        """Why the verdict of ``status`` is what it is."""
        return " ".join(self.json("status")["reasons"])

    def failure(self, *words: str, code: int) -> Row:
        """Run a verb that fails with ``--json``; gives the error on standard error."""
        result = self(*words, "--json", code=code)
        assert result.stdout == ""
        envelope = json.loads(result.stderr)
        assert envelope["schema"] == 1
        error: Row = envelope["error"]
        assert error["code"] == code
        return error

    @staticmethod
    def bare(*words: str, code: int | None = 0, **env: str | None) -> Result:
        """Run ``horus`` without saying where Redis is."""
        result = CliRunner().invoke(main, words, env={**AWAY, **env})
        told = f"{result.output}{result.stderr}"
        assert code in (None, result.exit_code), (
            f"exit {result.exit_code}, not {code}: {words}\n{told}"
        )
        return result


class Scene(Store):
    """A namespace with jobs in the states that a test needs, brought there as runners would."""

    @classmethod
    @contextlib.contextmanager
    def open(cls, server: RedisServer, namespace: str) -> Iterator[Scene]:
        """Open it on a server."""
        with contextlib.closing(connect(server.url)) as connection, server.client() as raw:
            yield cls(connection.run, namespace, raw)

    def start(self, job_id: str, number: int = 0, life: int = 1, **options: Any) -> Slot:
        """Have a runner of the supervisor called as the namespace start a new job."""
        slot = self.member(number, life, self.namespace)
        self.add(job_id, **options)
        queue = options.get("queue", "emails")
        self.run(self.claim(slot, queues=(queue,), max_crashes=1))
        return slot

    def kill(self, job_id: str, number: int = 0, life: int = 1, **facts: Any) -> None:
        """Have a job bring down its runner: it is quarantined at the first crash."""
        options = {key: facts.pop(key) for key in ("queue", "name", "payload") if key in facts}
        slot = self.start(job_id, number, life, **options)
        told = {"runner": f"emails/{number}", "timestamp": rfc3339(time.time()), **facts}
        record = msgspec.json.encode({**RECORD, **told})
        self.run(self.crash(slot, record=record, death=Death.CRASHED))

    def hold(self, number: int = 90) -> None:
        """Have a crash hold shop.Mail back, and a runner park the job ``parked`` of it."""
        slot = self.start("poison", number, max_attempts=1)
        told = {"runner": "emails/1", "timestamp": rfc3339(time.time())}
        record = msgspec.json.encode({**RECORD, **told})
        death = Death.CRASHED
        self.run(operations.crash(self.namespace, slot, 1, death, record, hold_after=1, code="c1"))
        self.run(self.fail(self.start("parked", number + 1), what="held", queues=()))

    def fall(
        self, job_id: str, number: int = 0, life: int = 1, kind: str = "ValueError", **options: Any
    ) -> None:
        """Have a job fail its only attempt: it is dead."""
        slot = self.start(job_id, number, life, max_attempts=1, **options)
        facts = {"error_type": kind, "error_message": "no such page", "traceback": "Trace"}
        note = msgspec.json.encode(facts)
        limits = {"max_crashes": 3, "crash_delay_ms": 1000}
        self.run(operations.fail(self.namespace, slot, 2, "failed", 0, note, (), **limits))

    def beat(self, supervisor: str = "sup", **facts: Any) -> None:
        """Have a supervisor tell of itself."""
        self.run(operations.register(self.namespace, supervisor, 30_000, b"{}"))
        told = msgspec.json.encode({"host": "w1", "pid": 811, "version": "1.0.0", **facts})
        assert self.run(operations.beat(self.namespace, supervisor, told)) == "ok"


RECORD = {
    "host": "w2",
    "supervisor": "sup",
    "group": "emails",
    "pid": 811,
    "cause": "signal",
    "signal": "SIGSEGV",
    "exit_code": None,
    "core_dumped": False,
    "ran_for_s": 12.4,
    "traceback": 'File "shop/pdf.py", line 88 in render',
    "output_tail": ["cairo: surface out of bounds"],
    "uptime_s": 7200.0,
    "jobs_done": 311,
    "max_rss_bytes": 2_040_109_465,
    "user_cpu_s": 11.0,
    "system_cpu_s": 0.8,
    "app_version": "4.2.1",
    "python_version": "3.11.7",
}
