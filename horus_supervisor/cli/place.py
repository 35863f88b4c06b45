"""Where the jobs are, once that is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from horus_supervisor.cli.typed import SERVICE, here

if TYPE_CHECKING:
    from horus_supervisor.address import Address
    from horus_supervisor.config.schema import Config


@dataclass(frozen=True, slots=True)
class Place:
    """Where the jobs are. ``config``: all of the file, where it is one without mistakes.

    ``again``: how to type ``horus`` so that it looks there once more; ``start``: the service;
    ``mistakes``: of the file, elsewhere than in its [redis].
    """

    address: Address
    namespace: str
    origin: Callable[[], str]
    config: Config | None
    again: str
    start: str = SERVICE
    mistakes: int = 0

    def typed(self, text: str) -> str:
        """Give ``horus VERB`` or ``horus-supervisor -c FILE`` as it is typed here."""
        return here(text, self.again, self.start)

    @property
    def max_payload_bytes(self) -> int:
        """How large a job's arguments may be: as the file says, or as by default."""
        from horus_supervisor.job.codec import MAX_PAYLOAD_BYTES

        return self.config.supervisor.max_payload_bytes if self.config else MAX_PAYLOAD_BYTES
