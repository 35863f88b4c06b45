"""A place for one runner, and the one life that sits in it: what is known of both."""

from __future__ import annotations

from dataclasses import dataclass, field

from horus_supervisor.config.schema import GroupConfig
from horus_supervisor.lifecycle import Cause
from horus_supervisor.messages import Identity
from horus_supervisor.supervisor.growth import Growth
from horus_supervisor.supervisor.output import LinePipe, OutputPipe
from horus_supervisor.supervisor.programs import Template
from horus_supervisor.supervisor.pulse import Pulse


@dataclass(slots=True)
class Life:
    """One runner process, from the request to its reaping."""

    identity: Identity
    template: Template
    app_version: str | None
    code: str  # the text of its job modules; a template that follows may have another
    incarnation: int
    group: GroupConfig
    awaited_since: float  # the request, or the last sign that it may yet come
    asked_ns: int
    lines: LinePipe
    output: OutputPipe
    stacks_fd: int
    pid: int | None = None
    born_at: float = 0.0  # it was first seen then
    served: bool = False  # it was seen to make a claim, or about to
    untold: bool = False  # no template will tell the pid: one ended, or knows of no such runner
    draining: bool = False
    interrupted_at: float | None = None
    overdue_seq: int = 0
    overdue_since: float | None = None
    dumped_at: float | None = None
    killed: bool = False
    killed_for: Cause | None = None
    dumps_core_since: float | None = None
    end_by: float | None = None  # it was killed, and should have ended by then
    hung_in: str | None = None  # what the kernel saw it do, where it left no stack
    pulse: Pulse = field(default_factory=Pulse)
    growth: Growth | None = None  # where there is a limit
    done_unheard: int = 0  # jobs done when all that was written before had been read
    done_then: int = 0  # jobs done at the end of the last turn


@dataclass(slots=True)
class Seat:
    """A place for one runner: its name and its slot stay, lives come and go.

    ``generation`` is that of the code which the next life gets.
    """

    runner: str
    group: GroupConfig
    slot: int
    generation: int = 0
    ready_at: float = 0.0
    life: Life | None = None
