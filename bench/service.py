"""A Redis and a service of the benchmark's own, and the pipes by which jobs tell what they saw.

Whoever starts a process here ends it, by its pid, when its ``with`` block ends, however that ends.
Every wait has an end.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import redis

from horus_supervisor import Client
from horus_supervisor.scoreboard import Scoreboard
from horus_supervisor.store import operations

ROOT = Path(__file__).resolve().parents[1]
REDIS_SETTINGS = ("--save", "''", "--appendonly", "no")
PATIENCE_S = 30.0

_count = itertools.count(1)


class Stuck(Exception):
    """Something that was waited for did not come; the text says what."""


def wait_until(condition: Callable[[], object], what: str, within_s: float = PATIENCE_S) -> None:
    """Look every few milliseconds until ``condition`` holds. Raises: ``Stuck``."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise Stuck(f"waited {within_s:g} s in vain for {what}")
        time.sleep(0.005)


def redis_version() -> str:
    """Tell the version of the server that is measured with."""
    words = subprocess.run(
        ["redis-server", "--version"], capture_output=True, text=True, check=True
    )
    return "Redis " + words.stdout.partition("v=")[2].split()[0]


def start(command: list[str], log: Path, core: int | None = None) -> subprocess.Popen[bytes]:
    """Start a process whose output is appended to ``log``; on one core, where one is named.

    It may keep what it compiles, as an installed package does.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    pin = None if core is None else functools.partial(os.sched_setaffinity, 0, {core})
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment,
            preexec_fn=pin,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process in order; by force where that takes too long. Safe to repeat."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


class Fifo:
    """A named pipe of the benchmark's, open at both ends so that no one ever waits to open it."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._lines: list[bytes] = []

    def read(self, what: str, within_s: float = PATIENCE_S) -> tuple[int, int]:
        """Wait for a job's next word: monotonic nanoseconds, and its runner's pid."""
        while not self._lines:
            if not select.select([self._fd], [], [], within_s)[0]:
                raise Stuck(f"waited {within_s:g} s in vain for {what}")
            self._lines = os.read(self._fd, 4096).splitlines()
        at_ns, pid = self._lines.pop(0).split()
        return int(at_ns), int(pid)

    def open_gate(self, count: int) -> None:
        """Let as many held runners go."""
        os.write(self._fd, b"x" * count)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)


class Bench:
    """A folder with a running Redis in it; it and its services run on ``core``, None: anywhere."""

    def __init__(self, folder: Path, core: int | None) -> None:
        self.folder = folder
        self.core = core
        self.socket = str(folder / "redis.sock")
        self.raw = redis.Redis(unix_socket_path=self.socket)
        self.told = Fifo(folder / "told")
        self.gate = Fifo(folder / "gate")

    @contextlib.contextmanager
    def service(
        self, imports: str = "bench.jobs", groups: str = "", **queues: int
    ) -> Iterator[Service]:
        """Run a service with these queues and numbers of runners; all of them idle at first.

        ``groups`` is more of the file: groups of one runner each.
        """
        service = Service(self, queues, imports, groups)
        try:
            service.start()
            yield service
        finally:
            service.stop()


@contextlib.contextmanager
def bench(core: int | None = None) -> Iterator[Bench]:
    """Start a Redis in a temporary folder; end it and remove the folder afterwards."""
    with TemporaryDirectory(prefix="horus-bench-") as name:
        here = Bench(Path(name), core)
        settings = [setting.strip("'") for setting in REDIS_SETTINGS]
        command = ["redis-server", "--port", "0", "--unixsocket", here.socket, "--dir", name]
        server = start([*command, *settings], here.folder / "redis.log", core)
        try:
            wait_until(lambda: os.path.exists(here.socket) and here.raw.ping(), "Redis")
            yield here
        finally:
            here.raw.close()
            here.told.close()
            here.gate.close()
            stop(server)


class Service:
    """``horus-supervisor`` in a folder and a namespace of its own. Owns the process."""

    def __init__(
        self, at: Bench, queues: dict[str, int], imports: str = "bench.jobs", groups: str = ""
    ) -> None:
        self.namespace = f"bench{next(_count)}"
        self.folder = at.folder / self.namespace
        self.folder.mkdir()
        self.log = self.folder / "log"
        self.client = Client(f"unix://{at.socket}", namespace=self.namespace)
        self.runners = sum(queues.values()) + groups.count("[groups.")
        self._core = at.core
        self._first = ""
        self._config = self.folder / "config.toml"
        self._config.write_text(_toml(at.socket, self.namespace, queues, imports) + groups)

    def launch(self) -> None:
        """Start the process, and return at once."""
        command = [
            sys.executable,
            "-m",
            "horus_supervisor.supervisor.main",
            "-c",
            str(self._config),
        ]
        self._process = start(command, self.log, self._core)

    def start(self) -> None:
        """Start the process, and return once every runner is a member in Redis and idle."""
        self.launch()
        wait_until(lambda: len(self._slots()) == self.runners, f"{self.runners} runners")
        time.sleep(0.2)  # for their first claims, and what else a start brings

    def _slots(self) -> dict[str, object]:
        if self._process.poll() is not None:
            raise Stuck(f"the service ended with {self._process.returncode}:\n{self.tail()}")
        return dict(self.client.connection.run(operations.overview(self.namespace)).slots)

    @property
    def pid(self) -> int:
        """The supervisor's pid."""
        return self._process.pid

    def processes(self) -> list[int]:
        """List the supervisor and all that descends from it."""
        children: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parent = int(stat.read_bytes().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(stat.parent.name))
        family = [self.pid]
        for pid in family:
            family += children.get(pid, [])
        return family

    @contextlib.contextmanager
    def scoreboard(self) -> Iterator[Scoreboard]:
        """Look at its own shared memory."""
        fds = Path(f"/proc/{self.pid}/fd").iterdir()
        fd = next(fd for fd in fds if "horus-scoreboard" in os.readlink(fd))
        board = Scoreboard(os.open(fd, os.O_RDWR))
        try:
            yield board
        finally:
            board.close()
            os.close(board.fd)

    def append(self, text: str) -> None:
        """Save the file as it was, and this at its end."""
        self._first = self._first or self._config.read_text()
        scratch = self._config.with_suffix(".new")
        scratch.write_text(self._first + text)
        scratch.replace(self._config)

    def runner_pids(self) -> list[int]:
        """List the runners that were started, by the log."""
        lines = map(json.loads, self.log.read_text().splitlines())
        return [line["pid"] for line in lines if line["event"] == "runner.started"]

    def tail(self) -> str:
        """Give the end of the log."""
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        """End it. Safe to repeat."""
        stop(self._process)
        self.client.close()


def _toml(socket: str, namespace: str, queues: dict[str, int], imports: str) -> str:
    lines = "\n".join(f"{queue} = {runners}" for queue, runners in queues.items())
    return f"""
[redis]
url = "unix://{socket}"
namespace = "{namespace}"

[supervisor]
imports = ["{imports}"]
path = ["{ROOT}"]
state_dir = "state"

[log]
level = "info"
format = "json"

[queues]
{lines}
"""
