"""The programs beside the runners: templates, keeper, and the embedded Redis's guard.

Starts each, listens to it, starts it again by the one policy. Owns their sockets and pipes.
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
from horus_supervisor.channel import Channel
from horus_supervisor.events import Event
from horus_supervisor.logs import Logger
from horus_supervisor.supervisor import children, fork
from horus_supervisor.supervisor.credit import Credit
from horus_supervisor.supervisor.inbox import Inbox
from horus_supervisor.supervisor.output import PIPE_BYTES, LinePipe, Outlet, OutputPipe, make_pipe
from horus_supervisor.supervisor.silence import Silence, patience_s

PROGRAM_TAIL_LINES = 100
"""So many of the last lines are kept: a hanging import's stack, with all that lies below it."""

KEEPER_GOODBYE_S = 4.0
GUARD_GOODBYE_S = 12.0

SLOW_IMPORT_S = 5.0

_MESSAGE_MAX = 1 << 18
"""Bytes of a message of the template: the names of all job classes are in one."""


@dataclass(slots=True)
class Program:
    """One program: what starts it, and the process that runs now, if any."""

    name: str
    module: str
    credit: Credit
    pid: int | None = None
    ready_at: float = 0.0
    dismissed: bool = False  # it ends because we want another
    output: OutputPipe | None = None
    lines: LinePipe | None = None

    @property
    def running(self) -> bool:
        """Whether its process lives (or was not reaped yet)."""
        return self.pid is not None


@dataclass(slots=True, kw_only=True, eq=False)
class Template(Program):
    """One generation's template. What it is to import stays; a process of it may follow another."""

    generation: int
    boot: messages.Boot
    name: str = "template"
    module: str = "horus_supervisor.template"
    credit: Credit = field(default_factory=lambda: Credit(2))
    socket: socket.socket | None = None
    hear: Callable[[], None] | None = None
    importing_since: float | None = None
    told_slow: bool = False
    why: tuple[str, str] | None = None  # reason and stack, as its import that failed told them
    failures: int = 0  # imports in a row that failed
    told: str = ""  # for this reason; its stack was told then
    ready: bool = False  # its code is imported: it can fork
    app_version: str | None = None
    code: str = ""
    jobs: list[str] | None = None

    def ask(self, spec: messages.Spawn, fds: list[int]) -> bool:
        """Ask for a runner, with its descriptors; False where it is not there or has no room."""
        if not self.ready or self.socket is None:
            return False
        words = messages.encode(spec)
        try:
            if len(words) <= messages.REQUEST_MAX:
                socket.send_fds(self.socket, [words], fds)
            else:
                _send_long(self.socket, words, fds)
        except OSError:
            return False
        return True


def _send_long(sock: socket.socket, words: bytes, fds: list[int]) -> None:
    memory_fd = linux.memory_file("horus-request")
    try:
        os.write(memory_fd, words)
        socket.send_fds(sock, [b"\n"], [*fds, memory_fd])
    finally:
        os.close(memory_fd)


