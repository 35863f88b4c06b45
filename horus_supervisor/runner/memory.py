"""Whether a runner has grown past its ``max_memory``: private memory since its fork.

The exact size costs the kernel a walk over all pages (0.5 ms at 50 MB, 3 ms at 300), so it is read
only when it could be past the limit by now. A page becomes private at a fault; those that come in
without one, as huge pages, make the resident size grow. The resident size alone would not do: a
write to a page that was shared since the fork makes it private, and nothing larger.
"""

from __future__ import annotations

import os
import time

from horus_supervisor.config.units import whole_mebibytes
from horus_supervisor.linux import private_memory_bytes
from horus_supervisor.proc import memory_use

_LOOK_ANYWAY_S = 10.0
"""Pages that a job's child shared with us become private at its end, and that no count shows."""


class MemoryLimit:
    """Private memory since this was made, and ``most`` of it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._before = private_memory_bytes()
        self._note(most)

    def past(self) -> str | None:
        """Say that the limit is passed, and by how much; else None. 20 microseconds, mostly."""
        faulted, resident = memory_use(os.getpid()) or (0, 0)
        grown = faulted - self._faulted + max(resident - self._resident, 0)
        if grown < self._room and time.monotonic() < self._look_by:
            return None
        private = private_memory_bytes() - self._before
        self._note(self._most - private)
        if private <= self._most:
            return None
        return f"max_memory: {whole_mebibytes(private)} of its own since the fork"

    def _note(self, room: int) -> None:
        """Remember what has to happen before the limit can be passed."""
        self._room = room
        self._faulted, self._resident = memory_use(os.getpid()) or (0, 0)
        self._look_by = time.monotonic() + _LOOK_ANYWAY_S
