"""A service as systemd would run it: started again whenever it ends, its log read by another.

What an operator may change of it lies in a folder: the file, the job code, the disk of its state.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import signal
import subprocess
import time
import uuid
from pathlib import Path

from horus_supervisor import embedded
from tests.soak.apps import jobs
from tests.support import processes
from tests.support.service import ROOT, Process, Service

RESTART_S = 0.2
CLONE_NEWNS = 0x20000
"""unshare(2); ``os.unshare`` needs Python 3.12."""

GROUPS = """
[defaults]
hold_after = 4
kill_after = "500ms"
crash_delay = "200ms"
hard_memory = "96MiB"
nice = {nice}

[groups.most]
queues = ["work", "deaths"]
runners = {most}

[groups.risky]
queues = ["deaths", "poison"]
runners = {risky}

[groups.few]
queues = ["work"]
runners = 1
max_jobs = 200
"""

SETTINGS = 'shutdown_timeout = "2s"\nlease = "20s"\nimport_timeout = "10s"'

BROKEN_CODE = (
    "this is = no Python",
    "raise RuntimeError('no import today')",
    "import os\nos._exit(3)",
    "import time\ntime.sleep(60)",
    "from horus_supervisor import on_runner_start\n@on_runner_start\ndef no() -> None:\n    1 / 0",
)
BROKEN_FILES = ("this is = not [ TOML", "[queues]\nq = -1\n", "")


class Unit:
    """The service, its embedded Redis and the reader of its log. Owns all these processes."""

    def __init__(self, folder: Path, constants: dict[str, float] | None = None) -> None:
        self.folder = folder
        self._constants = constants
        self.redis_folder = folder / "redis"
        self.service = Service(folder, f"embedded:{self.redis_folder}", "soak")
        self.tag = f"HORUS_SOAK={uuid.uuid4().hex}"
        self.ends: list[int] = []
        self.runners = 0
        self.good_file = False
        self._process: Process | None = None
        self._again_at = 0.0
        self._versions = 0
        self._disk = folder / "state"
        self.has_own_disk = self._mount()
        self._path = self._keep_all(folder / "bin")
        self.logs: list[Path] = []
        self._readers: list[subprocess.Popen[bytes]] = []

    @property
    def reader(self) -> subprocess.Popen[bytes]:
        """The process that reads what the service says now."""
        return self._readers[-1]

    def _read(self) -> list[str]:
        """Have another process read what a service says; a command that runs one so.

        Each has a pipe of its own, as a manager gives it: the last line of one that is killed may
        be half of one.
        """
        number = len(self.logs)
        pipe = self.folder / f"pipe{number}"
        os.mkfifo(pipe)
        self.logs.append(self.folder / f"lines{number}")
        with self.logs[-1].open("wb") as file:
            self._readers.append(subprocess.Popen(["cat", str(pipe)], stdout=file))
        return ["sh", "-c", f'exec "$0" "$@" > \'{pipe}\'']

    @property
    def url(self) -> str:
        """Where its Redis is, for clients of another folder."""
        return f"unix://{embedded.socket_path(self.redis_folder)}"

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return self.service.pid

    @property
    def runs(self) -> bool:
        """Whether it did not end, as far as was seen."""
        return self._process is not None

    def signal(self, number: int) -> None:
        """Signal the supervisor; nobody where it has ended."""
        self.service.signal(number)

    def look(self) -> None:
        """Start it where it does not run. Its exit status is kept."""
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                return
            self.ends.append(status)
            self._process, self._again_at = None, time.monotonic() + RESTART_S
        if time.monotonic() >= self._again_at:
            name, _, value = self.tag.partition("=")
            self.service.start(
                ready=False,
                env={name: value, "PATH": self._path},
                constants=self._constants,
                within=self._read(),
            )
            self._process = self.service._process

    def stop(self) -> int:
        """Stop it in order; its exit status."""
        return self.service.stop(within_s=30)

    def close(self) -> None:
        """End everything, however it is."""
        for reader in self._readers:
            reader.send_signal(signal.SIGCONT)
        for pid in processes.tagged(self.tag):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        with contextlib.suppress(AssertionError):
            self.stop()
        for pid in processes.tagged(self.tag):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for reader in self._readers:
            reader.kill()
            reader.wait()
        if self.has_own_disk:
            subprocess.run(["umount", "--lazy", str(self._disk)], check=False)

    # --- what an operator changes --------------------------------------------------------------

    def write(self, most: int = 4, risky: int = 3, nice: int = 0) -> None:
        """Write a good file."""
        self.runners = most + risky + 1
        groups = GROUPS.format(most=most, risky=risky, nice=nice)
        path = f'{self.folder}", "{ROOT}'
        self.service.write(
            groups, supervisor=SETTINGS, log='level = "info"', imports="soaked", path=path
        )
        self.good_file = True

    def spoil(self, text: str) -> None:
        """Put mistakes into the file."""
        self.good_file = False
        self.service.config.write_text(text and self.service.config.read_text() + text)

    def code(self, *, poisoned: bool = True, broken: str = "") -> str:
        """Write the job code; its version. Of another size each time: Python looks at that."""
        self._versions += 1
        text = jobs.text().replace("POISONED = True", f"POISONED = {poisoned}")
        text += f"\n__version__ = '{self._versions}'\n{broken}\n" + "#" * self._versions
        (self.folder / "soaked.py").write_text(text)
        return str(self._versions)

    def _keep_all(self, folder: Path) -> str:
        """Have a server that is killed lose nothing; gives the search path that finds it.

        By ``everysec`` it puts a write off while the disk is busy, and has answered by then.
        """
        folder.mkdir()
        server = folder / "redis-server"
        real = shlex.quote(str(embedded.find_server()))
        server.write_text(f'#!/bin/sh\nexec {real} "$@" --appendfsync always\n')
        server.chmod(0o755)
        return f"{folder}{os.pathsep}{os.environ['PATH']}"

    def _mount(self) -> bool:
        """Give its state a small disk of its own, where we may.

        Mounts of this process and its children are their own: a disk ends with the last of them,
        however that ends.
        """
        self._disk.mkdir()
        if ctypes.CDLL(None).unshare(CLONE_NEWNS) != 0:
            return False
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "horus-soak", str(self._disk)]
        return subprocess.run(mount, check=False, capture_output=True).returncode == 0

    def fill_disk(self) -> None:
        """Leave no room on the disk of its state."""
        with contextlib.suppress(OSError), (self._disk / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)

    def empty_disk(self) -> None:
        """Make room again."""
        (self._disk / "filler").unlink(missing_ok=True)
