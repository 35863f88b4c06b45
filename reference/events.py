"""Every event and every field of a log line. Levels are found where the code logs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import horus_supervisor
from horus_supervisor.crash_record import CrashRecord
from horus_supervisor.events import SENTENCES, Event
from reference.words import table

LEVELS = ("debug", "info", "warning", "error")

_HEAD = """
# Events and log fields

Every line on standard output is one JSON object (`[log] format = "json"`, or no terminal) of at
most 15 KiB, whoever wrote it: Horus, job code, what job code prints, a dying interpreter. Fields
are only ever added. `jq 'select(.level == "error")'` shows what deserves a look; the
[handbook](../operations.md) says what to do about each warning and error.
"""

EVERY_LINE = {
    "timestamp": "RFC 3339, UTC, microseconds",
    "level": "`debug`, `info`, `warning`, `error`",
    "event": "what happened, as listed below; a job's own lines have what it said",
    "message": "the same as a sentence",
    "service": "`[log] service`",
    "host": "the host's name",
    "supervisor": "the service's id, new at every start",
    "pid": "the process that the line is about",
    "truncated": "names of fields that were cut, as the line would have been longer than 15 KiB",
}

OF_A_RUNNER = {
    "runner": "group and number: `emails/2`",
    "group": "a group of the TOML file",
}

OF_A_JOB = {
    "job_id": "its id",
    "job": "its name",
    "queue": "its queue",
    "attempt": "1 at the first start; 0 where it was never started",
    "args": "its arguments as JSON; only with `[log] args = true`, and not in `runner.crashed`",
}

CRASH = tuple(name for name in CrashRecord.__struct_fields__ if name != "timestamp")

RUNNER, JOB = tuple(OF_A_RUNNER), tuple(OF_A_JOB)
CODE = ("app_version", "generation")

FIELDS: dict[Event, tuple[str, ...]] = {
    Event.JOB_STARTED: (*RUNNER, *JOB),
    Event.JOB_SUCCEEDED: (*RUNNER, *JOB, "duration_s", "wait_s"),
    Event.JOB_INTERRUPTED: (*RUNNER, *JOB, "disposition", "cause"),
    Event.JOB_DISCARDED: (*RUNNER, *JOB, "reason"),
    Event.JOB_DEFERRED: (*RUNNER, *JOB, "retry_at", "error_type", "error_message"),
    Event.JOB_FAILED: (*RUNNER, *JOB, "retry_at", "error_type", "error_message", "traceback"),
    Event.JOB_STALE: (*RUNNER, *JOB),
    Event.JOB_UNKNOWN_FIELDS: (*RUNNER, *JOB, "fields"),
    Event.JOB_CRASHED: (
        *(*RUNNER, *JOB, "crash_id", "how", "cause", "signal", "exit_code", "disposition"),
        *("lost_host", "lost_supervisor"),
    ),
    Event.JOB_DEAD: (*RUNNER, *JOB, "reason", "crash_id"),
    Event.JOB_TIMED_OUT: (*RUNNER, *JOB, "timeout_s"),
    Event.CLASS_RESUMED: ("job",),
    Event.SUPERVISOR_STARTED: ("version", "config", "user", "umask"),
    Event.SUPERVISOR_AS_ROOT: (),
    Event.SUPERVISOR_READY: ("runners",),
    Event.SUPERVISOR_RELOADED: ("config", "changes", "needs_restart"),
    Event.SUPERVISOR_STOPPING: ("signal", "shutdown_timeout_s"),
    Event.SUPERVISOR_STOPPED: (),
    Event.CONFIG_REJECTED: ("config", "mistakes"),
    Event.SUPERVISOR_FAULT: ("traceback",),
    Event.SUPERVISOR_STARVED: ("error",),
    Event.SPOOL_FAULT: (*RUNNER, "file", "error"),
    Event.SPOOL_KEPT: ("files", "folder", "home"),
    Event.TEMPLATE_SLOW: ("modules", "waited_s"),
    Event.TEMPLATE_READY: ("jobs", "job_names", "threads", "took_s", "code", *CODE, "failures"),
    Event.TEMPLATE_UNSAFE: ("module", "left"),
    Event.TEMPLATE_FAILED: ("error", "failures", "delay_s", "traceback", "generation"),
    Event.RELOAD_BEGUN: ("modules", "generation"),
    Event.RELOAD_LATER: (),
    Event.RELOAD_ROLLED: (*RUNNER, "rolled", "runners"),
    Event.RELOAD_DONE: ("runners", "took_s", *CODE),
    Event.RELOAD_FAILED: ("error", *CODE, "runner", "runner_pid"),
    Event.RELOAD_UNDONE: ("took_s",),
    Event.RUNNER_STARTED: (*RUNNER, "queues", *CODE),
    Event.RUNNER_EXITED: (*RUNNER, "jobs_done", "uptime_s"),
    Event.RUNNER_RECYCLED: (*RUNNER, "reason", "jobs_done"),
    Event.RUNNER_CRASHED: ("how", *CRASH),
    Event.RUNNER_STUCK: (*RUNNER, *JOB, "silent_s"),
    Event.RUNNER_UNKILLABLE: (*RUNNER, *JOB, "doing"),
    Event.RUNNER_UNLIMITED: (*RUNNER, "setting", "error"),
    Event.ORPHAN_ENDED: ("name", "left_by"),
    Event.CHILD_EXITED: ("child", "how", "output_tail", "delay_s"),
    Event.CHILD_STUCK: ("child", "silent_s"),
    Event.CRASH_LOOP: (*RUNNER, "delay_s", "job"),
    Event.OUTPUT: (*RUNNER, *JOB, "child", "text", "cut"),
    Event.LOG_DROPPED: ("count",),
    Event.REDIS_LOST: (*RUNNER, "error"),
    Event.REDIS_RESTORED: RUNNER,
    Event.REDIS_EVICTS: ("policy",),
    Event.SNAPSHOT: (
        *(*RUNNER, *JOB, "slot", "queues", "state", "since", "app_version", "jobs_done"),
        "rss_bytes",
    ),
}
"""Event -> its own fields beside those of every line. The service's tests compare their logs."""

