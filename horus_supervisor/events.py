"""Every event that Horus logs, and its sentence. Data; the reference is made from it."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """The ``event`` of a log line."""

    JOB_STARTED = "job.started"
    JOB_SUCCEEDED = "job.succeeded"
    JOB_INTERRUPTED = "job.interrupted"
    JOB_DISCARDED = "job.discarded"
    JOB_DEFERRED = "job.deferred"
    JOB_UNKNOWN_FIELDS = "job.unknown_fields"
    JOB_FAILED = "job.failed"
    JOB_STALE = "job.stale"
    JOB_CRASHED = "job.crashed"
    JOB_DEAD = "job.dead"
    JOB_TIMED_OUT = "job.timed_out"
    SUPERVISOR_STARTED = "supervisor.started"
    SUPERVISOR_AS_ROOT = "supervisor.as_root"
    SUPERVISOR_READY = "supervisor.ready"
    SUPERVISOR_RELOADED = "supervisor.reloaded"
    SUPERVISOR_STOPPING = "supervisor.stopping"
    SUPERVISOR_STOPPED = "supervisor.stopped"
    CONFIG_REJECTED = "supervisor.config_rejected"
    SUPERVISOR_FAULT = "supervisor.fault"
    SUPERVISOR_STARVED = "supervisor.starved"
    SPOOL_FAULT = "spool.fault"
    SPOOL_KEPT = "spool.kept"
    RELOAD_BEGUN = "reload.begun"
    RELOAD_LATER = "reload.later"
    RELOAD_ROLLED = "reload.rolled"
    RELOAD_DONE = "reload.done"
    RELOAD_FAILED = "reload.failed"
    RELOAD_UNDONE = "reload.undone"
    TEMPLATE_SLOW = "template.slow"
    TEMPLATE_READY = "template.ready"
    TEMPLATE_UNSAFE = "template.unsafe"
    TEMPLATE_FAILED = "template.failed"
    RUNNER_STARTED = "runner.started"
    RUNNER_EXITED = "runner.exited"
    RUNNER_RECYCLED = "runner.recycled"
    RUNNER_CRASHED = "runner.crashed"
    RUNNER_STUCK = "runner.stuck"
    RUNNER_UNKILLABLE = "runner.unkillable"
    RUNNER_UNLIMITED = "runner.unlimited"
    ORPHAN_ENDED = "orphan.ended"
    CHILD_EXITED = "child.exited"
    CHILD_STUCK = "child.stuck"
    CRASH_LOOP = "crash_loop"
    CLASS_RESUMED = "class.resumed"
    OUTPUT = "output"
    LOG_DROPPED = "log.dropped"
    REDIS_LOST = "redis.lost"
    REDIS_RESTORED = "redis.restored"
    REDIS_EVICTS = "redis.evicts"
    SNAPSHOT = "snapshot"


_SENTENCES: dict[Event, str] = {
    Event.JOB_STARTED: "{job} started, attempt {attempt}",
    Event.JOB_SUCCEEDED: "{job} done in {duration_s} s",
    Event.JOB_INTERRUPTED: "{job} interrupted by a stop; {disposition}",
    Event.JOB_DISCARDED: "{job} discarded: {reason}",
    Event.JOB_DEFERRED: "no runner here knows {job}; left for others until {retry_at}",
    Event.JOB_UNKNOWN_FIELDS: "{job} has no {fields} here: kept in the job, and ignored",
    Event.JOB_FAILED: "{job} failed on attempt {attempt}: {error_type}",
    Event.JOB_STALE: "{job} was finished too late: another holds it or it is gone; nothing changed",
    Event.JOB_CRASHED: "{job} brought down {runner}: {how}; the job is {disposition}",
    Event.JOB_DEAD: "{job} is dead ({reason}); retry it with: horus retry {job_id}",
    Event.JOB_TIMED_OUT: "{job} is past its timeout of {timeout_s} s",
    Event.SUPERVISOR_STARTED: "horus-supervisor {version} reads {config} as {user}",
    Event.SUPERVISOR_AS_ROOT: "runs as root, and every job with it: give it a user of its own",
    Event.SUPERVISOR_READY: "serving {runners} runners",
    Event.SUPERVISOR_RELOADED: "{config} taken: {changes}",
    Event.SUPERVISOR_STOPPING: "{signal}: no new jobs; running ones have {shutdown_timeout_s} s, "
    "or until a second signal",
    Event.SUPERVISOR_STOPPED: "stopped in order",
    Event.CONFIG_REJECTED: "{config} has mistakes; the settings in force stay",
    Event.SUPERVISOR_FAULT: "can't happen, and did; the service goes on",
    Event.SUPERVISOR_STARVED: "{error}; it is tried again, and all else goes on",
    Event.SPOOL_FAULT: "{file}: {error}",
    Event.SPOOL_KEPT: "{files} belong to {home} and wait until it is served from here again",
    Event.RELOAD_BEGUN: "SIGHUP: loading {modules} afresh; the code in force serves meanwhile",
    Event.RELOAD_LATER: "SIGHUP: code is loaded afresh once the roll that goes on is over",
    Event.RELOAD_ROLLED: "{runner} runs the new code: {rolled} of {runners}",
    Event.RELOAD_DONE: "all runners run the new code, after {took_s} s",
    Event.RELOAD_FAILED: "the new code is not taken: {error}; the old code stays in force",
    Event.RELOAD_UNDONE: "all runners run the old code again, after {took_s} s",
    Event.TEMPLATE_SLOW: "importing {modules} takes over {waited_s} s: none of its runners yet",
    Event.TEMPLATE_READY: "job code imported in {took_s} s: {jobs} job classes",
    Event.TEMPLATE_UNSAFE: "importing {module} leaves {left}: do that in on_runner_start",
    Event.TEMPLATE_FAILED: "job code can't be imported: {error}",
    Event.RUNNER_STARTED: "{runner} serves {queues}",
    Event.RUNNER_EXITED: "{runner} left",
    Event.RUNNER_RECYCLED: "{runner} leaves for a fresh one: {reason}",
    Event.RUNNER_CRASHED: "{runner} died: {how}",
    Event.RUNNER_STUCK: "{runner} does not get on; no sign of life for {silent_s} s: killed",
    Event.RUNNER_UNKILLABLE: "{runner} was killed and does not end: {doing}; it keeps its seat",
    Event.RUNNER_UNLIMITED: "{runner} serves without {setting}, which can't be set: {error}",
    Event.ORPHAN_ENDED: "a job left {name} behind, and its runner is gone: killed",
    Event.CHILD_EXITED: "the {child} process ended: {how}; starting another",
    Event.CHILD_STUCK: "the {child} process has made no sign of life for {silent_s} s: killed",
    Event.CRASH_LOOP: "{group}: runners die faster than they are replaced; next try in {delay_s} s",
    Event.CLASS_RESUMED: "{job} was held back for other code than runs here now: it may run again",
    Event.OUTPUT: "written to standard output or error",
    Event.LOG_DROPPED: "lines dropped, as standard output is not read fast enough: {count}",
    Event.REDIS_LOST: "{error}; jobs that run go on, and are handed in when it is back",
    Event.REDIS_RESTORED: "Redis answers again",
    Event.REDIS_EVICTS: "when full, Redis throws jobs away: its maxmemory-policy is {policy}",
    Event.SNAPSHOT: "{runner} is {state}",
}

SENTENCES: dict[str, str] = {event.value: sentence for event, sentence in _SENTENCES.items()}
"""What ``message`` says, filled in with the line's own fields."""


def counted(number: int, one: str, many: str) -> str:
    """Say a number of things: ``1 runner``, ``2 runners``."""
    return f"{number} {one if number == 1 else many}"
