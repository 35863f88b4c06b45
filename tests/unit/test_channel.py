"""Messages between two processes: whole, in order, and nobody waits for them."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from horus_supervisor import messages
from horus_supervisor.channel import Channel
from horus_supervisor.messages import Facts, FromKeeper, Gone, RedisLost, Registered, ToKeeper


@pytest.fixture
def ends() -> Iterator[tuple[Channel[FromKeeper], Channel[ToKeeper]]]:
    """The supervisor's end and the keeper's."""
    left, right = socket.socketpair()
    supervisor, keeper = Channel(left, messages.from_keeper), Channel(right, messages.to_keeper)
    yield supervisor, keeper
    supervisor.close()
    keeper.close()


Ends = tuple[Channel[FromKeeper], Channel[ToKeeper]]


def facts(size: int) -> Facts:
    return Facts(facts={"text": "x" * size})


def test_messages_come_whole_and_in_order(ends: Ends) -> None:
    supervisor, keeper = ends
    sent = [Gone(slot=1, incarnation=2), facts(10), Gone(slot=3, incarnation=4)]
    for message in sent:
        supervisor.send(message)
    assert keeper.receive() == sent
    keeper.send(Registered(supervisor="a"))
    assert supervisor.receive() == [Registered(supervisor="a")]


def test_nothing_there_is_no_message(ends: Ends) -> None:
    assert ends[0].receive() == []
    assert ends[0].wait(0.0) == []
    assert not ends[0].closed


def test_a_newline_in_a_text_does_not_part_a_message(ends: Ends) -> None:
    supervisor, keeper = ends
    keeper.send(RedisLost(error="one\ntwo"))
    assert supervisor.receive() == [RedisLost(error="one\ntwo")]


def test_a_message_that_came_in_pieces_is_one(ends: Ends) -> None:
    left, right = socket.socketpair()
    channel: Channel[FromKeeper] = Channel(left, messages.from_keeper)
    text = messages.encode(Registered(supervisor="a")) + b"\n"
    right.sendall(text[:9])
    assert channel.receive() == []
    right.sendall(text[9:])
    assert channel.receive() == [Registered(supervisor="a")]
    channel.close()
    right.close()


def test_a_reader_that_stands_still_is_not_waited_for_and_misses_nothing(ends: Ends) -> None:
    supervisor, keeper = ends
    sent = [facts(n * 1000) for n in range(200)]
    for message in sent:
        supervisor.send(message)
    assert supervisor.writing
    got: list[ToKeeper] = []
    while len(got) < len(sent):
        got += keeper.receive()
        supervisor.flush()
    assert got == sent
    assert not supervisor.writing


def test_what_was_sent_before_the_other_end_closed_still_comes(ends: Ends) -> None:
    supervisor, keeper = ends
    keeper.send(Registered(supervisor="a"))
    keeper.close()
    assert supervisor.receive() == [Registered(supervisor="a")]
    assert supervisor.closed


def test_what_was_sent_comes_though_the_other_end_never_read_what_we_sent(ends: Ends) -> None:
    supervisor, keeper = ends
    supervisor.send(facts(10))
    keeper.send(Registered(supervisor="a"))
    keeper.close()
    assert supervisor.receive() == [Registered(supervisor="a")]
    assert supervisor.closed


class Starved(socket.socket):
    """A socket of a kernel that has no memory for it, until ``fed``."""

    fed = False

    def send(self, *words: Any) -> int:
        if not self.fed:
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        return super().send(*words)

    def recv(self, *sizes: int) -> bytes:
        if not self.fed:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return super().recv(*sizes)


def test_a_kernel_without_memory_for_a_while_is_no_end_of_the_stream() -> None:
    left, right = socket.socketpair()
    starved = Starved(fileno=left.detach())
    supervisor = Channel[FromKeeper](starved, messages.from_keeper)
    keeper = Channel[ToKeeper](right, messages.to_keeper)
    supervisor.send(Gone(slot=1, incarnation=2))
    keeper.send(Registered(supervisor="a"))
    assert supervisor.receive() == []
    assert (supervisor.closed, supervisor.writing) == (False, True)
    starved.fed = True
    supervisor.flush()
    assert keeper.receive() == [Gone(slot=1, incarnation=2)]
    assert supervisor.receive() == [Registered(supervisor="a")]
    supervisor.close()
    keeper.close()


def test_an_end_stays_one_though_the_kernel_has_no_memory_after_it() -> None:
    left, right = socket.socketpair()
    supervisor = Channel[FromKeeper](Starved(fileno=left.detach()), messages.from_keeper)
    supervisor.send(Gone(slot=1, incarnation=2))
    supervisor.closed = True  # as ``receive`` has it at the end of the stream
    supervisor.flush()
    assert supervisor.closed
    supervisor.close()
    right.close()


def test_a_closed_channel_takes_no_more(ends: Ends) -> None:
    supervisor, keeper = ends
    keeper.close()
    for _ in range(3):
        supervisor.send(facts(100_000))
    assert supervisor.closed
    assert not supervisor.writing
    assert len(supervisor._out) < 200_000