MEANING = {
    "app_version": "the application's version: the first `__version__` of a module in `imports`",
    "changes": "which groups changed, and how",
    "child": "`template`, `keeper` or `embedded redis`",
    "code": "a hash of the job modules' text",
    "config": "the TOML file",
    "count": "how many",
    "cut": "true where the line goes on in the next one",
    "delay_s": "seconds until the next try",
    "doing": "what the kernel saw the process do",
    "duration_s": "seconds that `execute` took",
    "error": "what went wrong, in words",
    "error_message": "the exception's text",
    "error_type": "the exception's class",
    "failures": "imports in a row that failed",
    "fields": "names of fields",
    "file": "a file in `state_dir`",
    "files": "files in `state_dir`",
    "folder": "where they are",
    "generation": "which code: 1 at the start, one more with each SIGHUP",
    "home": "the Redis and namespace that they belong to",
    "how": "how the process ended, in words",
    "job_names": "the job classes that were imported",
    "jobs": "how many job classes were imported",
    "jobs_done": "jobs that this process has ended",
    "left": "what importing the module left behind: threads, connections, signal handlers",
    "left_by": "the runner whose job started it",
    "lost_host": "the host that is gone",
    "lost_supervisor": "the supervisor that is gone",
    "mistakes": "every mistake of the file, a sentence each",
    "module": "a module of `imports`",
    "modules": "the modules that are imported",
    "name": "the program's name",
    "needs_restart": "keys that were edited and hold from the next start on",
    "queues": "the queues that it serves",
    "policy": "Redis's `maxmemory-policy`",
    "reason": "why",
    "retry_at": "when it is tried again; null where it is not",
    "rolled": "how many runners have the new code",
    "rss_bytes": "its memory now: the resident size, with what it shares with other runners",
    "runner_pid": "the process of that runner",
    "runners": "how many runners serve",
    "setting": "a key of the group",
    "shutdown_timeout_s": "seconds that running jobs have to finish",
    "silent_s": "seconds without a sign of life",
    "since": "when that began",
    "slot": "its row in the scoreboard",
    "state": "what it does: `idle`, `executing`, `finishing`, `starting`, `stopping`, `backoff`",
    "text": "what was written",
    "threads": "threads that the import left running; they don't exist in runners",
    "timeout_s": "the job's timeout",
    "took_s": "seconds that it took",
    "traceback": "the Python stack",
    "uptime_s": "age of the process",
    "version": "Horus's version",
    "user": "whom the service runs as; its number where it has no name",
    "umask": "what is kept from others of the files that the service and its jobs make; octal",
    "wait_s": "seconds from when the job was due to its start",
    "waited_s": "seconds so far",
}
"""Field -> what it is; a crash record's are on its own page."""


def page() -> str:
    """Make the page."""
    assert not (new := set(Event) - FIELDS.keys()), f"say in FIELDS what these carry: {new}"
    meant = [(f"`{name}`", MEANING[name]) for name in sorted(MEANING)]
    return "\n\n".join(
        [
            _HEAD.strip(),
            "## In every line",
            _fields(EVERY_LINE),
            "A runner's lines have these too:",
            _fields(OF_A_RUNNER),
            "and a job's, those that it writes through `current_job().log` included:",
            _fields(OF_A_JOB),
            "## Events",
            "What each has beside those above. `runner.crashed` has what is known of its "
            "[crash record](crash-record.md) by then.",
            table(("event", "level", "says", "has"), _events()),
            "## Their fields",
            table(("field", "is"), meant),
        ]
    )


def _fields(named: dict[str, str]) -> str:
    return table(("field", "is"), [(f"`{name}`", words) for name, words in named.items()])


def _events() -> Iterator[tuple[str, str, str, str]]:
    found = levels()
    common = {*OF_A_RUNNER, *OF_A_JOB}
    for event in Event:
        own = [name for name in FIELDS[event] if name not in common]
        if event is Event.RUNNER_CRASHED:
            own = ["how"]
        level = " or ".join(sorted(found.get(event, ()), key=LEVELS.index)) or "not logged yet"
        yield f"`{event}`", level, SENTENCES[event], ", ".join(f"`{name}`" for name in own)


@cache
def levels() -> dict[Event, frozenset[str]]:
    """Find at which levels the code logs each event."""
    found: dict[Event, frozenset[str]] = {}
    for file in Path(horus_supervisor.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr=level),
                    args=[ast.Attribute(value=ast.Name(id="Event"), attr=name), *_],
                ) if level in LEVELS:
                    event = Event[name]
                    found[event] = found.get(event, frozenset()) | {level}
    return found
