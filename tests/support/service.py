"""A real service in a folder of its own: started, listened to, ended by its own pid."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from horus_supervisor.scoreboard import Phase, Scoreboard
from tests.service.apps.marks import marks
from tests.support import processes
from tests.support.files import write_whole
from tests.support.nursery import Forked, nursery
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]

Line = dict[str, Any]

Process = subprocess.Popen[bytes] | Forked


class Told:
    """The whole lines of a log that grows: each is read once, however often a test looks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[Line] = []
        self._read = 0

    def lines(self) -> list[Line]:
        """All lines until now; fails on one that is no JSON object."""
        try:
            if self._path.stat().st_size == self._read:
                return self._lines
        except FileNotFoundError:
            return []
        with self._path.open("rb") as log:
            log.seek(self._read)
            whole, end, _ = log.read().rpartition(b"\n")
        if end:
            self._lines += map(json.loads, whole.split(b"\n"))  # an empty one is none either
        self._read += len(whole + end)
        return self._lines


class Service:
    """``horus-supervisor`` on a TOML file of a test. Its log is ``folder/log``."""

    def __init__(self, folder: Path, redis_url: str, namespace: str) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.log = folder / "log"
        self._told = Told(self.log)
        self._first = 0
        self.redis_url = redis_url
        self.namespace = namespace
        self.fresh = False
        self._process: Process | None = None
        self._error = folder / "stderr"

    # --- the file ------------------------------------------------------------------------------

    def write(
        self,
        groups: str,
        *,
        supervisor: str = "",
        log: str = 'level = "debug"',
        imports: str = "tests.service.apps.testjobs",
        path: str = str(ROOT),
    ) -> None:
        """Write the TOML: ``groups`` is everything from ``[queues]`` on."""
        text = f"""
[redis]
url = "{self.redis_url}"
namespace = "{self.namespace}"

[supervisor]
imports = ["{imports}"]
path = ["{path}"]
state_dir = "{self.folder / "state"}"
{supervisor}

[log]
format = "json"
{log}

{groups}
"""
        write_whole(self.config, text)

    def lent(self, folder: Path) -> Service:
        """Lend it, as it runs, to one more test: with a folder and a log that begin empty."""
        lent = copy.copy(self)
        lent.folder = folder
        lent._first = len(self._told.lines())
        return lent

    def path(self, name: str) -> str:
        """A path in the test's folder, for jobs to leave marks in."""
        return str(self.folder / name)

    # --- the process ---------------------------------------------------------------------------

    def start(
        self,
        *,
        ready: bool = True,
        env: dict[str, str] | None = None,
        constants: dict[str, float] | None = None,
        within: Sequence[str] = (),
        python: Sequence[str] = (),
    ) -> None:
        """Start the service; waits until it is ready to serve.

        One like all others comes from the nursery, unless it is to be ``fresh``.
        ``constants``: module.NAME of the package -> another value, for what takes half a minute.
        ``within``: a command that runs the one after it.
        """
        seen = len(self.lines())
        command = ["-m", "horus_supervisor.supervisor.main"]
        if constants:
            command = ["-c", _with(constants)]
        with self.log.open("ab") as out, self._error.open("ab") as err:
            if ready and not (self.fresh or env or constants or within or python):
                options = ["-c", str(self.config)]
                self._process = nursery().fork(options, self.folder, out, err)
            else:
                self._process = subprocess.Popen(
                    [*within, *(python or (sys.executable,)), *command, "-c", str(self.config)],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    cwd=self.folder,
                    start_new_session=True,
                    env={**os.environ, **(env or {})},
                )
        if ready:
            self.wait_for("supervisor.ready", after=seen)

    @property
    def pid(self) -> int:
        """The supervisor's pid."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        """Signal the supervisor; where it has ended, nobody."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, within_s: float = 45) -> int:
        """Wait for the supervisor's end; its exit status."""
        assert self._process is not None
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"the supervisor did not end in {within_s} s\n{self.tail()}"
            ) from None

    def stop(self, within_s: float = 45) -> int:
        """Stop in order; the exit status."""
        if self._process is None:
            return 0
        if (status := self._process.poll()) is not None:
            return status
        self.signal(signal.SIGTERM)
        return self.wait(within_s)

    def kill(self) -> None:
        """Kill the supervisor without warning."""
        self.signal(signal.SIGKILL)
        self.wait()

    # --- what it says --------------------------------------------------------------------------

    def lines(self) -> list[Line]:
        """All whole lines of the log; fails on one that is no JSON object."""
        return self._told.lines()[self._first :]

    def events(self, event: str, **fields: Any) -> list[Line]:
        """The lines of an event with these fields."""
        return [
            line
            for line in self.lines()
            if line["event"] == event and all(line.get(k) == v for k, v in fields.items())
        ]

    def wait_for(
        self, event: str, *, within_s: float = 45, after: int = 0, count: int = 1, **fields: Any
    ) -> Line:
        """Wait for an event with these fields; its ``count``-th line after line ``after``."""
        found: list[Line] = []
        seen = self._first + after

        def there() -> bool:
            nonlocal seen
            lines = self._told.lines()
            found.extend(
                line
                for line in lines[seen:]
                if line["event"] == event and all(line.get(k) == v for k, v in fields.items())
            )
            seen = max(seen, len(lines))
            return len(found) >= count

        wait_until(there, f"{event} {fields} in the log", within_s, on_failure=self.tail)
        return found[count - 1]

    def begun(self, job_id: str, mark: str) -> Line:
        """Wait until a job is in ``execute``, where it leaves a mark; its ``job.started``.

        That line comes before: whoever is killed right behind it had not begun.
        """
        started = self.wait_for("job.started", job_id=job_id)
        wait_until(lambda: marks(mark) != [], f"a mark in {mark}", on_failure=self.tail)
        return started

    def runner_pids(self) -> list[int]:
        """The pids of runners that live by the log."""
        born = [line["pid"] for line in self.events("runner.started")]
        gone = [line["pid"] for line in self.events("runner.exited")]
        gone += [line["pid"] for line in self.events("runner.crashed")]
        return [pid for pid in born if pid not in gone]

    def program(self, name: str) -> int:
        """The pid of a program; for a moment, what it forks may bear its name too."""
        found: list[int] = []

        def there() -> bool:
            found[:] = children(self.pid, name)
            return len(found) == 1

        wait_until(there, f"one {name}")
        return found[0]

    @contextlib.contextmanager
    def scoreboard(self) -> Iterator[Scoreboard]:
        """Look at the service's own."""
        held = processes.held(self.pid).items()
        fd = next(fd for fd, name in held if "horus-scoreboard" in name)
        board = Scoreboard(os.open(fd, os.O_RDWR))
        try:
            yield board
        finally:
            board.close()
            os.close(board.fd)

    def until_idle(self, pid: int) -> None:
        """Wait until a runner has its place, and nothing to do."""
        with self.scoreboard() as board:

            def idle() -> bool:
                rows = map(board.read, range(len(self.events("runner.started"))))
                return any(row.pid == pid and row.phase is Phase.IDLE for row in rows)

            wait_until(idle, f"runner {pid} is idle", on_failure=self.tail)

    def spool(self) -> list[str]:
        """List what lies in the spool."""
        return sorted(path.name for path in (self.folder / "state" / "spool").glob("*"))

    def tail(self) -> str:
        """The end of the log and of standard error, for a failure's message."""
        err = self._error.read_text()[-2000:] if self._error.exists() else ""
        log = self.log.read_text()[-6000:] if self.log.exists() else ""
        return f"--- log ---\n{log}\n--- stderr ---\n{err}"


def _with(constants: dict[str, float]) -> str:
    """Write a program that is the supervisor, but for some constants."""
    lines = ["import importlib, sys"]
    for place, value in constants.items():
        module, _, name = place.rpartition(".")
        lines.append(f"importlib.import_module('horus_supervisor.{module}').{name} = {value}")
    return "\n".join(
        [*lines, "from horus_supervisor.supervisor.main import main", "sys.exit(main())"]
    )


def alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    return processes.state(pid) not in ("", "Z", "X")


def children(pid: int, name: str) -> list[int]:
    """The children of a process that bear this name."""
    return [child for child in processes.offspring(pid) if processes.name(child) == name]
