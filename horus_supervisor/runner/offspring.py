"""A process that job code forks: it lets go of what is the runner's alone, and obeys signals.

What a job starts by exec needs nothing of this: descriptors close and handlers go by themselves.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType

from horus_supervisor import linux
from horus_supervisor.runner import printing
from horus_supervisor.runner.voice import Voice
from horus_supervisor.store.wire import Wire

Handlers = Mapping[int, Callable[[int, FrameType | None], object]]
"""Signal -> the runner's own handler."""


class Offspring:
    """What is done around each fork. Has SIGTERM and SIGINT wait meanwhile.

    One that comes while the child still has the runner's handler would be lost on it:
    ``Pool.terminate`` sends one at once, and waits for ever. The wake signal must not wait: what
    its handler raises within such a hook is printed, and the job would not hear it.
    """

    def __init__(self, wire: Wire, voice: Voice, fds: tuple[int, ...], handlers: Handlers) -> None:
        self._wire = wire
        self._voice = voice
        self._fds = fds
        self._handlers = handlers
        self._masks: dict[int, set[int | signal.Signals]] = {}  # several threads may fork

    def expect(self) -> None:
        """Be called at each fork from now on."""
        os.register_at_fork(
            before=self._before, after_in_parent=self._go_on, after_in_child=self._let_go
        )

    def _before(self) -> None:
        printing.begin()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        self._masks[threading.get_ident()] = mask

    def _go_on(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.pop(threading.get_ident()))

    def _let_go(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            if signal.getsignal(number) is handler:  # else the job's own, for its child too
                usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                signal.signal(number, usual)
        self._go_on()
        faulthandler.unregister(linux.DUMP_SIGNAL)
        faulthandler.enable(2)  # a child's last words are no runner's
        self._wire.close()
        with contextlib.suppress(OSError):
            self._voice.let_go()
        for fd in self._fds:
            with contextlib.suppress(OSError):
                os.close(fd)
        linux.name_process("horus job child")
