"""The programs beside the runners: templates, keeper, and the embedded Redis's guard.

Each is started, listened to and let go of here; when it is started again, ``service`` says.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from horus_supervisor import linux, messages
from horus_supervisor.events import Event
from horus_supervisor.supervisor import children
from horus_supervisor.supervisor.credit import Credit
from horus_supervisor.supervisor.keeper import Keeper
from horus_supervisor.supervisor.program import Program, Ways

SLOW_IMPORT_S = 5.0

_MESSAGE_MAX = 1 << 18
"""Bytes of a message of the template: the names of all job classes are in one."""


@dataclass(slots=True, kw_only=True, eq=False)
class Template(Program):
    """One generation's template. What it is to import stays; a process of it may follow another."""

    generation: int
    boot: messages.Boot
    name: str = "template"
    module: str = "horus_supervisor.template"
    credit: Credit = field(default_factory=lambda: Credit(2))
    control: socket.socket | None = None
    hears: Callable[[], None] | None = None
    importing_since: float | None = None  # until it is done, or told to be slow
    why: tuple[str, str] | None = None  # reason and stack, as its import that failed told them
    failures: int = 0  # imports in a row that failed
    told: str = ""  # for this reason; its stack was told then
    ready: bool = False  # its code is imported: it can fork
    app_version: str | None = None
    code: str = ""
    jobs: list[str] | None = None

    def begin(self, fds: list[int], hear: Callable[[Any], None]) -> None:
        """Start it and ask it to import its code; ``fds``: scoreboard, lock. Raises ``OSError``."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs, contextlib.ExitStack() as undo:
            undo.enter_context(ours)
            self.fork([theirs.fileno(), *fds])
            undo.pop_all()
        self.control = ours
        self.importing_since = time.monotonic()
        self.hears = lambda: self._hear(ours, hear)
        self.ways.inbox.watch(ours.fileno(), self.hears, soon=False)
        try:
            _send(ours, self.boot, [])
        except BrokenPipeError:
            pass  # it has ended already
        except OSError as error:  # for want of memory: it would wait for these words for ever
            text = f"a template can't be told what to import: {error}"
            self.ways.log.error(Event.SUPERVISOR_STARVED, error=text)
            children.send_signal(self.pid or 0, signal.SIGKILL)

    def _hear(self, sock: socket.socket, hear: Callable[[Any], None]) -> None:
        while True:
            try:
                data = sock.recv(_MESSAGE_MAX)
            except BlockingIOError:
                return
            except ConnectionResetError:  # it left words of ours unread; its own come after
                continue
            if not data:  # its end is told by the kernel, when it is reaped
                break
            self.importing_since = None
            hear(messages.from_template.decode(data))
        self.ways.inbox.forget(sock.fileno())

    def look(self, now: float) -> None:
        """Say once that it imports for long: until it is done it forks no runner."""
        since = self.importing_since
        if since is not None and now - since >= SLOW_IMPORT_S:
            self.importing_since = None
            modules = ", ".join(self.boot.imports)
            self.ways.log.warning(Event.TEMPLATE_SLOW, modules=modules, waited_s=SLOW_IMPORT_S)

    def ask(self, spec: messages.Spawn, fds: list[int]) -> bool:
        """Ask for a runner, with its descriptors; False where it is not there or has no room."""
        if not self.ready or self.control is None:
            return False
        try:
            _send(self.control, spec, fds)
        except OSError:
            return False
        return True

    def let_go(self) -> list[str]:
        """Hear what it said last, on its socket too; give the last lines that it wrote."""
        tail = Program.let_go(self)  # ``super`` knows no class with slots
        if self.control and self.hears:
            self.hears()
            self.ways.inbox.forget(self.control.fileno())
            self.control.close()
            self.control = self.hears = self.importing_since = None
        return tail


def _send(sock: socket.socket, message: messages.ToTemplate, fds: list[int]) -> None:
    words = messages.encode(message)
    if len(words) <= messages.REQUEST_MAX:
        socket.send_fds(sock, [words], fds)
        return
    memory_fd = linux.memory_file("horus-request")
    try:
        os.write(memory_fd, words)
        socket.send_fds(sock, [b"\n"], [*fds, memory_fd])
    finally:
        os.close(memory_fd)


class Programs:
    """Templates, keeper and guard, as far as starting and ending them goes."""

    def __init__(self, ways: Ways) -> None:
        self.ways = ways
        self.templates: list[Template] = []
        self.keeper = Keeper(ways=ways)
        self.guard = Program("embedded redis", "horus_supervisor.guard", Credit(2), ways)

    def all(self) -> list[Program]:
        """Give all of them, those too that do not run."""
        return [*self.templates, self.keeper, self.guard]

    def by_pid(self, pid: int) -> Program | None:
        """Find the program whose process that is."""
        return next((program for program in self.all() if program.pid == pid), None)

    def start_guard(self, folder: str, fds: list[int]) -> None:
        """Start the embedded Redis under its guard; ``fds``: lifeline, lock, the folder's lock."""
        start, module = children.start_program, self.guard.module
        self.guard.start(lambda out: start(module, (os.getpid(), folder), fds, out))
