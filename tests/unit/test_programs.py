"""Template, keeper and guard, as far as their sockets and pipes go."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from horus_supervisor import logs, messages
from horus_supervisor.channel import Channel
from horus_supervisor.messages import Facts, Gone, RedisLost, TemplateFailed, ToKeeper
from horus_supervisor.supervisor import children, fork
from horus_supervisor.supervisor.inbox import HEARD, Inbox
from horus_supervisor.supervisor.outlet import Outlet
from horus_supervisor.supervisor.program import Ways
from horus_supervisor.supervisor.programs import Programs, Template
from tests.support.descriptors import open_descriptors

BOOT = messages.Boot(
    path=[],
    imports=[],
    redis_url="redis://x",
    namespace="n",
    spool="s",
    max_payload_bytes=1,
    supervisor_pid=1,
)
ME = messages.Identity(service="s", host="h", supervisor="a", level="info")


def keeper_boot(facts: dict[str, object]) -> messages.KeeperBoot:
    return messages.KeeperBoot(
        redis_url="x",
        namespace="n",
        identity=ME,
        lease_s=1,
        spool="s",
        facts=facts,
        leftovers=[],
    )


class Told:
    """Programs that are started in name only: the other end of each socket is the test's."""

    def __init__(self, inbox: Inbox, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inbox = inbox
        self.programs = programs
        self.template = Template(ways=programs.ways, generation=1, boot=BOOT)
        programs.templates.append(self.template)
        self.heard: list[Any] = []
        self.theirs: list[int] = []
        monkeypatch.setattr(children, "start_program", self._start)
        monkeypatch.setattr(fork, "fork_program", lambda *args: self._start(args[0], (), *args[1:]))

    def _start(self, _module: str, _arguments: Any, fds: list[int], _output: int) -> int:
        self.theirs = [os.dup(fd) for fd in fds]
        return 1 << 22

    def start_keeper(self, boot: messages.KeeperBoot) -> Channel[ToKeeper]:
        self.programs.keeper.begin(boot, [0, 0], self.heard.append)
        return Channel(socket.socket(fileno=self.theirs.pop(0)), messages.to_keeper)

    def start_template(self) -> socket.socket:
        self.template.begin([0, 0], self.heard.append)
        return socket.socket(fileno=self.theirs.pop(0))

    def turn(self, wait_s: float = 0.0) -> int:
        handlers = self.inbox.wait(wait_s)
        for handler in handlers:
            handler()
        return len(handlers)

    def close(self) -> None:
        for fd in self.theirs:
            os.close(fd)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    before = {number: signal.getsignal(number) for number in HEARD}
    with open(os.devnull, "w") as null:
        inbox, outlet = Inbox(), Outlet(null.fileno())
        log = logs.bind(outlet.put, {})
        told = Told(inbox, Programs(Ways(inbox, outlet, log, log)), monkeypatch)
        yield told
        for program in (told.template, told.programs.keeper):
            program.let_go()
        told.close()
        outlet.close()
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_keeper_that_reads_slowly_is_told_all_and_still_heard(told: Told) -> None:
    keeper = told.start_keeper(keeper_boot({}))
    sent = [Facts(facts={"text": "x" * 50_000}) for _ in range(20)]
    for message in sent:
        told.programs.keeper.tell(message)
    lagged = told.programs.keeper.lags
    got: list[ToKeeper] = []
    while len(got) <= len(sent):
        got += keeper.receive()
        told.turn()
    assert got[1:] == sent
    assert (lagged, told.programs.keeper.lags) == (True, False)
    keeper.send(RedisLost(error="late"))
    told.turn(5.0)
    assert told.heard == [RedisLost(error="late")]
    assert told.turn() == 0, "a socket with nothing to send keeps the loop awake"
    keeper.close()


def test_a_boot_that_does_not_fit_into_the_socket_arrives_all_the_same(told: Told) -> None:
    boot = keeper_boot({"runners": ["x" * 1000] * 1000})
    keeper = told.start_keeper(boot)
    got: list[ToKeeper] = []
    while not got:
        got = keeper.receive()
        told.turn()
    assert got == [boot]
    keeper.close()


def test_what_a_keeper_said_before_its_end_is_heard(told: Told) -> None:
    keeper = told.start_keeper(keeper_boot({}))
    keeper.send(RedisLost(error="last"))
    keeper.close()
    told.programs.keeper.let_go()
    assert told.heard == [RedisLost(error="last")]
    told.programs.keeper.tell(Gone(slot=1, incarnation=1))


def test_pipes_and_sockets_at_their_end_keep_the_loop_awake_no_longer(told: Told) -> None:
    for start in (lambda: told.start_keeper(keeper_boot({})), told.start_template):
        start().close()
        while told.theirs:
            os.close(told.theirs.pop())
    assert sum(told.turn() > 0 for _ in range(20)) < 10
    assert told.programs.keeper.running, "its end is told by the kernel"


def test_a_keeper_that_lives_and_can_be_told_nothing_is_killed(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.start_keeper(keeper_boot({})).close()
    told.turn(5.0)
    killed: list[int] = []
    monkeypatch.setattr(children, "send_signal", lambda pid, _: killed.append(pid))
    for second in range(12):  # it waits for Redis, and says so
        told.programs.keeper.look(100 + second, float(second))
    assert killed == [told.programs.keeper.pid]


def test_why_a_template_failed_is_heard_though_its_death_was_told_first(told: Told) -> None:
    template = told.start_template()
    template.send(messages.encode(TemplateFailed(error="no module")))
    template.close()
    told.template.let_go()
    assert told.heard == [TemplateFailed(error="no module")]
    assert told.template.control is None


class Starved(socket.socket):
    """A socket of a kernel that has no memory for it."""

    def sendmsg(self, *_: Any) -> int:
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))


def test_a_template_that_can_not_be_told_what_to_import_is_ended(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    starved = Starved(fileno=ours.detach())
    monkeypatch.setattr(socket, "socketpair", lambda *_: (starved, theirs))
    killed: list[int] = []
    monkeypatch.setattr(children, "send_signal", lambda pid, _: killed.append(pid))
    told.start_template().close()
    assert killed == [told.template.pid]


def test_the_names_of_many_job_classes_fit_into_a_message(told: Told) -> None:
    template = told.start_template()
    names = [f"application.jobs.module.ClassNumber{n}" for n in range(4000)]
    ready = messages.TemplateReady(jobs=names, threads=1, took_s=0.1, app_version=None)
    template.send(messages.encode(ready))
    told.turn(5.0)
    assert told.heard == [ready]
    template.close()


def no_memory() -> int:
    raise OSError("no memory")


def test_a_program_that_can_not_be_started_leaves_no_descriptor_open(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    before = open_descriptors()
    with pytest.raises(OSError, match="nonexistent"):
        told.programs.start_guard("folder", [0, 0, 0])
    monkeypatch.setattr(os, "fork", no_memory)
    with pytest.raises(OSError, match="no memory"):
        told.programs.keeper.begin(keeper_boot({}), [0, 0], told.heard.append)
    with pytest.raises(OSError, match="no memory"):
        told.template.begin([0, 0], told.heard.append)
    assert open_descriptors() == before
    assert not any(program.running for program in told.programs.all())
