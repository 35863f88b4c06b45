"""Words to systemd, as far as one socket goes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from horus_supervisor.supervisor.notify import Notifier


def test_what_finds_nobody_is_said_again_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    notifier = Notifier()
    notifier.say("RELOADING=1")
    notifier.say("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.setblocking(False)
        notifier.turned(1.0)
        assert [manager.recv(100) for _ in range(2)] == [b"RELOADING=1", b"READY=1"]
    notifier._socket.close()
