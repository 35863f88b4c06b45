"""A runner in this process, without a supervisor: for a debugger, for macOS, for tests.

Beside it lives a keeper, which renews the lease, promotes what is due and, when this process is
gone, performs the last rites: the job in flight goes where it belongs.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import horus_supervisor
from horus_supervisor import fresh, linux, messages
from horus_supervisor.address import Address
from horus_supervisor.channel import Channel
from horus_supervisor.client import Client
from horus_supervisor.clock import rfc3339
from horus_supervisor.config.schema import Config, GroupConfig, LogConfig
from horus_supervisor.errors import HorusError
from horus_supervisor.ids import QUEUE_NAMES, valid_queue_name
from horus_supervisor.job import definition, hooks, on_crash  # noqa: F401  # for its job class
from horus_supervisor.lifecycle import LEASE_S
from horus_supervisor.messages import (
    LEFT_STALE,
    Born,
    Close,
    FromKeeper,
    Identity,
    KeeperBoot,
    Registered,
    Spawn,
)
from horus_supervisor.runner.main import Runner
from horus_supervisor.runner.voice import Voice
from horus_supervisor.scoreboard import Control, Scoreboard, SlotWriter
from horus_supervisor.store.wire import Wire

_REGISTERED_WITHIN_S = 10.0


def start_runner(
    client: Client | None,
    queues: Sequence[str],
    *,
    imports: Iterable[str] = (),
    until_empty: bool = False,
) -> int:
    """Serve queues in this process until SIGTERM or Ctrl-C; tell how many jobs were executed.

    Parameters: ``client`` says where Redis is (default: ``Client()``); ``queues``, at least one;
    ``imports``, modules with job classes to import first; ``until_empty``: return once the queues
    are empty. Limits are those of an empty file, but no timeout save the jobs' own. The first
    Ctrl-C lets the current job finish, a second one interrupts it. Timeouts are kept by a timer of
    this process, so only in its main thread; nothing kills a job that does not give way; one in
    which a debugger stands has none. Raises ``RedisAway``, ``ServiceNotRunning``, ``RedisRefused``;
    ``ValueError`` for what is no list of names, ``TypeError`` for what is no client;
    ``HorusError`` where Redis closes its place (it was silent for its lease), and after the job in
    which its keeper ended, where the main thread sees it.
    """
    if not queues or isinstance(queues, str) or not all(map(valid_queue_name, queues)):
        raise ValueError(f"queues={queues!r}: a list of queue names, each {QUEUE_NAMES}")
    if isinstance(imports, str):
        raise ValueError(f"imports={imports!r}: a list of modules")
    _refuse_no_client(client)
    for name in imports:
        importlib.import_module(name)
    client = client or Client()
    return serve(
        client.connection.address,
        client.namespace,
        queues,
        until_empty=until_empty,
        max_payload_bytes=client.max_payload_bytes,
    )


def _refuse_no_client(client: object) -> None:
    if not isinstance(client, Client | None):  # a URL may have a secret: not shown
        kind = type(client).__name__
        raise TypeError(f"client: a Client is needed, as Client(URL) makes, not a {kind}")


def serve(
    address: Address,
    namespace: str,
    queues: Sequence[str],
    *,
    until_empty: bool,
    max_payload_bytes: int,
    config: Config | None = None,
) -> int:
    """Serve queues as ``start_runner`` does, with the limits, weights and log that a file says."""
    config = config or usual()
    identity = _identity(config.log)
    console = config.log.format == "console" if config.log.format else os.isatty(2)
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(own_board())
        wire = Wire(address, timeout_s=5.0, name=f"horus:{identity.supervisor}:0.1")
        stack.callback(wire.close)
        wire.connect()  # says why not, better than a keeper could
        spool = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="horus-")))
        boot = _boot(address, namespace, identity, spool, queues, console)
        keeper = _Keeper(boot, board)
        stack.callback(keeper.close)
        runner = Runner(
            spec(identity, queues, config.limits_for(queues)),
            namespace,
            wire,
            own_slot(board),
            Voice(2, identity, "work/1", "work", console=console),
            spool=spool,
            max_payload_bytes=max_payload_bytes,
            until_empty=until_empty,
            own_timer=threading.current_thread() is threading.main_thread(),
        )
        stack.callback(runner.close)
        stack.enter_context(hooks.opened())
        return _run(runner, board, keeper)


def usual() -> Config:
    """Give what an empty file says, but no timeout save the jobs' own."""
    from horus_supervisor.config.load import parse  # not needed where a file was read

    config = parse("", Path("/config.toml"))
    return replace(config, defaults=replace(config.defaults, job_timeout_s=None))


def _identity(log: LogConfig) -> Identity:
    return Identity(
        service=log.service,
        host=socket.gethostname(),
        supervisor=secrets.token_hex(6),
        level=log.level,
        args=log.args,
    )


@contextlib.contextmanager
def own_board() -> Iterator[Scoreboard]:
    """Make a scoreboard for one runner of this process, whose first life is to begin."""
    board = Scoreboard(linux.memory_file("horus-scoreboard"))
    try:
        board.clear(0, 1)
        yield board
        board.close()
    finally:
        os.close(board.fd)


