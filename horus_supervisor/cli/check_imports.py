"""The job modules, imported in a child process: what it finds, what it can't import and why.

``try_imports`` asks, ``main`` is the child. Job code may do anything there, also end its process,
which is then told with the module that did. The child sees the same ``sys.path`` as a template.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec

from horus_supervisor import fresh, linux
from horus_supervisor.errors import PayloadError
from horus_supervisor.imports import blame, leavings
from horus_supervisor.job import codec, definition, on_crash  # noqa: F401  # a template has it
from horus_supervisor.job.definition import Job

_LOOK_S = 0.2
"""Seconds between two looks at whether the child lives: what it forked may hold its socket."""

_CUT_OFF = 97
"""Exit status of a child that can't tell what it found."""


class Sample(msgspec.Struct, frozen=True):
    """A waiting job, to see whether it could be run."""

    job: str
    payload: bytes


class Ask(msgspec.Struct, frozen=True):
    """What the child is to import, and to try on what was imported."""

    path: list[str]
    imports: list[str]
    max_payload_bytes: int = codec.MAX_PAYLOAD_BYTES
    within_s: float = 120.0
    samples: list[Sample] = []


class JobClass(msgspec.Struct, frozen=True):
    """A job class that was found."""

    job: str
    module: str
    queue: str
    timeout_s: float | None
    max_attempts: int


class Broken(msgspec.Struct, frozen=True, tag=True):
    """A module that can't be imported."""

    module: str
    error: str
    traceback: str = ""


class Begun(msgspec.Struct, frozen=True, tag=True):
    """A module is being imported now."""

    module: str


class Done(msgspec.Struct, frozen=True, tag=True):
    """All is imported: the classes, and for each sample why it can't be decoded ('': it can)."""

    classes: list[JobClass]
    refused: list[str]
    left: dict[str, str]
    """Module -> what its import left that runners should not be forked with."""


Word = Broken | Begun | Done

_decode_word = msgspec.json.Decoder(Word).decode


# --- the one who asks ------------------------------------------------------------------------


def try_imports(ask: Ask) -> tuple[list[Broken], Done]:
    """Import in a child, and once more without a module that ended it."""
    fatal: list[Broken] = []
    while True:
        gone = {broken.module for broken in fatal}
        left = [module for module in ask.imports if module not in gone]
        broken, done, end = _ask_child(msgspec.structs.replace(ask, imports=left))
        if done is not None:
            return [*fatal, *broken], done
        if end is None:
            raise RuntimeError("the process that imports job modules ended before it began")
        fatal.append(end)


def _ask_child(ask: Ask) -> tuple[list[Broken], Done | None, Broken | None]:
    """Run one child: what was broken, what was found, or which module ended it."""
    ours, its = socket.socketpair()
    child = subprocess.Popen(
        fresh.command(__name__, its.fileno()),
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=2,
        process_group=0,
    )
    its.close()
    broken: list[Broken] = []
    begun = None
    try:
        with contextlib.suppress(ConnectionError):
            ours.sendall(msgspec.msgpack.encode(ask))
            ours.shutdown(socket.SHUT_WR)
        for word in _words(ours, child, ask.within_s):
            match word:
                case Broken():
                    broken.append(word)
                case Begun():
                    begun = word.module
                case Done():
                    return broken, word, None
        end = _end(child.wait(ask.within_s))
    except (TimeoutError, subprocess.TimeoutExpired):
        end = f"it was being imported still when import_timeout ({ask.within_s:g}s) was over"
    except (msgspec.DecodeError, UnicodeDecodeError):
        end = "it wrote into a descriptor that it had not opened"
    finally:
        linux.kill_group(child.pid)
        child.kill()  # where it left its group
        child.wait()
        ours.close()
    return broken, None, None if begun is None else Broken(begun, end)


def _words(ours: socket.socket, child: subprocess.Popen[bytes], within_s: float) -> Iterator[Word]:
    """Give what the child says, until it ends; a process of its own may keep the socket open.

    Raises ``TimeoutError``; ``msgspec.DecodeError`` where a module spoke in between.
    """
    buffer, until = b"", math.inf
    while True:
        if time.monotonic() > until:
            raise TimeoutError
        ended = child.poll() is not None
        if not select.select([ours], [], [], 0 if ended else _LOOK_S)[0]:
            if ended:
                return
            continue
        with contextlib.suppress(ConnectionError):
            if chunk := ours.recv(1 << 16):
                until = min(until, time.monotonic() + within_s)  # from the first module on
                *lines, buffer = (buffer + chunk).split(b"\n")
                yield from map(_decode_word, lines)
                continue
        return


def _end(status: int) -> str:
    if status == _CUT_OFF:
        return "it closed a descriptor that it had not opened"
    if status < 0:
        return f"it killed the process with {linux.signal_name(-status)}"
    return f"it ended the process with exit status {status}"


# --- the child -------------------------------------------------------------------------------


def main(fd: int) -> None:
    """Hear what to import, import it, tell; end without whatever the modules left running."""
    os.set_inheritable(fd, False)
    linux.die_with_parent()
    linux.name_process("horus-check")
    with socket.socket(fileno=fd) as asker:
        with asker.makefile("rb") as request:
            ask = msgspec.msgpack.decode(request.read(), type=Ask)
        sys.path[:0] = ask.path
        classes: list[JobClass] = []
        left: dict[str, str] = {}
        whence: dict[type[Job], str | None] = {}  # None: of a module that broke midway
        for module in ask.imports:
            _tell(asker, Begun(module))
            before = leavings.look()
            whole: str | None = module
            try:
                classes += _import(module)
            except BaseException as error:  # a module may even call sys.exit
                whole = None
                _tell(asker, Broken(module, *blame.in_words(error, ask.path)))
            whence = {cls: whence.get(cls, whole) for cls in definition.heirs(Job)}
            if what := leavings.left_since(before):
                left[module] = what
        for cls in definition.unfinished(ask.imports):
            if came_from := whence[cls]:
                _tell(asker, Broken(came_from, definition.why_unfinished(cls)))
        refused = [_refusal(sample, ask.max_payload_bytes) for sample in ask.samples]
        _tell(asker, Done(classes, refused, left))
    os._exit(0)


def _tell(asker: socket.socket, word: Word) -> None:
    try:
        asker.sendall(msgspec.json.encode(word) + b"\n")
    except OSError:  # not ours any more
        os._exit(_CUT_OFF)


def _import(module: str) -> list[JobClass]:
    """Import one module; tell the job classes that came with it. Raises what it raises."""
    before = definition.registry().keys()
    importlib.import_module(module)
    new = {name: c for name, c in definition.registry().items() if name not in before}
    codec.make_ready(new.values())
    return [
        JobClass(name, module, c.__horus__.queue, c.__horus__.timeout_s, c.__horus__.max_attempts)
        for name, c in sorted(new.items())
    ]


def _refusal(sample: Sample, max_bytes: int) -> str:
    """Tell why a job of a class that is there can't be made of its payload; '': it can."""
    cls = definition.find(sample.job)
    try:
        if cls is not None:
            codec.decode(cls, sample.payload, max_bytes)
    except PayloadError as error:
        return str(error)
    return ""
