"""From a forked process to a runner: whose child it is, its descriptors, its signals.

Runs once, right after the fork, with every signal blocked until the handlers are its own.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import time
from pathlib import Path

from horus_supervisor import linux
from horus_supervisor.address import parse_url
from horus_supervisor.messages import Boot, Spawn
from horus_supervisor.runner.main import Runner
from horus_supervisor.runner.voice import Voice
from horus_supervisor.scoreboard import Scoreboard, SlotWriter
from horus_supervisor.store.wire import Wire

WIRE_TIMEOUT_S = 5.0

_NOT_OURS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ)
_IGNORED = (
    signal.SIGTTOU,
    signal.SIGTTIN,
    signal.SIGINT,
)  # a terminal's: the supervisor hears them


def become_runner(
    boot: Boot, spec: Spawn, fds: list[int], board: Scoreboard, lock_fd: int, *, middle: int
) -> int:
    """Serve as a runner until told to leave; returns the exit status.

    ``fds``: log pipe, output pipe, memory file for stacks. ``middle``: the process that forked us.
    """
    log_fd, output_fd, stacks_fd = fds
    os.setpgid(0, 0)
    if not _adopted(middle, boot.supervisor_pid):
        return 0
    _take_descriptors(output_fd)
    _reset_signals(stacks_fd)
    linux.name_process(f"horus {spec.runner}")
    slot = SlotWriter(board, spec.slot)
    slot.born(os.getpid())
    name = f"horus:{spec.identity.supervisor}:{spec.slot}.{spec.incarnation}"
    wire = Wire(parse_url(boot.redis_url), timeout_s=WIRE_TIMEOUT_S, name=name)
    runner = Runner(
        spec,
        boot.namespace,
        wire,
        slot,
        Voice(log_fd, spec.identity, spec.runner, spec.group),
        spool=Path(boot.spool),
        max_payload_bytes=boot.max_payload_bytes,
    )
    _take_signals(runner)
    os.register_at_fork(after_in_child=lambda: _let_go(wire, (log_fd, lock_fd)))
    return runner.run()


def _adopted(middle: int, supervisor: int) -> bool:
    """Wait until the middle process has ended; False where the supervisor has too.

    In this order: a death signal set before the middle process ends would kill us, and waiting
    "until it is the supervisor" would spin for ever below another subreaper.
    """
    while os.getppid() == middle:
        time.sleep(0.0002)
    linux.die_with_parent()
    return os.getppid() == supervisor


def _take_descriptors(output_fd: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for source, fd in ((null, 0), (output_fd, 1), (output_fd, 2)):
        os.dup2(source, fd, inheritable=True)
    os.close(null)
    os.close(output_fd)


def _reset_signals(stacks_fd: int) -> None:
    """Undo what the imports installed; then have the stacks of a fatal signal written."""
    for number in signal.valid_signals() - {*_NOT_OURS, *_IGNORED}:
        with contextlib.suppress(OSError, ValueError):  # the C library keeps some for itself
            signal.signal(number, signal.SIG_DFL)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    faulthandler.enable(stacks_fd)
    faulthandler.register(linux.DUMP_SIGNAL, stacks_fd, all_threads=True, chain=False)


def _take_signals(runner: Runner) -> None:
    signal.signal(linux.WAKE_SIGNAL, lambda *_: runner.guard.look())
    signal.signal(signal.SIGTERM, runner.ask_to_leave)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _let_go(wire: Wire, fds: tuple[int, ...]) -> None:
    """In a child that job code forked: let go of what is the runner's alone."""
    wire.close()
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
    signal.set_wakeup_fd(-1)
    faulthandler.unregister(linux.DUMP_SIGNAL)
    linux.name_process("horus job child")
