"""From a forked process to a runner: whose child it is, its descriptors, its signals.

Runs once, right after the fork, with every signal blocked until the handlers are its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

# the C functions behind ``signal``'s, which make an enum of every number
from _signal import pthread_sigmask as _sigmask  # type: ignore[import-not-found]
from _signal import signal as _signal
from pathlib import Path

import msgspec

from horus_supervisor import linux
from horus_supervisor.address import Address
from horus_supervisor.events import Event
from horus_supervisor.job import hooks
from horus_supervisor.messages import Boot, Spawn
from horus_supervisor.runner import settings
from horus_supervisor.runner.household import watch_for_faults
from horus_supervisor.runner.main import Runner
from horus_supervisor.runner.offspring import Handlers, Offspring
from horus_supervisor.runner.voice import Voice
from horus_supervisor.scoreboard import Control, Scoreboard, SlotWriter
from horus_supervisor.store.wire import Wire

WIRE_TIMEOUT_S = 5.0

_IGNORED = (int(signal.SIGTTOU), int(signal.SIGTTIN), int(signal.SIGINT))
"""A terminal's: the supervisor hears them. Programs of a job ignore the first two too: whoever
touches a terminal from here would be stopped for good."""

_NOT_OURS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ)

_DEFAULT = tuple(map(int, signal.valid_signals() - {*_NOT_OURS, *_IGNORED}))
_SIGTERM, _SIGINT, _SIG_SETMASK = map(int, (signal.SIGTERM, signal.SIGINT, signal.SIG_SETMASK))
_SIG_DFL, _SIG_IGN = int(signal.SIG_DFL), int(signal.SIG_IGN)


class Common(msgspec.Struct, frozen=True):
    """What all runners of a template have in common: made before the fork, it lies in shared pages.

    ``lock_fd`` is let go of by what a job forks.
    """

    boot: Boot
    address: Address
    spool: Path
    board: Scoreboard
    lock_fd: int


def become_runner(common: Common, spec: Spawn, fds: list[int], *, middle: int) -> int:
    """Serve as a runner until told to leave; returns the exit status.

    ``fds``: log pipe, output pipe, memory file for stacks. ``middle``: the process that forked us.
    """
    os.setpgid(0, 0)
    if not _adopted(middle, common.boot.supervisor_pid):
        return 0
    runner, offspring = equip(common, spec, fds)
    offspring.expect()
    hooks.start()  # not ``opened``: a generator around a life is 18 pages more of each runner
    status = runner.run()
    hooks.stop()
    return status


def equip(common: Common, spec: Spawn, fds: list[int]) -> tuple[Runner, Offspring]:
    """Make a runner, and give this process all that one has: descriptors, settings, signals."""
    log_fd, output_fd, stacks_fd = fds
    _take_descriptors(output_fd)
    watch_for_faults(stacks_fd)
    refused = settings.apply(spec)
    linux.name_process(f"horus {spec.runner}")
    slot = SlotWriter(common.board, spec.slot)
    slot.born(os.getpid())
    name = f"horus:{spec.identity.supervisor}:{spec.slot}.{spec.incarnation}"
    wire = Wire(common.address, timeout_s=WIRE_TIMEOUT_S, name=name)
    voice = Voice(log_fd, spec.identity, spec.runner, spec.group.name)
    for setting, error in refused:
        voice.direct.warning(Event.RUNNER_UNLIMITED, setting=setting, error=str(error))
    runner = Runner(
        spec,
        common.boot.namespace,
        wire,
        slot,
        voice,
        spool=common.spool,
        max_payload_bytes=common.boot.max_payload_bytes,
        stacks_fd=stacks_fd,
    )
    ours = _take_signals(runner, wire, slot, spec.group.kill_after_s / 2)
    return runner, Offspring(wire, voice, (common.lock_fd, stacks_fd), ours)


def _adopted(middle: int, supervisor: int) -> bool:
    """Wait until the middle process has ended; False where the supervisor has too.

    In this order: a death signal set before the middle process ends would kill us, and waiting
    "until it is the supervisor" would spin for ever below another subreaper.
    """
    wait_s = 0.0002
    while os.getppid() == middle:  # as long as it forks others too
        time.sleep(wait_s)
        wait_s *= 1.25
    linux.die_with_parent()
    return os.getppid() == supervisor


def _take_descriptors(output_fd: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for source, fd in ((null, 0), (output_fd, 1), (output_fd, 2)):
        os.dup2(source, fd, inheritable=True)
    os.close(null)
    os.close(output_fd)


def reset_signals() -> None:
    """Undo what the imports installed. For the template: once, instead of in each runner."""
    for number in _DEFAULT:
        with contextlib.suppress(OSError, ValueError):  # the C library keeps some for itself
            _signal(number, _SIG_DFL)
    for number in _IGNORED:
        _signal(number, _SIG_IGN)


def _take_signals(runner: Runner, wire: Wire, slot: SlotWriter, patience_s: float) -> Handlers:
    """Hear the supervisor; what Redis does not answer must be on disk before it kills us."""

    def wake(*_: object) -> None:
        if slot.wanted != Control.RUN:
            wire.hurry(patience_s)
        runner.guard.look()  # may raise into the job

    def leave(*_: object) -> None:
        wire.hurry(patience_s)
        runner.ask_to_leave()

    def ignore(*_: object) -> None:
        """Not SIG_IGN, which programs of a job would inherit."""

    handlers: Handlers = {linux.WAKE_SIGNAL: wake, _SIGTERM: leave, _SIGINT: ignore}
    for number, handler in handlers.items():
        _signal(number, handler)
    _sigmask(_SIG_SETMASK, ())
    return handlers
