"""All words between the processes of one service; checked at the edge by msgspec.

Supervisor and template talk over a SEQPACKET socket (descriptors ride along), supervisor and keeper
over a stream of JSON lines. A runner's are among what it prints, and in how it exits.
"""

from __future__ import annotations

import os
import re

import msgspec

from horus_supervisor.config.schema import GroupConfig
from horus_supervisor.lifecycle import Death, Fate


class Message(msgspec.Struct, frozen=True, tag_field="kind", tag=True, kw_only=True):
    """Base of every message; the class's name travels as ``kind``."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who signs log lines."""

    service: str
    host: str
    supervisor: str
    level: str
    args: bool = False

    def signature(self) -> dict[str, str | int]:
        """Give the fields of every line that this process writes."""
        who = {"service": self.service, "host": self.host, "supervisor": self.supervisor}
        return {**who, "pid": os.getpid()}


MARK = "HORUS_RUNNER"
"""The variable that names its runner to whatever a job starts: ``mark``."""


def mark(supervisor: str, slot: int, incarnation: int) -> str:
    """Name one life of one runner."""
    return f"{supervisor}/{slot}.{incarnation}"


# --- supervisor -> template --------------------------------------------------------------------


class Boot(Message, frozen=True):
    """What to import, and how to reach Redis. Sent once; not in argv, which everyone can read."""

    path: list[str]
    imports: list[str]
    redis_url: str
    namespace: str
    spool: str
    max_payload_bytes: int
    supervisor_pid: int


class Spawn(Message, frozen=True):
    """Fork a runner. With it ride: log pipe, output pipe, memory file for stacks."""

    slot: int
    incarnation: int
    runner: str
    group: GroupConfig
    identity: Identity


# --- template -> supervisor --------------------------------------------------------------------


class TemplateReady(Message, frozen=True):
    """The job modules are imported."""

    jobs: list[str]
    threads: int
    took_s: float
    app_version: str | None
    code: str = ""
    """Tells one text of the job classes' modules from another."""
    left: dict[str, str] = {}
    """Module -> what its import left that runners should not be forked with."""


class TemplateFailed(Message, frozen=True):
    """A job module can't be imported; the template ends. ``error`` is the reason, on one line."""

    error: str
    traceback: str = ""


class Spawned(Message, frozen=True):
    """A runner was forked."""

    slot: int
    incarnation: int
    pid: int


class SpawnFailed(Message, frozen=True):
    """No runner came of it."""

    slot: int
    incarnation: int
    error: str


# --- supervisor -> keeper ----------------------------------------------------------------------


class KeeperBoot(Message, frozen=True):
    """Where Redis is, whose lease this is, and what to say of this host.

    ``leftovers`` are ids of supervisors whose lock we hold: dead for certain.
    """

    redis_url: str
    namespace: str
    identity: Identity
    lease_s: float
    spool: str
    facts: dict[str, object]
    leftovers: list[str]
    ticking: bool = True
    """Whether the scoreboard counts turns of a loop that must live for the lease to be renewed."""
    console: bool = False
    """Whether its lines are for people: beside a runner in a terminal."""


class Facts(Message, frozen=True):
    """What the next heartbeat tells of this host."""

    facts: dict[str, object]


class Born(Message, frozen=True):
    """A runner lives; ``own_group``: it leads the process group of its own pid."""

    slot: int
    incarnation: int
    pid: int
    runner: str
    group: str
    own_group: bool = True


class Gone(Message, frozen=True):
    """A runner left and is reaped; nothing of its process group is left."""

    slot: int
    incarnation: int


class Died(Message, frozen=True):
    """A runner died without leaving: move its job. ``record`` is a crash record as JSON.

    Tells what ``Gone`` does too: of two messages one may not arrive.
    """

    slot: int
    incarnation: int
    supervisor: str
    executing: int
    death: Death
    record: msgspec.Raw
    hold_after: int = 0
    """So many crashes with no success between hold the job's class back; 0 for never."""
    code: str = ""
    """Which code the runner ran: a class is held until there is other code."""


class Close(Message, frozen=True):
    """All runners are gone: hand in what is left, close the supervisor, end."""


# --- keeper -> supervisor ----------------------------------------------------------------------


class Registered(Message, frozen=True):
    """Redis answers and this supervisor is registered there."""

    supervisor: str


class Expelled(Message, frozen=True):
    """Redis doesn't know this supervisor (emptied) or gave its jobs away (lease): take a new id."""


class RedisLost(Message, frozen=True):
    """Redis does not answer."""

    error: str


class RedisRefusedUs(Message, frozen=True):
    """Redis says no, for good: wrong credentials, too old."""

    error: str


class Held(Message, frozen=True):
    """A class is held back from now on: it brings down no more runners."""


class Recorded(Message, frozen=True):
    """Redis has a death: what became of the job."""

    slot: int
    incarnation: int
    supervisor: str
    fate: Fate


# --- runner -> supervisor ----------------------------------------------------------------------

LEFT_UNHEARD = 3
"""Exit status of a runner that left without a word to Redis: the keeper must tell it."""

LEFT_STALE = 4
"""Exit status of one whose calls Redis knows nothing of: it has lost what it had confirmed. The
keeper closes its slot, whatever is in it."""

WORDS = b"\x1ehorus\x1f"
"""Begins a mark in an output pipe, which ends with the line: a job's first words follow, or its
last ones came before."""

ENDED = WORDS + b"\n"


def words_of(job: bytes, attempt: int) -> bytes:
    """Mark the beginning of what a job prints; ``job``: id, name and queue, parted by NUL."""
    return b"%b%b\0%d\n" % (WORDS, job, attempt)


def read_words(text: bytes) -> dict[str, str | int] | None:
    """Tell whose words follow a mark, as a line's fields; nobody's in particular: none.

    None where it is no mark of ours: a job may print anything.
    """
    if not text:
        return {}
    job_id, *rest = text.decode("utf-8", "replace").split("\0")
    if len(rest) != 3 or not re.fullmatch("[0-9]{1,18}", rest[2]):
        return None
    return {"job_id": job_id, "job": rest[0], "queue": rest[1], "attempt": int(rest[2])}


REQUEST_MAX = 1 << 16
"""Most bytes of a message to a template: a longer one, with the names of a thousand queues or two
thousand modules, lies in a memory file that comes along."""

# --- as JSON -----------------------------------------------------------------------------------

ToTemplate = Boot | Spawn
FromTemplate = TemplateReady | TemplateFailed | Spawned | SpawnFailed
ToKeeper = KeeperBoot | Facts | Born | Gone | Died | Close
FromKeeper = Registered | Expelled | RedisLost | RedisRefusedUs | Held | Recorded

to_template = msgspec.json.Decoder(ToTemplate)
from_template = msgspec.json.Decoder(FromTemplate)
to_keeper = msgspec.json.Decoder(ToKeeper)
from_keeper = msgspec.json.Decoder(FromKeeper)
encode = msgspec.json.Encoder().encode
