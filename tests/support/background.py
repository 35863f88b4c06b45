"""Run a command in the background of a terminal that stops whoever writes from there (``tostop``).

``python -m tests.support.background COMMAND``: what it writes to the terminal is passed on.
"""

from __future__ import annotations

import os
import pty
import signal
import sys
import termios


def _lead(slave: int, command: list[str]) -> None:
    """Be a session's leader, with the terminal, and start the command in another group."""
    os.setsid()
    os.close(os.open(os.ttyname(slave), os.O_RDWR))  # becomes the controlling one
    settings = termios.tcgetattr(slave)
    settings[1] &= ~termios.OPOST
    settings[3] |= termios.TOSTOP
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        os.execvp(command[0], command)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        os.kill(pid, signal.SIGKILL)
        os._exit(99)
    os._exit(os.waitstatus_to_exitcode(status))


def main() -> None:
    """Pass on what the terminal gets, and the exit status; 99 where the command was stopped."""
    master, slave = pty.openpty()
    leader = os.fork()
    if leader == 0:
        os.close(master)
        _lead(slave, sys.argv[1:])
    os.close(slave)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(leader, signal.SIGTERM))
    while True:
        try:
            text = os.read(master, 4096)
        except OSError:  # nobody has the terminal open any more
            break
        os.write(1, text)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(leader, 0)[1]))


if __name__ == "__main__":
    main()
