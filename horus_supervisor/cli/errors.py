"""How a command fails: what it says on standard error, and with which exit status."""

from __future__ import annotations

import re
import shlex
from enum import IntEnum

import click

from horus_supervisor import errors
from horus_supervisor.cli import output
from horus_supervisor.cli.place import Place
from horus_supervisor.cli.typed import SERVICE
from horus_supervisor.errors import HorusError


class Exit(IntEnum):
    """The exit statuses of ``horus``; 0 is success."""

    FAILED = 1
    USAGE = 2
    UNHEALTHY = 3
    NOT_FOUND = 4
    AWAY = 5
    INTERRUPTED = 130


class Failure(click.ClickException):
    """What a person is told: what and where (``message``), and what to try (``hint``)."""

    def __init__(self, message: str, code: Exit, hint: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.kind = kind or code.name.lower()


def usage(message: str, hint: str = "") -> Failure:
    """Make the failure of a command that was typed wrongly."""
    return Failure(message, Exit.USAGE, hint)


def in_words(error: HorusError, place: Place | None = None) -> Failure:
    """Turn an error of Horus into a failure; ``place`` says in which file the address stands."""
    code, hint = _code_and_hint(error, place)
    told = _with_origin(error.what, place)
    return Failure(told, code, hint or error.remedy, type(error).__name__)


def _code_and_hint(error: HorusError, place: Place | None) -> tuple[Exit, str]:
    again = place.again if place else "horus"
    match error:
        case errors.ServiceNotRunning():
            return Exit.AWAY, place.start if place and place.start != SERVICE else ""
        case errors.EnqueueUnknown():
            return Exit.AWAY, f"the same command with --id {error.job_id}: repeating is safe"
        case errors.ReplyLost():
            return Exit.AWAY, error.remedy or "the same command again: repeating is safe"
        case errors.RedisAway():
            return Exit.AWAY, error.remedy or f"{again} doctor"
        case errors.RedisRefused():
            return Exit.FAILED, error.remedy or f"{again} doctor"
        case errors.QueueFull():
            return Exit.FAILED, "raise Redis's maxmemory; what waits is still worked off"
        case errors.ConfigError():
            file = shlex.quote(error.details[0].file) if error.details else "FILE"
            return Exit.USAGE, f"horus-supervisor -c {file} --check"
        case ValueError() | TypeError():  # a payload, a job class, a URL
            return Exit.USAGE, ""
    return Exit.FAILED, ""


def _with_origin(message: str, place: Place | None) -> str:
    """Add where the address was read, behind the address: ``r1:6379 (config.toml:3)``."""
    if place is None:
        return message
    safe = place.address.safe
    return message.replace(safe, f"{safe} ({place.origin()})", 1)


def of_click(error: click.ClickException, verb: str) -> Failure:
    """Turn click's own errors (a wrong option, a missing argument) into a failure.

    ``verb``: the one that was typed, for errors that don't say where they were found, or what to
    try: its help does.
    """
    its_help = " ".join(filter(None, ["horus", verb, "--help"]))
    if isinstance(error, Failure):
        if error.code == Exit.USAGE:
            error.hint = error.hint or its_help
        return error
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return usage(error.format_message(), its_help)
    return usage(error.format_message(), _where_it_belongs(error, context))


def _where_it_belongs(error: click.ClickException, context: click.Context) -> str:
    """Say behind which option a stray word belongs, where there is one; else where to read."""
    options = {flag for param in context.command.params for flag in param.opts}
    stray = re.fullmatch(r"Got unexpected extra arguments? \((.*)\)", error.format_message())
    if stray and "--args" in options:
        return f"""{context.command_path} JOB --args '{{"field": "value"}}'"""
    if stray and "--queue" in options and " " not in stray[1]:
        return f"{context.command_path} --queue {shlex.quote(stray[1])}"
    return f"{context.command_path} --help"


def tell(failure: Failure, as_json: bool) -> None:
    """Write a failure to standard error: two lines for people, or one object."""
    if as_json:
        import json

        facts = {"kind": failure.kind, "code": int(failure.code), "message": failure.message}
        click.echo(json.dumps({"schema": 1, "error": {**facts, "try": failure.hint}}), err=True)
        return
    output.note(failure.message, failure.hint)
