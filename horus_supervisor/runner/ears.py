"""What a runner waits with: for a signal, for a descriptor, for some time, whichever comes first.

Owns a pipe: the C part of Python's signal handling writes a byte into it. Job code may put its own
descriptor in that place (``asyncio`` does, and leaves none), so ``listen`` comes before
every wait that only a signal may end.
"""

from __future__ import annotations

import contextlib
import os
import signal
from select import POLLIN, poll  # some imports take ``poll`` from the module: eventlet's patch


class Ears:
    """Hears signals, in the main thread; in another one only who calls ``wake``."""

    def __init__(self) -> None:
        self._ears, self._mouth = os.pipe()  # two sockets would be 12 pages more of each runner
        os.set_blocking(self._ears, False)
        os.set_blocking(self._mouth, False)
        self._main = True
        try:
            self._before = self.listen()
        except ValueError:  # not in the main thread, whatever a patched ``threading`` says
            self._main = False

    def listen(self) -> int:
        """Have signals heard from now on; tells the descriptor that they were written to."""
        if not self._main:
            return -1
        return signal.set_wakeup_fd(self._mouth, warn_on_full_buffer=False)

    def wake(self) -> None:
        """End the wait that goes on, or else the next one."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._mouth, b"!")

    def hear(self, wait_s: float | None, fd: int | None = None) -> bool:
        """Wait for a signal or ``fd``; tells whether ``fd`` (without one: anything) came."""
        waiting = poll()
        waiting.register(self._ears, POLLIN)
        if fd is not None:
            waiting.register(fd, POLLIN)
        events = dict(waiting.poll(None if wait_s is None else wait_s * 1000))
        if self._ears in events:
            os.read(self._ears, 4096)
        return fd in events if fd is not None else bool(events)

    def close(self) -> None:
        """Give signals back to who heard them before us."""
        if self._main:
            signal.set_wakeup_fd(self._before)
        os.close(self._ears)
        os.close(self._mouth)
