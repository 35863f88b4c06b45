"""Every key of the file, once: its kind, its default, a line on what it is for.

``load`` reads files by this table, errors quote it, the reference is made from it. A default is
written as in a file and read by the same kind, so what the documentation says is what happens.
"""

from __future__ import annotations

import msgspec

from horus_supervisor.config.values import (
    Count,
    Duration,
    Flag,
    Kind,
    Modules,
    Namespace,
    OrNone,
    RedisUrl,
    SecretFile,
    Served,
    Size,
    Text,
    Texts,
    Variables,
    Word,
)

MAX_RUNNERS = 1000
"""Most runners of one service; a machine with more cores than that runs several."""

REQUIRED = object()
"""The default of a key that has to be there."""


class Key(msgspec.Struct, frozen=True):
    """One key. ``default`` None: left open, as ``doc`` says. ``field``: its name in the record."""

    name: str
    kind: Kind
    default: object
    doc: str
    field: str
    secret: bool = False


def _key(
    name: str, kind: Kind, default: object, doc: str, *, field: str = "", secret: bool = False
) -> Key:
    inner = kind.kind if isinstance(kind, OrNone) else kind
    suffix = "_s" if isinstance(inner, Duration) else ""
    return Key(name, kind, default, doc, field or name + suffix, secret)


REDIS = (
    _key(
        "url",
        RedisUrl(),
        "redis://localhost:6379/0",
        "redis://, rediss://, unix:// or embedded:DIR, relative to this file",
        secret=True,
    ),
    _key(
        "url_file",
        SecretFile(),
        None,
        "a file with the URL in it, read at start, relative to this file; instead of url",
        secret=True,
    ),
    _key("namespace", Namespace(), "horus", "services and clients of one namespace share jobs"),
)

SUPERVISOR = (
    _key("imports", Modules(), [], "modules with job classes, imported once, before runners fork"),
    _key("path", Texts(), ["."], "put first on sys.path, relative to this file"),
    _key(
        "state_dir",
        Text(),
        None,
        "lock and spool, relative to this file; default: NAME.state beside NAME.toml",
    ),
    _key("shutdown_timeout", Duration(), "25s", "what running jobs get to finish when stopping"),
    _key(
        "lease",
        Duration(least_s=1),
        "30s",
        "silence after which other hosts take this service's jobs over",
    ),
    _key(
        "import_timeout",
        Duration(least_s=1),
        "2m",
        "what new code (SIGHUP) may take to be imported, and then each runner to its first claim",
    ),
    _key("reload_on_save", Flag(), True, "saving this file is enough to change groups"),
    _key(
        "max_payload",
        Size(most=64 << 20),
        "256KiB",
        "a job whose payload is larger is not run",
        field="max_payload_bytes",
    ),
)

LIMITS = (
    _key("runners", Count(most=MAX_RUNNERS), 1, "how many; 0: known, and served by no one here"),
    _key(
        "order",
        Word(("weighted", "strict")),
        "weighted",
        "its queues by their weights, or always the highest number first",
    ),
    _key(
        "job_timeout",
        OrNone(Duration(least_s=0.001)),
        "10m",
        "for job classes that don't say",
    ),
    _key("kill_after", Duration(), "5s", "from JobTimeout raised in the job to SIGKILL"),
    _key(
        "max_jobs",
        OrNone(Count(least=1)),
        "none",
        "recycle a runner after so many jobs, and up to a tenth more by chance",
    ),
    _key(
        "max_memory",
        OrNone(Size()),
        "none",
        "private memory since the fork: recycle after the job that takes it past this",
    ),
    _key("hard_memory", OrNone(Size()), "none", "private memory since the fork: kill at once"),
    _key(
        "max_crashes",
        Count(least=1, most=1_000_000),
        3,
        "so many crashes quarantine a job; kills for its timeout or hard_memory don't count",
    ),
    _key(
        "hold_after",
        Count(most=1_000_000),
        10,
        "so many crashes with no success between hold a class back; 0: never",
    ),
    _key(
        "crash_delay",
        Duration(),
        "15s",
        "before another try of a job that has brought down a runner twice",
    ),
    _key(
        "unknown_job_after",
        Duration(),
        "1h",
        "a class that no runner here knows goes back and back; then dead",
    ),
    _key("nice", OrNone(Count(least=-20, most=19)), "none", "their priority: 19 gives way most"),
    _key(
        "oom_score_adj",
        OrNone(Count(least=-1000, most=1000)),
        "none",
        "who is killed first when memory runs out: 1000",
    ),
    _key(
        "open_files",
        OrNone(Count(least=64)),
        "none",
        "how many descriptors a runner may have, its own dozen among them",
    ),
    _key(
        "environment",
        Variables(),
        {},
        "variables for jobs and what they start; the import does not see them",
        secret=True,
    ),
)
"""The keys of a group that ``[defaults]`` may set."""

QUEUES = _key("queues", Served(), REQUIRED, "the queues that it serves; a table gives them weights")

GROUP = (QUEUES, *LIMITS)

LOG = (
    _key("level", Word(("debug", "info", "warning", "error")), "info", "the least that is logged"),
    _key(
        "format",
        Word(("json", "console")),
        None,
        "default: console where standard output is a terminal, else json",
    ),
    _key("args", Flag(), False, "job arguments in log lines"),
    _key("service", Text(), "horus", "names this service in each line"),
)

TABLES = {"redis": REDIS, "supervisor": SUPERVISOR, "groups.NAME": GROUP, "log": LOG}
"""The tables with fixed keys; ``[queues]`` is queue = runners, ``[defaults]`` takes ``LIMITS``."""