class Programs:
    """Templates, keeper and guard, as far as starting and ending them goes."""

    def __init__(self, inbox: Inbox, outlet: Outlet, log: Logger) -> None:
        self._inbox = inbox
        self._outlet = outlet
        self.log = log
        self.templates: list[Template] = []
        self.keeper = Program("keeper", "horus_supervisor.keeper.main", Credit(2))
        self.guard = Program("embedded redis", "horus_supervisor.guard", Credit(2))
        self.channel: Channel[messages.FromKeeper] | None = None
        self._hears_keeper: Callable[[], None] | None = None
        self._silence, self._patience_s = Silence(), 0.0

    def all(self) -> list[Program]:
        """Give all of them, those too that do not run."""
        return [*self.templates, self.keeper, self.guard]

    def by_pid(self, pid: int) -> Program | None:
        """Find the program whose process that is."""
        return next((program for program in self.all() if program.pid == pid), None)

    def start_template(
        self,
        template: Template,
        board_fd: int,
        lock_fd: int,
        hear: Callable[[Template, Any], None],
    ) -> None:
        """Start a template and ask it to import its code. Raises ``OSError``."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs, contextlib.ExitStack() as undo:
            undo.enter_context(ours)
            self._fork(template, [theirs.fileno(), board_fd, lock_fd])
            undo.pop_all()
        template.socket = ours
        template.importing_since, template.told_slow = time.monotonic(), False
        template.hear = lambda: self._hear_template(template, ours, hear)
        self._inbox.watch(ours.fileno(), template.hear, soon=False)
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            ours.send(messages.encode(template.boot))

    def _hear_template(
        self, template: Template, sock: socket.socket, hear: Callable[[Template, Any], None]
    ) -> None:
        while True:
            try:
                data = sock.recv(_MESSAGE_MAX)
            except BlockingIOError:
                return
            except ConnectionResetError:  # it left words of ours unread; its own come after
                continue
            if not data:  # its end is told by the kernel, when it is reaped
                break
            template.importing_since = None
            hear(template, messages.from_template.decode(data))
        self._inbox.forget(sock.fileno())

    def look_at_imports(self, now: float) -> None:
        """Say once of a template that it imports for long: until it is done it forks no runner."""
        for template in self.templates:
            since = template.importing_since
            if since and not template.told_slow and now - since >= SLOW_IMPORT_S:
                template.told_slow = True
                modules = ", ".join(template.boot.imports)
                self.log.warning(Event.TEMPLATE_SLOW, modules=modules, waited_s=SLOW_IMPORT_S)

    def start_keeper(
        self, boot: messages.KeeperBoot, fds: list[int], hear: Callable[[Any], None]
    ) -> None:
        """Start a keeper; ``fds``: scoreboard, lock, the guard's lifeline (or none)."""
        ours, theirs = socket.socketpair()
        board_fd, *held = fds
        with theirs, contextlib.ExitStack() as undo:
            undo.enter_context(ours)
            log_r, log_w = make_pipe(PIPE_BYTES)
            undo.callback(os.close, log_r)
            try:
                output = self._fork(self.keeper, [theirs.fileno(), board_fd, log_w, *held])
            finally:
                os.close(log_w)
            undo.pop_all()
        lines = LinePipe(log_r, self._outlet, output.say)
        self.keeper.lines = lines
        self._inbox.watch_pipe(lines)
        channel: Channel[messages.FromKeeper] = Channel(ours, messages.from_keeper)
        self.channel = channel
        self._silence, self._patience_s = Silence(), patience_s(boot.lease_s)
        self._hears_keeper = lambda: self._hear_keeper(channel, hear)
        self.tell_keeper(boot)

    def _hear_keeper(
        self, channel: Channel[messages.FromKeeper], hear: Callable[[Any], None]
    ) -> None:
        channel.flush()
        for message in channel.receive():
            hear(message)
        if channel.closed:
            self._inbox.forget(channel.fileno())
        else:
            self._watch_keeper(channel)

    def _watch_keeper(self, channel: Channel[messages.FromKeeper]) -> None:
        """Listen to the keeper, and for room as long as something waits to be sent."""
        assert self._hears_keeper is not None
        self._inbox.watch(channel.fileno(), self._hears_keeper, write=channel.writing)

    def look_at_keeper(self, ticks: int, now: float) -> None:
        """Kill a keeper that makes no sign of life; ``ticks``: how many there were so far.

        Else nobody renews the lease, and another host gives our jobs away.
        """
        if not self.keeper.pid:
            return
        silent_s = self._silence.look(ticks, now)
        if silent_s >= self._patience_s:
            self._silence = Silence()
            about = {"child": self.keeper.name, "pid": self.keeper.pid}
            self.log.error(Event.CHILD_STUCK, silent_s=round(silent_s, 1), **about)
            children.send_signal(self.keeper.pid, signal.SIGKILL)

    def start_guard(self, folder: str, fds: list[int]) -> None:
        """Start the embedded Redis under its guard; ``fds``: lifeline, lock, the folder's lock."""
        start, module = children.start_program, self.guard.module
        self._start(self.guard, lambda out: start(module, (folder,), fds, out))

    def _fork(self, program: Program, fds: list[int]) -> OutputPipe:
        """Start a program by a fork: it is some MB smaller so, and there at once."""
        return self._start(program, lambda out: fork.fork_program(program.module, fds, out))

    def _start(self, program: Program, start: Callable[[int], int]) -> OutputPipe:
        """Start a program, given the descriptor of what it writes."""
        out_r, out_w = make_pipe()
        try:
            program.pid = start(out_w)
        except OSError:
            os.close(out_r)
            raise
        finally:
            os.close(out_w)
        about = {"child": program.name, "pid": program.pid}
        program.output = output = OutputPipe(
            out_r, self._outlet, self.log, lambda: about, PROGRAM_TAIL_LINES
        )
        self._inbox.watch_pipe(output)
        return output

    @property
    def keeper_lags(self) -> bool:
        """Whether the keeper has yet to read what it was told before."""
        return self.channel is not None and self.channel.writing

    def tell_keeper(self, message: messages.ToKeeper) -> None:
        """Send the keeper a message, if there is one."""
        if self.channel and not self.channel.closed:
            self.channel.send(message)
            self._watch_keeper(self.channel)

    def ended(self, program: Program) -> list[str]:
        """Hear what a program said last, let go of it; give the last lines that it wrote."""
        program.pid = None
        for pipe in (program.lines, program.output):
            if pipe:
                pipe.drain(last=True)
                self._inbox.forget(pipe.fd)
                pipe.close()
        tail = list(program.output.tail) if program.output else []
        program.lines = program.output = None
        if isinstance(program, Template) and program.socket and program.hear:
            program.hear()
            self._inbox.forget(program.socket.fileno())
            program.socket.close()
            program.socket = program.hear = program.importing_since = None
        if program is self.keeper and self.channel and self._hears_keeper:
            self._hears_keeper()
            self._inbox.forget(self.channel.fileno())
            self.channel.close()
            self.channel = None
        return tail

    def say_goodbye(self, since_s: float) -> None:
        """All runners are gone: the keeper hands in the rest, everyone leaves, Redis last.

        Called again and again; ``since_s``: seconds since the first time.
        """
        if not since_s:
            self.tell_keeper(messages.Close())
            for template in self.templates:
                template.dismissed = True
                if template.pid:
                    children.send_signal(template.pid, signal.SIGKILL)  # it holds nothing
        if self.keeper.pid and since_s > KEEPER_GOODBYE_S:
            children.send_signal(self.keeper.pid, signal.SIGKILL)
        if self.guard.pid and not self.keeper.running:
            late = since_s > GUARD_GOODBYE_S
            children.send_signal(self.guard.pid, signal.SIGKILL if late else signal.SIGTERM)
