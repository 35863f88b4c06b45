"""Every field of the crash record."""

from __future__ import annotations

import msgspec

from horus_supervisor.crash_record import CrashRecord
from horus_supervisor.lifecycle import DEATH_OF_CAUSE, Cause, Death, Disposition
from reference.words import table

_HEAD = """
# The crash record

What Horus knows of a runner that died: `horus crash ID --json` gives it whole. The event
`runner.crashed` is told before Redis is asked: without `args`, `disposition` and what does not
apply. Exactly one record is written for each death with a job in flight, by the script that moves
the job.
"""

FIELDS = {
    "crash_id": "its id, the same in `runner.crashed`, `job.crashed` and `horus crash`",
    "timestamp": "when the death was noticed",
    "host": "on which host",
    "supervisor": "of which service; a new id at every start",
    "runner": "which runner: group and number",
    "group": "of which group of the TOML file",
    "pid": "the process",
    "cause": "how it died, see below",
    "signal": "the signal that killed it, by name",
    "exit_code": "what it exited with, where no signal killed it",
    "core_dumped": "whether the kernel left a core file",
    "job_id": "the job in flight; null where none was",
    "job": "that job's name",
    "queue": "its queue",
    "attempt": "its attempt, 1 at the first start",
    "args": "its arguments, an object",
    "started_at": "when that attempt began",
    "ran_for_s": "how long it had been running",
    "disposition": "what became of the job, see below",
    "core_path": "where the core file is, where one is there",
    "hung_in": "what the kernel saw a process do that left no stack",
    "traceback": "the Python stack of the dying process, where it could leave one",
    "output_tail": "the last lines that the runner wrote",
    "uptime_s": "age of the process",
    "jobs_done": "jobs that this process had ended before",
    "max_rss_bytes": "its largest memory",
    "user_cpu_s": "CPU time of its own code",
    "system_cpu_s": "CPU time that the kernel spent for it",
    "app_version": "the application's version: the first `__version__` of a module in `imports`",
    "python_version": "Python's",
    "note": "the limit that it was past; what is unsure: several died at once, a torn slot",
}

CAUSES = {
    Cause.SIGNAL: "a signal that the service did not send",
    Cause.EXIT: "it ended itself in mid-job: `os._exit`, with 0 too",
    Cause.TIMEOUT: "the service killed it: the job did not give way to its timeout",
    Cause.MEMORY: "the service killed it: past `hard_memory`",
    Cause.OOM: "the kernel killed it for lack of memory",
    Cause.STUCK: "the service killed it: it made no sign of life outside of a job",
    Cause.SUPERVISOR_LOST: "its supervisor died; told by the same host",
    Cause.HOST_LOST: "its host was silent for `lease`; told by another host",
}

COUNTS = {
    Death.CRASHED: "an attempt and a crash",
    Death.KILLED: "an attempt",
    Death.LOST: "an attempt",
    Death.INTERRUPTED: "nothing",
}

DISPOSITIONS = {
    Disposition.REQUEUED: "back at the head of its queue",
    Disposition.SCHEDULED: "tried again after `crash_delay`",
    Disposition.QUARANTINED: "dead at `max_crashes`, until somebody types `horus retry`",
    Disposition.EXHAUSTED: "dead at `max_attempts`",
    Disposition.NONE: "no job was in flight",
}


def page() -> str:
    """Make the page."""
    names = [field.name for field in msgspec.structs.fields(CrashRecord)]
    names.insert(names.index("attempt") + 1, "args")  # which the job has
    rows = [(f"`{name}`", FIELDS[name]) for name in names]
    assert FIELDS.keys() == set(names)
    causes = [(f"`{c}`", words, COUNTS[DEATH_OF_CAUSE[c]]) for c, words in CAUSES.items()]
    assert CAUSES.keys() == set(Cause)
    assert DISPOSITIONS.keys() == set(Disposition)
    return "\n\n".join(
        [
            _HEAD.strip(),
            table(("field", "is"), rows),
            "Times are RFC 3339 in UTC, sizes bytes. What does not apply is null.",
            "## `cause`",
            table(("cause", "means", "counts for the job"), causes),
            "## `disposition`",
            table(("disposition", "means"), [(f"`{d}`", w) for d, w in DISPOSITIONS.items()]),
        ]
    )