def own_slot(board: Scoreboard) -> SlotWriter:
    """Give the row of that runner, which lives."""
    slot = SlotWriter(board, 0)
    slot.born(os.getpid())
    return slot


def spec(identity: Identity, queues: Sequence[str], limits: GroupConfig) -> Spawn:
    """Tell what this runner is."""
    weights = dict(zip(limits.queues, limits.weights, strict=True))
    group = replace(
        limits,
        name="work",
        queues=tuple(queues),
        weights=tuple(weights.get(queue, 1) for queue in queues),
        max_jobs=None,  # nobody would start its successor
        max_memory=None,
    )
    return Spawn(slot=0, incarnation=1, runner="work/1", group=group, identity=identity)


def _run(runner: Runner, board: Scoreboard, keeper: _Keeper) -> int:
    """Run, with Ctrl-C and SIGTERM asking to leave and the job's deadline as an alarm.

    Without its keeper nobody renews the lease, so it leaves too. Tells how many jobs were executed.
    """
    if threading.current_thread() is not threading.main_thread():
        return _executed(runner, board)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD)
    before = [signal.getsignal(number) for number in numbers]

    def late(*_: object) -> None:
        if _debugged():
            signal.setitimer(signal.ITIMER_REAL, 0)  # this job has all the time in the world
        else:
            runner.guard.look()

    signal.signal(signal.SIGALRM, late)

    ours = os.getpid()

    def leave(number: int, _frame: object) -> None:
        if os.getpid() != ours:  # a child that the job forked ends as children do
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if asked:  # a second time: now
            board.control(0, Control.INTERRUPT)
            runner.guard.look()
        asked.append(True)
        runner.ask_to_leave()

    def bereaved(*_: object) -> None:
        if os.getpid() == ours and keeper.ended:
            runner.ask_to_leave()

    asked: list[bool] = []
    signal.signal(signal.SIGCHLD, bereaved)
    bereaved()  # it may have ended before
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    try:
        executed = _executed(runner, board)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    keeper.check()
    return executed


def _executed(runner: Runner, board: Scoreboard) -> int:
    if runner.run() == LEFT_STALE:  # what Redis has in our slot by now may have been executed
        board.disown(0)
    if runner.put_out:
        what = f"Redis {runner.put_out}: this runner serves no longer"
        raise HorusError(what, remedy="start the runner again")
    return runner.jobs_done


def _debugged() -> bool:
    """Tell whether a debugger traces this thread; what measures coverage is none."""
    tracer = sys.gettrace()
    if tracer is not None:
        return not str(getattr(tracer, "__module__", "")).startswith("coverage")
    monitoring = getattr(sys, "monitoring", None)  # Python 3.12
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None


def _boot(
    address: Address,
    namespace: str,
    identity: Identity,
    spool: Path,
    queues: Sequence[str],
    console: bool,
) -> KeeperBoot:
    facts: dict[str, object] = {
        "host": identity.host,
        "pid": os.getpid(),
        "version": horus_supervisor.__version__,
        "app_version": None,
        "started_at": rfc3339(time.time()),
        "groups": {"work": 1},
        "jobs": sorted(definition.registry()),
        "queues": list(queues),
        "runners": [],
    }
    return KeeperBoot(
        redis_url=address.url,
        namespace=namespace,
        identity=identity,
        lease_s=LEASE_S,
        spool=str(spool),
        facts=facts,
        leftovers=[],
        ticking=False,
        console=console,
    )


class _Keeper:
    """The keeper process beside us."""

    def __init__(self, boot: KeeperBoot, board: Scoreboard) -> None:
        ours, theirs = socket.socketpair()
        fds = (theirs.fileno(), board.fd)
        # by way of a shell: a Python that this one starts is held by its debugger until someone
        # debugs it, too (debugpy and PyCharm know one by the name of its program)
        python = fresh.command("horus_supervisor.keeper.main", *fds, 2)
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@"', "sh", *python], pass_fds=fds, start_new_session=True
        )
        theirs.close()
        self._channel: Channel[FromKeeper] = Channel(ours, messages.from_keeper)
        self._board = board
        self._channel.send(boot)
        self._wait_until_registered()
        self._channel.send(
            Born(
                slot=0,
                incarnation=1,
                pid=os.getpid(),
                runner="work/1",
                group="work",
                own_group=False,
            )
        )

    def _wait_until_registered(self) -> None:
        until = time.monotonic() + _REGISTERED_WITHIN_S
        why = "its keeper did not answer"
        while time.monotonic() < until and not self._channel.closed:
            for message in self._channel.wait(until - time.monotonic()):
                if isinstance(message, Registered):
                    return
                why = getattr(message, "error", why)
                if isinstance(message, messages.RedisRefusedUs | messages.RedisLost):
                    self.close()
                    raise HorusError(f"this runner can't start: {why}")
        self.close()
        raise HorusError(f"this runner can't start: {why}")

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def check(self) -> None:
        """Raise ``HorusError`` where it has ended, which it does not before ``close``."""
        code = self._process.poll()
        if code is not None:
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            what = f"this runner's keeper has ended ({how}): nobody renews the lease"
            raise HorusError(what, remedy="start the runner again")

    def close(self) -> None:
        """Have the keeper close our lease, and end."""
        self._channel.send(Close())
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._channel.close()
