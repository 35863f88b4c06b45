"""The template: imports the job code once, and forks runners when the supervisor asks.

A process of its own, so that threads of an import never survive into the parent's forks. Never
talks to Redis, never runs a job. Each runner is forked twice: the middle process ends at once, the
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

# the C function behind ``signal``'s, which makes an enum of every number
from _signal import pthread_sigmask as _sigmask  # type: ignore[import-not-found]
from collections.abc import Iterator
from pathlib import Path

from horus_supervisor import linux, messages
from horus_supervisor.address import parse_url
from horus_supervisor.ids import sha1_hex
from horus_supervisor.imports import blame, leavings
from horus_supervisor.job import aftermath, codec, definition  # noqa: F401
from horus_supervisor.lifecycle import ON_CRASH
from horus_supervisor.messages import (
    Boot,
    Spawn,
    Spawned,
    SpawnFailed,
    TemplateFailed,
    TemplateReady,
)
from horus_supervisor.runner import limits
from horus_supervisor.runner.printing import mark_streams
from horus_supervisor.runner.process import Common, become_runner, reset_signals
from horus_supervisor.runner.rehearsal import rehearse
from horus_supervisor.scoreboard import Scoreboard
from horus_supervisor.store import operation

_MIDDLE_S = 5.0
"""Seconds for a middle process to fork; an at-fork hook of job code may hang there."""

_MESSAGE_MAX = 1 << 16

_SIGNALS = frozenset(map(int, signal.valid_signals()))
_BLOCK, _SET = int(signal.SIG_BLOCK), int(signal.SIG_SETMASK)


def main(control_fd: int, board_fd: int, lock_fd: int) -> None:
    """Serve fork requests on a SEQPACKET socket until it closes."""
    linux.name_process("horus-template")
    for fd in (control_fd, board_fd, lock_fd):
        os.set_inheritable(fd, False)  # what job code starts must not hold our lock
    control = socket.socket(fileno=control_fd)
    boot = messages.to_template.decode(control.recv(_MESSAGE_MAX))
    assert isinstance(boot, Boot)
    linux.die_with_parent()
    if os.getppid() != boot.supervisor_pid:
        os._exit(0)
    limits.notice_changes()
    try:
        with _stack_on_demand():
            ready, address = import_jobs(boot), parse_url(boot.redis_url)
    except BaseException as error:
        reason, stack = blame.in_words(error, boot.path)
        control.send(messages.encode(TemplateFailed(error=reason, traceback=stack[-8000:])))
        os._exit(1)
    control.send(messages.encode(ready))
    _rehearse(boot)
    reset_signals()
    mark_streams()
    common = Common(boot, address, Path(boot.spool), Scoreboard(board_fd), lock_fd)
    gc.collect()
    gc.freeze()  # a collection in a runner must not touch, and so copy, the pages that all share
    while True:
        data, fds, _, _ = socket.recv_fds(control, _MESSAGE_MAX, 3)
        if not data:
            os._exit(0)
        request = messages.to_template.decode(data)
        assert isinstance(request, Spawn)
        for fd in fds:
            os.set_inheritable(fd, False)  # nor a runner's pipes; recv_fds ignores its flags
        answer = _fork(common, request, fds, control)
        for fd in fds:
            os.close(fd)
        control.send(messages.encode(answer))


@contextlib.contextmanager
def _stack_on_demand() -> Iterator[None]:
    """Write to standard error where an import hangs, when asked, and where it dies.

    Undone for the runners, which give both another file: a handler that is there stays as it is.
    """
    faulthandler.enable()
    faulthandler.register(linux.DUMP_SIGNAL, all_threads=True, chain=False)
    try:
        yield
    finally:
        faulthandler.unregister(linux.DUMP_SIGNAL)
        faulthandler.disable()


def _rehearse(boot: Boot) -> None:
    """Warm up what runners run; where that fails they are larger, and no worse."""
    try:
        rehearse(boot.max_payload_bytes)
    except Exception:
        traceback.print_exc()


def _code() -> str:
    """Tell the text of all modules that define job classes from any other text of theirs."""
    names = {cls.__module__ for cls in definition.registry().values()}
    files = {getattr(sys.modules.get(name), "__file__", None) for name in names}
    text = b""
    for file in sorted(filter(None, files)):
        with contextlib.suppress(OSError):
            text += Path(file).read_bytes()
    return sha1_hex(text)[:12]


def import_jobs(boot: Boot) -> TemplateReady:
    """Import the modules with job classes; raises whatever they raise."""
    began = time.monotonic()
    sys.path[:0] = boot.path
    modules, left = [], {}
    for name in boot.imports:
        before = leavings.look()
        modules.append(importlib.import_module(name))
        left[name] = leavings.left_since(before)
    definition.refuse_unfinished(boot.imports)
    codec.make_ready()  # once, and shared by all runners
    for name in ("join", "claim", "finish", "fail", "release"):
        operation.load_script(name)
    version = next((str(m.__version__) for m in modules if hasattr(m, "__version__")), None)
    threads = len(os.listdir("/proc/self/task")) if linux.LINUX else 1
    took_s = round(time.monotonic() - began, 3)
    return TemplateReady(
        jobs=sorted(definition.registry().keys() - {ON_CRASH}),
        threads=threads,
        took_s=took_s,
        app_version=version,
        code=_code(),
        left={name: what for name, what in left.items() if what},
    )


def _fork(
    common: Common, spec: Spawn, fds: list[int], control: socket.socket
) -> Spawned | SpawnFailed:
    """Fork a runner through a middle process; answer with its pid."""
    told, tell = os.pipe()
    # a signal in the child must not run a handler of ours before the child has its own
    before = _sigmask(_BLOCK, _SIGNALS)
    try:
        middle = os.fork()
        if middle == 0:
            _middle(common, spec, fds, (told, tell, control.fileno()))
    except OSError as error:
        os.close(told)
        return SpawnFailed(slot=spec.slot, incarnation=spec.incarnation, error=str(error))
    finally:
        _sigmask(_SET, before)
        os.close(tell)
    ready, _, _ = select.select([told], [], [], _MIDDLE_S)
    text = os.read(told, 64) if ready else b""
    os.close(told)
    if not text:
        with contextlib.suppress(ProcessLookupError):
            os.kill(middle, signal.SIGKILL)
    os.waitpid(middle, 0)
    if not text.isdigit():
        late = f"did not within {_MIDDLE_S} s" if not ready else "ended before it could tell"
        why = text.decode() or f"the process that forks a runner {late}"
        return SpawnFailed(slot=spec.slot, incarnation=spec.incarnation, error=why)
    return Spawned(slot=spec.slot, incarnation=spec.incarnation, pid=int(text))


def _middle(common: Common, spec: Spawn, fds: list[int], ours: tuple[int, int, int]) -> None:
    """Fork the runner, tell its pid, end. Never returns."""
    told, tell, control_fd = ours
    code = 1
    try:
        me = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # no process is to be had
            os.write(tell, str(error).encode())
            os._exit(1)
        if pid == 0:
            os.close(told)
            os.close(tell)
            os.close(control_fd)
            code = become_runner(common, spec, fds, middle=me)
        else:
            os.write(tell, str(pid).encode())
            code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
