"""The keeper's calls: each is a sign of life, however many a duty makes."""

from __future__ import annotations

import os
import socket

from horus_supervisor import linux, logs, messages
from horus_supervisor.channel import Channel
from horus_supervisor.keeper.main import Keeper
from horus_supervisor.scoreboard import Scoreboard
from horus_supervisor.store import operations


def test_each_call_is_a_sign_of_life(redis_url: str, namespace: str) -> None:
    me = messages.Identity(service="s", host="h", supervisor="a", level="info")
    boot = messages.KeeperBoot(
        redis_url=redis_url,
        namespace=namespace,
        identity=me,
        lease_s=30,
        state_dir="s",
        facts={},
        leftovers=[],
    )
    board = Scoreboard(linux.memory_file("horus-test-board"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = Channel(ours, messages.to_keeper)
        keeper = Keeper(boot, channel, board, logs.bind(lambda _: None, {}))
        for _ in range(3):
            keeper.ask(operations.kick(namespace))
        keeper.wire.close()
    os.close(board.fd)
    assert board.keeper_ticks == 3
