"""The template: imports the job code once, and forks runners when the supervisor asks.

Started by exec, so that threads of an import never survive into the parent's forks. Never talks
to Redis, never runs a job. Each runner is forked twice: the middle process ends at once, the
supervisor, a subreaper, adopts the runner and gets its exit status from the kernel. A dead template
harms no runner.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

from horus_supervisor import linux, messages
from horus_supervisor.address import parse_url
from horus_supervisor.job import codec, definition
from horus_supervisor.messages import (
    Boot,
    Leave,
    Spawn,
    Spawned,
    SpawnFailed,
    TemplateFailed,
    TemplateReady,
)
from horus_supervisor.runner import main as runner_main
from horus_supervisor.runner.voice import Voice
from horus_supervisor.scoreboard import Scoreboard, SlotWriter
from horus_supervisor.store.wire import Wire

_MIDDLE_S = 5.0
"""Seconds for a middle process to fork; an at-fork hook of job code may hang there."""

_MESSAGE_MAX = 1 << 16


def main(control_fd: int, board_fd: int, lock_fd: int) -> None:
    """Serve fork requests on a SEQPACKET socket until it closes."""
    linux.name_process("horus-template")
    control = socket.socket(fileno=control_fd)
    boot = messages.to_template.decode(control.recv(_MESSAGE_MAX))
    assert isinstance(boot, Boot)
    linux.die_with_parent()
    if os.getppid() != boot.supervisor_pid:
        os._exit(0)
    try:
        ready = import_jobs(boot)
    except BaseException:
        text = traceback.format_exc()
        control.send(messages.encode(TemplateFailed(error=text[-8000:])))
        os._exit(1)
    control.send(messages.encode(ready))
    board = Scoreboard(board_fd)
    gc.collect()
    gc.freeze()  # a collection in a runner must not touch, and so copy, the pages that all share
    while True:
        data, fds, _, _ = socket.recv_fds(control, _MESSAGE_MAX, 3)
        if not data or isinstance(request := messages.to_template.decode(data), Leave):
            os._exit(0)
        assert isinstance(request, Spawn)
        answer = _fork(boot, request, fds, board, lock_fd, control)
        for fd in fds:
            os.close(fd)
        control.send(messages.encode(answer))


def import_jobs(boot: Boot) -> TemplateReady:
    """Import the modules with job classes; raises whatever they raise."""
    began = time.monotonic()
    sys.path[:0] = boot.path
    modules = [importlib.import_module(name) for name in boot.imports]
    codec.make_ready()  # once, and shared by all runners
    version = next((str(m.__version__) for m in modules if hasattr(m, "__version__")), None)
    threads = len(os.listdir("/proc/self/task")) if linux.LINUX else 1
    took_s = round(time.monotonic() - began, 3)
    return TemplateReady(
        jobs=sorted(definition.registry()), threads=threads, took_s=took_s, app_version=version
    )


def _fork(
    boot: Boot, spec: Spawn, fds: list[int], board: Scoreboard, lock_fd: int, control: socket.socket
) -> Spawned | SpawnFailed:
    """Fork a runner through a middle process; answer with its pid."""
    told, tell = os.pipe()
    # a signal in the child must not run a handler of ours before the child has its own
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        middle = os.fork()
        if middle == 0:
            _middle(boot, spec, fds, board, lock_fd, (told, tell, control.fileno()))
    except OSError as error:
        os.close(told)
        return SpawnFailed(slot=spec.slot, incarnation=spec.incarnation, error=str(error))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(tell)
    ready, _, _ = select.select([told], [], [], _MIDDLE_S)
    text = os.read(told, 64) if ready else b""
    os.close(told)
    if not text:
        with contextlib.suppress(ProcessLookupError):
            os.kill(middle, signal.SIGKILL)
    os.waitpid(middle, 0)
    if not text.isdigit():
        why = text.decode() or f"the process that forks a runner did not within {_MIDDLE_S} s"
        return SpawnFailed(slot=spec.slot, incarnation=spec.incarnation, error=why)
    return Spawned(slot=spec.slot, incarnation=spec.incarnation, pid=int(text))


def _middle(
    boot: Boot,
    spec: Spawn,
    fds: list[int],
    board: Scoreboard,
    lock_fd: int,
    ours: tuple[int, int, int],
) -> None:
    """Fork the runner, tell its pid, end. Never returns."""
    told, tell, control_fd = ours
    code = 1
    try:
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(told)
            os.close(tell)
            os.close(control_fd)
            code = _runner(boot, spec, fds, board, lock_fd, middle=me)
        else:
            os.write(tell, str(pid).encode())
            code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _runner(
    boot: Boot, spec: Spawn, fds: list[int], board: Scoreboard, lock_fd: int, *, middle: int
) -> int:
    """Become a runner; returns its exit status."""
    log_fd, output_fd, stacks_fd = fds
    os.setpgid(0, 0)
    # in this order: the death signal set before the middle process ends would kill us,
    # and "until it is the supervisor" would spin for ever below another subreaper
    while os.getppid() == middle:
        time.sleep(0.0002)
    linux.die_with_parent()
    if os.getppid() != boot.supervisor_pid:
        return 0
    for number in signal.valid_signals():
        if number not in (
            signal.SIGKILL,
            signal.SIGSTOP,
            signal.SIGPIPE,
            signal.SIGINT,
            signal.SIGXFSZ,
        ):
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGTTOU, signal.SIGTTIN, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, fd in ((null, 0), (output_fd, 1), (output_fd, 2)):
        os.dup2(source, fd, inheritable=True)
    os.close(null)
    os.close(output_fd)
    faulthandler.enable(stacks_fd)
    faulthandler.register(linux.DUMP_SIGNAL, stacks_fd, all_threads=True, chain=False)
    linux.name_process(f"horus {spec.runner}")
    slot = SlotWriter(board, spec.slot)
    slot.born(os.getpid())
    voice = Voice(log_fd, spec.identity, spec.runner, spec.group)
    name = f"horus:{spec.identity.supervisor}:{spec.slot}.{spec.incarnation}"
    wire = Wire(parse_url(boot.redis_url), timeout_s=5.0, name=name)
    runner = runner_main.Runner(
        spec,
        boot.namespace,
        wire,
        slot,
        voice,
        spool=Path(boot.spool),
        max_payload_bytes=boot.max_payload_bytes,
    )
    runner_main.listen(runner)
    os.register_at_fork(after_in_child=lambda: _forget(wire, (log_fd, lock_fd)))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    runner.run()
    return 0


def _forget(wire: Wire, fds: tuple[int, ...]) -> None:
    """In a child that job code forked: let go of what is the runner's alone."""
    wire.close()
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
    signal.set_wakeup_fd(-1)
    faulthandler.unregister(linux.DUMP_SIGNAL)
    linux.name_process("horus job child")
