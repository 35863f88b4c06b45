"""An application that is rewritten while its service runs, for the tests of new code."""

from __future__ import annotations

import json
import signal

from horus_supervisor import Client
from tests.service.apps import testjobs as jobs
from tests.support.files import write_whole
from tests.support.service import ROOT, Line, Service, children
from tests.support.waiting import wait_until

CODE = """
import os, signal, time
from horus_supervisor import Job

__version__ = "{version}"

class Say(Job, name="rolled.Say", queue="q"):
    path: str
    done: str = ""

    def execute(self) -> None:
        with open(self.path, "a") as file:
            file.write(__version__ + "\\n")
        while self.done and not os.path.exists(self.done):
            time.sleep(0.005)

{more}
"""
"""A job module. Its classes have names of their own: the tests enqueue by name and payload."""


class App:
    """An application whose one module is rewritten while its service runs."""

    def __init__(self, service: Service, client: Client) -> None:
        self.service = service
        self._client = client
        self._written = 0

    def write(self, version: str, more: str = "") -> None:
        """Write the module; of a new size, as what Python compiled within a second is kept."""
        self._written += 1
        text = CODE.format(version=version, more=more) + "#" * self._written
        write_whole(self.service.folder / "rolled.py", text)

    def serve(self, groups: str, *, supervisor: str = "") -> None:
        """Write the file, and start the service."""
        self.configure(groups, supervisor=supervisor)
        self.service.start()

    def configure(self, groups: str, *, supervisor: str = "", imports: str = "rolled") -> None:
        """Write the file."""
        path = f'{self.service.folder}", "{ROOT}'
        self.service.write(groups, supervisor=supervisor, imports=imports, path=path)

    def reload(self) -> None:
        """Ask for new code."""
        self.service.signal(signal.SIGHUP)

    def done(self) -> Line:
        """Wait until the new code is in force."""
        return self.service.wait_for("reload.done")

    def say(self, done: str = "", queue: str = "q") -> str:
        """Enqueue a job that tells by which code it runs; its id."""
        path, payload = self.service.path("said"), {"done": done} if done else {}
        text = json.dumps({"path": path, **payload})
        return self._client.enqueue_raw("rolled.Say", text.encode(), queue).id

    def hold(self, done: str, before: int = 0) -> Line:
        """Have a job run until a file is there; its ``job.started``, once it is in ``execute``."""
        job_id = self.say(done)
        wait_until(lambda: len(self.said()) > before, "it runs", on_failure=self.service.tail)
        return self.service.wait_for("job.started", job_id=job_id)

    def said(self) -> list[str]:
        """What the jobs have said so far."""
        return jobs.marks(self.service.path("said"))

    def says(self) -> str:
        """Run a job to its end; the version that it ran by."""
        self.service.wait_for("job.succeeded", job_id=self.say())
        return self.said()[-1]

    def versions(self) -> dict[str, str]:
        """The version of each runner's newest life."""
        started = self.service.events("runner.started")
        return {line["runner"]: line["app_version"] for line in started}

    def templates(self) -> list[int]:
        """The pids of the templates that live; for a moment, a runner bears their name too."""
        return children(self.service.pid, "horus-template")

    def template(self) -> int:
        """The pid of the one template."""
        return self.service.program("horus-template")


GONE = ("runner.exited", "runner.crashed")


def least_alive(lines: list[Line], group: str) -> int:
    """The fewest runners of a group at a time, from when all of them were first there."""
    alive, least, full = 0, 1000, False
    for line in sorted(lines, key=lambda line: str(line["timestamp"])):  # deaths are told first
        if line.get("group") == group:
            alive += (line["event"] == "runner.started") - (line["event"] in GONE)
        full = full or line["event"] == "supervisor.ready"
        least = min(least, alive) if full else least
    return least
