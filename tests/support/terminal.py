"""``horus`` in a terminal, and what a person types there."""

from __future__ import annotations

import fcntl
import os
import pty
import termios
from collections.abc import Callable, Sequence

from tests.support.horus import COMMAND, environment
from tests.support.processes import Bounded


def in_terminal(
    *words: str,
    answer: bytes = b"",
    dialogue: Sequence[tuple[bytes, bytes]] = (),
    meanwhile: Callable[[], object] = str,
    **env: str,
) -> tuple[int, str]:
    """Run ``horus`` in a terminal; gives its exit status and all that it wrote there.

    ``answer`` is what is typed once it asks, ``meanwhile`` happens before; ``dialogue``: pairs of
    what it asks and what is typed then.
    """
    left = [*dialogue] or [(b"[y/N]", answer)] * bool(answer)
    ours, theirs = pty.openpty()
    with Bounded(
        [*COMMAND, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(TERM="xterm", **env),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # for Ctrl-C
    ) as process:
        os.close(theirs)
        written, seen = b"", 0
        while chunk := _read(ours):
            written += chunk
            if left and left[0][0] in written[seen:]:
                meanwhile()
                seen = len(written)
                os.write(ours, left.pop(0)[1])
        os.close(ours)
        return process.wait(60), written.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""
