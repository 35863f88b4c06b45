"""What a file would run, in plain text, for ``horus-supervisor --check``. Shows no password."""

from __future__ import annotations

from horus_supervisor.config.schema import Config, GroupConfig
from horus_supervisor.config.units import format_duration, format_size

_HEAD = ("GROUP", "RUNNERS", "QUEUES", "TIMEOUT", "MAX JOBS", "MAX MEMORY", "CRASHES")


def describe(config: Config) -> str:
    """Write what would run, and then what is worth a second look; lines end without white space."""
    rows = [_HEAD, *map(_row, config.groups)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEAD))]
    table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    facts = [
        f"{config.file}",
        f"redis      {_where(config.redis.url)}, namespace {config.redis.namespace}",
        f"imports    {', '.join(config.supervisor.imports) or 'nothing'}",
        f"state_dir  {config.supervisor.state_dir}",
    ]
    doubts = [f"note: {doubt}" for doubt in notes(config)]
    return "\n".join(
        [*facts, "", *(table if config.groups else ["no groups"]), "", *doubts]
    ).strip()


def notes(config: Config) -> list[str]:
    """Tell what is allowed, and may not be what was meant; a sentence each."""
    found = []
    if not any(group.runners for group in config.groups):
        found.append("no runners: nothing will run; give [queues] a queue = number of runners")
    if not config.supervisor.imports:
        found.append("supervisor.imports is empty: no runner will know any job class")
    for group in config.groups:
        if group.order == "strict":
            found.append(f"groups.{group.name}: strict order is not acted upon yet; by weights")
        if group.hard_memory is not None:
            found.append(f"{group.name}: hard_memory is not enforced yet")
    return found


def _row(group: GroupConfig) -> tuple[str, ...]:
    return (
        group.name,
        str(group.runners),
        ", ".join(group.queues),
        "none" if group.job_timeout_s is None else format_duration(group.job_timeout_s),
        "none" if group.max_jobs is None else str(group.max_jobs),
        "none" if group.max_memory is None else format_size(group.max_memory),
        str(group.max_crashes),
    )


def _where(url: str) -> str:
    """Show a URL without what may be a user or a password, and without its options."""
    scheme, separator, rest = url.partition("://")
    place, _, options = rest.partition("?")
    if not separator:
        return url
    return f"{scheme}://…" if "@" in options else f"{scheme}://{place.rpartition('@')[2]}"
