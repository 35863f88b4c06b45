"""The embedded Redis's guard: starts the server in its folder, and ends it last.

The server must outlive the keeper's last rites and nothing else. The guard holds the reading end
of a pipe, the lifeline, whose writing ends supervisor and keeper hold: when both are gone, however
that came, it stops the server; at the latest 1.8 s after the supervisor.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from pathlib import Path

from horus_supervisor import embedded, linux
from horus_supervisor.errors import HorusError

RITES_S = 1.2
STOP_S = 0.5
"""Seconds for the server to end once the supervisor is gone."""

ASKED_STOP_S = 6.0
"""Seconds for the server to end in a stop that was asked for: it may have much to write."""

_WORDS, _WORDS_MAX = 3, 3000
"""Lines and bytes of a server's log that are passed on at its end."""


_HEARD = (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD)


def main(lifeline_fd: int, _lock_fd: int, _folder_fd: int, supervisor: int, folder: str) -> None:
    """Run the server until it ends, is asked to, or nobody is left to serve.

    The locks of service and folder are held by being open: the server inherits both, so that a
    successor waits for its end.
    """
    linux.name_process("horus-redis")
    wakeup_r, wakeup_w = os.pipe()
    os.set_blocking(wakeup_w, False)
    asked: list[int] = []
    for number in _HEARD:
        signal.signal(number, lambda n, _: asked.append(n))
    signal.set_wakeup_fd(wakeup_w, warn_on_full_buffer=False)
    linux.die_with_parent(signal.SIGUSR1)
    if os.getppid() != supervisor:  # it died while we began
        return
    try:
        server = _start(Path(folder))
    except HorusError as error:
        print(f"horus: {error}", file=sys.stderr)
        sys.exit(1)
    poll = select.poll()
    for fd in (wakeup_r, lifeline_fd):
        poll.register(fd, select.POLLIN)
    deadline: float | None = None
    while signal.SIGTERM not in asked:
        ended, status = os.waitpid(server, os.WNOHANG)
        if ended:
            _tell_end(status, Path(folder, embedded.LOG))
            sys.exit(1)
        if signal.SIGUSR1 in asked and deadline is None:
            deadline = time.monotonic() + RITES_S
        if deadline and time.monotonic() >= deadline:
            break
        wait_s = max(0.0, deadline - time.monotonic()) if deadline else None
        ready = [fd for fd, _ in poll.poll(None if wait_s is None else wait_s * 1000)]
        if wakeup_r in ready:
            os.read(wakeup_r, 4096)
        if lifeline_fd in ready:
            break
    _stop(server, asked)


def _start(folder: Path) -> int:
    """Start the server as a child that does not outlive us; gives its pid."""
    command = embedded.server_command()
    guard = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    pid = os.fork()
    if pid == 0:
        try:
            for number in _HEARD:  # ours would take in vain what the server is to hear
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.setpgid(0, 0)
            linux.die_with_parent()
            os.chdir(folder)
            if os.getppid() == guard:
                os.execv(command[0], command)
        finally:
            os._exit(127)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _tell_end(status: int, log: Path) -> None:
    """Say how the server ended, in its own last words: of a file that it can't read, the cure."""
    code = os.waitstatus_to_exitcode(status)
    how = f"exited with {code}" if code >= 0 else f"was killed by {linux.signal_name(-code)}"
    words = [f"horus: the server {how}; the last lines of {log}:"]
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _WORDS_MAX))
        words += file.read().decode(errors="replace").splitlines()[-_WORDS:]
    print(*words, sep="\n", file=sys.stderr)


def _stop(server: int, asked: list[int]) -> None:
    """End the server: it writes what it has; killed where it does not end in time."""
    os.kill(server, signal.SIGTERM)
    began = time.monotonic()
    while time.monotonic() - began < (STOP_S if signal.SIGUSR1 in asked else ASKED_STOP_S):
        if os.waitpid(server, os.WNOHANG)[0]:
            return
        time.sleep(0.01)
    os.kill(server, signal.SIGKILL)
    os.waitpid(server, 0)
