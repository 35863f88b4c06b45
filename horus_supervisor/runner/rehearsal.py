"""A few short lives of a runner, played in the template, with a Redis that answers by heart.

What Python makes in the first calls (specialised bytecode, caches) then lies in pages that all
runners share, and specialised code leaves alone what the general one counts references to, names
above all: 0.6 MB less in each runner. Knows no network, no code of jobs, no row that anybody reads.
"""

from __future__ import annotations

import _thread
import contextlib
import faulthandler
import os
import socket
import threading
from pathlib import Path

from horus_supervisor import linux
from horus_supervisor.address import Address
from horus_supervisor.config.schema import GroupConfig
from horus_supervisor.job import definition
from horus_supervisor.messages import Boot, Identity, Spawn
from horus_supervisor.runner import settings
from horus_supervisor.runner.process import Common, equip
from horus_supervisor.scoreboard import Control, Scoreboard

LIVES = 8
"""Python 3.11 specialises a function at its eighth call, and most of a runner's are made once."""

JOBS = 2
"""In each life."""

NAME = "horus.rehearsal"
QUEUE = "rehearsal"

_PATIENCE_S = 1.0
"""Longest wait of its Redis for a runner: all of it takes 20 ms."""

_ASKED_MAX = 1 << 16

_SPEC = Spawn(
    slot=0,
    incarnation=1,
    runner=f"{QUEUE}/1",
    group=GroupConfig(
        name=QUEUE,
        queues=(QUEUE,),
        weights=(1,),
        runners=1,
        job_timeout_s=60.0,
        kill_after_s=5.0,
        max_jobs=None,
        max_memory=None,
        hard_memory=None,
        max_crashes=3,
        hold_after=0,
        crash_delay_s=15.0,
        unknown_job_after_s=3600.0,
    ),
    identity=Identity(service="horus", host="localhost", supervisor="rehearsal", level="info"),
)


def _own() -> tuple[object, ...]:
    return socket.socket, _thread.start_new_thread


_OWN = _own()
"""Python's own: an import may put others there whose threads wait for each other (gevent)."""


def rehearse(boot: Boot) -> int:
    """Run runners through some jobs that do nothing; tell how many jobs. On Linux only.

    This process has the last one's name and signal handlers afterwards, and ``/dev/null`` to read.
    """
    if not linux.LINUX or _own() != _OWN:
        return 0

    class Rehearsed(definition.Job, name=NAME):
        last: bool

        def execute(self) -> None:
            if self.last:
                board.control(_SPEC.slot, Control.DRAIN)

    board = Scoreboard(linux.memory_file("horus-rehearsal"))
    stacks_fd = linux.memory_file("horus-stacks")
    log_fd = os.open(os.devnull, os.O_WRONLY)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("")  # unix(7): the kernel finds a name, which is in no folder
    listener.listen()
    listener.settimeout(_PATIENCE_S)
    address = Address("unix", path=listener.getsockname().decode())
    common = Common(boot, address, Path(os.devnull), board, lock_fd=-1)
    redis = threading.Thread(target=_answer, args=(listener, board), daemon=True)
    redis.start()
    try:
        return sum(_live(common, [log_fd, os.dup(1), stacks_fd]) for _ in range(LIVES))
    finally:
        redis.join()
        definition.forget(Rehearsed)
        settings.unmark()
        faulthandler.unregister(linux.DUMP_SIGNAL)
        faulthandler.disable()
        board.close()  # a class lives longer, and its jobs know the board
        for fd in (board.fd, stacks_fd, log_fd):
            os.close(fd)


def _live(common: Common, fds: list[int]) -> int:
    runner, _ = equip(common, _SPEC, fds)
    try:
        runner.run()
    finally:
        runner.close()
    return runner.jobs_done


def _answer(listener: socket.socket, board: Scoreboard) -> None:
    """Be the Redis of all these runners: whatever one asks, the next answer is the right one.

    Where it is not, a runner asks again: it is told to leave, and so is who comes after.
    """
    with listener, contextlib.suppress(OSError):
        for _ in range(LIVES):
            board.control(_SPEC.slot, Control.RUN)
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(_PATIENCE_S)
                before = b""
                for answer in _ANSWERS:
                    asked = peer.recv(_ASKED_MAX)
                    if asked == before:
                        raise ConnectionAbortedError
                    peer.sendall(answer)
                    before = asked
    board.control(_SPEC.slot, Control.DRAIN)


def _reply(*words: bytes) -> bytes:
    return b"*%d\r\n%b" % (len(words), b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))


def _job(*, last: bool) -> tuple[bytes, ...]:
    queue = QUEUE.encode()
    payload = b'{"last":%b}' % (b"true" if last else b"false")
    packed = b"     1   1700000000000 %b %b\n%b" % (queue, NAME.encode(), payload)
    return (b"job", b"0" * 36, queue, b"1700000000000", packed)


_TOKEN = _reply(b"wake", b"1")

_ANSWERS = (
    b"+OK\r\n",  # to its introduction
    _reply(b"ok"),  # to join
    _reply(b"-", b"empty"),  # to claim
    _TOKEN + _reply(b"-", *_job(last=False)),  # to its wait for a token, and the claim behind that
    _reply(b"done", b"empty"),  # to finish
    _TOKEN + _reply(b"-", *_job(last=True)),
    _reply(b"done", b"empty"),
    _reply(b"none"),  # to release
)
