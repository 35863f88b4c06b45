"""A runner's first jobs, played in the template, with a Redis that answers by heart.

What Python makes at first use (specialised bytecode, caches) then lies in pages that all runners
share: 0.3 MB less in each of them. Knows no network, no code of jobs, no row that anybody reads.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from horus_supervisor import linux
from horus_supervisor.address import Address
from horus_supervisor.job import definition
from horus_supervisor.messages import Identity, Spawn
from horus_supervisor.runner.main import Runner
from horus_supervisor.runner.voice import Voice
from horus_supervisor.scoreboard import Control, Scoreboard, SlotWriter
from horus_supervisor.store import operations
from horus_supervisor.store.wire import Wire

JOBS = 20
"""Python specialises a function in its first dozen of calls."""

NAME = "horus.rehearsal"
QUEUE = "rehearsal"

_SPEC = Spawn(
    slot=0,
    incarnation=1,
    runner=f"{QUEUE}/1",
    group=QUEUE,
    queues={QUEUE: 1},
    strict=False,
    identity=Identity(service="horus", host="localhost", supervisor="rehearsal", level="info"),
    job_timeout_s=60.0,
    kill_after_s=5.0,
    unknown_job_after_s=3600.0,
    max_crashes=3,
    crash_delay_s=15.0,
    max_jobs=None,
    max_memory_bytes=None,
)


def rehearse(max_payload_bytes: int) -> int:
    """Run a runner through some jobs that do nothing; tell how many it did. On Linux only."""
    if not linux.LINUX:
        return 0

    class Rehearsed(definition.Job, name=NAME):
        def execute(self) -> None:
            pass

    nowhere = os.open(os.devnull, os.O_WRONLY)
    board = Scoreboard(linux.memory_file("horus-rehearsal"))
    wire = _ByHeart(_answers(board))
    try:
        runner = Runner(
            _SPEC,
            QUEUE,
            wire,
            SlotWriter(board, _SPEC.slot),
            Voice(nowhere, _SPEC.identity, _SPEC.runner, _SPEC.group),
            spool=Path(os.devnull),
            max_payload_bytes=max_payload_bytes,
        )
        try:
            runner.run()
        finally:
            runner.close()
        return runner.jobs_done
    finally:
        definition.forget(Rehearsed)
        wire.end()
        os.close(board.fd)
        os.close(nowhere)


class _ByHeart(Wire):
    """A wire to a socket of our own, at whose other end the next answer lies before it is asked."""

    def __init__(self, answers: Iterator[bytes]) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind("")  # unix(7): the kernel finds a name, which is in no folder
        self._listener.listen()
        path = self._listener.getsockname().decode()
        super().__init__(Address("unix", path=path), timeout_s=1.0, name=QUEUE)
        self._answers = answers
        self._peer: socket.socket | None = None

    def _introduce(self) -> None:
        if self._peer:
            raise RuntimeError("the rehearsal's answers do not fit what is asked")
        self._peer, _ = self._listener.accept()
        self._peer.sendall(b"+OK\r\n")
        super()._introduce()

    def _transmit(self, data: bytes, what: str) -> None:
        super()._transmit(data, what)
        assert self._peer
        self._peer.recv(len(data))
        self._peer.sendall(next(self._answers))

    def end(self) -> None:
        """Close both ends."""
        self.close()
        self._listener.close()
        if self._peer:
            self._peer.close()


def _answers(board: Scoreboard) -> Iterator[bytes]:
    """Give the replies to join, claims, pops of the wake token, finishes, and release.

    After every other job the queue is empty, after the last one the runner is asked to leave.
    """
    queue, done = QUEUE.encode(), b"-"  # done: how the job before ended
    packed = b"     1   1700000000000 %b %b\n{}" % (queue, NAME.encode())
    job = (b"job", b"0" * 36, queue, b"1700000000000", packed)
    yield _reply(b"ok")
    for at in range(JOBS):
        if at % 2 == 0:
            yield _reply(done, b"empty")
            token = _reply(operations.wake_key(QUEUE, QUEUE).encode(), b"1")
            yield token + _reply(b"-", *job)
        else:
            yield _reply(b"done", *job)
        done = b"done"
    board.control(_SPEC.slot, Control.DRAIN)
    yield _reply(done, b"empty")
    yield _reply(b"none")


def _reply(*words: bytes) -> bytes:
    return b"*%d\r\n%b" % (len(words), b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))
