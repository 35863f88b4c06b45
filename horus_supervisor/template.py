"""The template: imports the job code once, and forks runners when the supervisor asks.

A process of its own, so that threads of an import never survive into the parent's forks. Never
talks to Redis, never runs a job. Runners are forked by a process in the middle, which ends at once:
the supervisor, a subreaper, adopts them and gets their exit status from the kernel. A dead template
harms no runner.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import os
import signal
import socket
import sys
import time
import traceback

# the C function behind ``signal``'s, which makes an enum of every number
from _signal import pthread_sigmask as _sigmask  # type: ignore[import-not-found]
from collections.abc import Iterator
from pathlib import Path
from select import POLLIN, poll  # some imports take ``poll`` from the module: eventlet's patch
from typing import TypeAlias

from horus_supervisor import linux, messages
from horus_supervisor.address import parse_url
from horus_supervisor.ids import sha1_hex
from horus_supervisor.imports import blame, leavings
from horus_supervisor.job import codec, definition, on_crash  # noqa: F401  # for its job class
from horus_supervisor.lifecycle import ON_CRASH
from horus_supervisor.messages import (
    Boot,
    Spawn,
    Spawned,
    SpawnFailed,
    TemplateFailed,
    TemplateReady,
)
from horus_supervisor.runner import holes, limits
from horus_supervisor.runner.printing import mark_programs, mark_streams
from horus_supervisor.runner.process import Common, become_runner, reset_signals
from horus_supervisor.runner.rehearsal import rehearse
from horus_supervisor.scoreboard import Scoreboard
from horus_supervisor.store import operation, operations

_MIDDLE_S = 5.0
"""Seconds for a middle process to fork; an at-fork hook of job code may hang there."""

_AT_ONCE = 8
"""Most runners that one middle process forks: it costs as much as a runner, and the first of them
waits for its end."""

_FDS = 3
"""That a runner gets: log pipe, output pipe, memory file for stacks."""

_NAME = "horus-template"

Asked: TypeAlias = tuple[Spawn, list[int]]
"""A request, and the descriptors that came with it."""

_SIGNALS = frozenset(map(int, signal.valid_signals()))
_BLOCK, _SET = int(signal.SIG_BLOCK), int(signal.SIG_SETMASK)


def main(control_fd: int, board_fd: int, lock_fd: int) -> None:
    """Serve fork requests on a SEQPACKET socket until it closes."""
    linux.name_process(_NAME)
    for fd in (control_fd, board_fd, lock_fd):
        os.set_inheritable(fd, False)  # what job code starts must not hold our lock
    control = socket.socket(fileno=control_fd)
    boot, _ = _take(control, 0)
    assert isinstance(boot, Boot)
    linux.die_with_parent()
    if os.getppid() != boot.supervisor_pid:
        os._exit(0)
    limits.notice_changes()
    mark_programs()
    mark_streams()  # before the import: a handler of ``logging`` keeps the stream that it finds
    try:
        with _stack_on_demand(), _standard_descriptors_kept():
            ready, address = import_jobs(boot), parse_url(boot.redis_url)
    except BaseException as error:
        reason, stack = blame.in_words(error, boot.path)
        control.send(messages.encode(TemplateFailed(error=reason, traceback=stack[-8000:])))
        os._exit(1)
    control.send(messages.encode(ready))
    linux.adopt_orphans(False)  # an import may have: runners would be no children of the supervisor
    _rehearse(boot)
    reset_signals()
    mark_streams()  # again: an import may have closed them, or put others in their place
    common = Common(boot, address, Path(boot.spool), Scoreboard(board_fd), lock_fd)
    gc.collect()
    holes.fill()
    gc.freeze()  # a collection in a runner must not touch, and so copy, the pages that all share
    while asked := _hear(control):
        for answer in _fork(common, asked, control):
            control.send(messages.encode(answer))
    os._exit(0)


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


@contextlib.contextmanager
def _standard_descriptors_kept() -> Iterator[None]:
    """Put 0 to 2 back after the imports, whatever these made of them.

    Where one was closed, the pipe for a runner's lines would get its number, and the runner would
    put its output in that place.
    """
    kept = [os.dup(fd) for fd in range(3)]
    yield
    for fd, copy in enumerate(kept):
        os.dup2(copy, fd)
        os.close(copy)


def _rehearse(boot: Boot) -> None:
    """Warm up what runners run; where that fails they are larger, and no worse."""
    try:
        rehearse(boot)
    except Exception:  # for want of a process, most likely: a thread plays Redis
        print("horus: runners will be larger than they need be, as this failed:", file=sys.stderr)
        traceback.print_exc()
    finally:
        linux.name_process(_NAME)


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
    for name in operations.OF_RUNNERS:
        operation.load_script(name)
    version = next((str(m.__version__) for m in modules if hasattr(m, "__version__")), None)
    took_s = round(time.monotonic() - began, 3)
    return TemplateReady(
        jobs=sorted(definition.registry().keys() - {ON_CRASH}),
        threads=linux.threads(),
        took_s=took_s,
        app_version=version,
        code=_code(),
        left={name: what for name, what in left.items() if what},
    )


def _hear(control: socket.socket) -> list[Asked]:
    """Wait for a request, and take those that lie behind it; none: nobody will ask any more."""
    asked: list[Asked] = []
    while not asked or (len(asked) < _AT_ONCE and _has_more(control.fileno(), 0.0)):
        request, fds = _take(control, _FDS)
        if request is None:
            break
        assert isinstance(request, Spawn)
        for fd in fds:
            os.set_inheritable(fd, False)  # nor a runner's pipes; recv_fds ignores its flags
        asked.append((request, fds))
    return asked


def _take(control: socket.socket, fds: int) -> tuple[messages.ToTemplate | None, list[int]]:
    """Take a message, and the descriptors that belong to it; None: nobody will send any more.

    What is too long for a message lies in a memory file that comes behind them.
    """
    data, came, _, _ = socket.recv_fds(control, messages.REQUEST_MAX, fds + 1)
    if not data:
        return None, came
    return messages.to_template.decode(_read(came.pop()) if came[fds:] else data), came


def _has_more(fd: int, wait_s: float) -> bool:
    waiting = poll()  # not ``select``, which bears no number above 1023
    waiting.register(fd, POLLIN)
    return bool(waiting.poll(wait_s * 1000))


def _read(memory_fd: int) -> bytes:
    with open(memory_fd, "rb") as file:
        file.seek(0)
        return file.read()


def _fork(
    common: Common, asked: list[Asked], control: socket.socket
) -> Iterator[Spawned | SpawnFailed]:
    """Fork runners; answer with the pid of each."""
    lines, why = _fork_through_middle(common, asked, control.fileno())
    for at, (spec, _) in enumerate(asked):
        line = lines[at] if at < len(lines) else why
        if line.isdigit():
            yield Spawned(slot=spec.slot, incarnation=spec.incarnation, pid=int(line))
        else:
            yield SpawnFailed(slot=spec.slot, incarnation=spec.incarnation, error=line)


def _fork_through_middle(
    common: Common, asked: list[Asked], control_fd: int
) -> tuple[list[str], str]:
    """Give a line for each runner, its pid or an error, and a reason for those that are missing."""
    told, tell = os.pipe()
    # a signal in the child must not run a handler of ours before the child has its own
    before = _sigmask(_BLOCK, _SIGNALS)
    try:
        middle = os.fork()
        if middle == 0:
            _middle(common, asked, (told, tell, control_fd))
    except OSError as error:
        os.close(told)
        return [], str(error)
    finally:
        _sigmask(_SET, before)
        _close(tell, *(fd for _, fds in asked for fd in fds))
    return _listen(told, middle, len(asked))


def _listen(told: int, middle: int, runners: int) -> tuple[list[str], str]:
    """Take what the middle process tells; neither it nor the pipe is left afterwards."""
    text, why = b"", f"did not within {_MIDDLE_S} s"
    while text.count(b"\n") < runners and _has_more(told, _MIDDLE_S):
        more = os.read(told, 4096)
        if not more:
            why = "ended before it could tell"
            break
        text += more
    if text.count(b"\n") < runners:
        os.kill(middle, signal.SIGKILL)
    os.waitpid(middle, 0)
    os.close(told)
    return text.decode().splitlines(), f"the process that forks a runner {why}"


def _middle(common: Common, asked: list[Asked], ours: tuple[int, int, int]) -> None:
    """Fork the runners, tell the pid of each, end. Never returns."""
    told, tell, control_fd = ours
    code = 1
    try:
        me = os.getpid()
        for spec, fds in asked:
            try:
                pid = os.fork()
            except OSError as error:  # no process is to be had
                os.write(tell, f"{error}\n".encode())
                continue
            if pid == 0:
                _close(told, tell, control_fd)
                for _, others in asked:
                    if others is not fds:
                        _close(*others)
                os._exit(become_runner(common, spec, fds, middle=me))
            os.write(tell, b"%d\n" % pid)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _close(*fds: int) -> None:
    for fd in fds:
        os.close(fd)
