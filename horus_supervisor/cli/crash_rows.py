"""Crash records as rows, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from horus_supervisor.store import operations

if TYPE_CHECKING:
    from horus_supervisor.cli.wiring import Store

FIELDS = (
    *("crash_id", "timestamp", "host", "supervisor", "runner", "group", "pid"),
    *("cause", "signal", "exit_code", "core_dumped"),
    *("job_id", "job", "queue", "attempt", "args", "started_at", "ran_for_s"),
    *("disposition", "traceback", "output_tail"),
    *("uptime_s", "jobs_done", "max_rss_bytes", "user_cpu_s", "system_cpu_s"),
    *("app_version", "python_version"),
)

Record = dict[str, Any]

PAGE = 100
"""Most records that one call reads: of 24 KiB each at most, and Redis serves nobody meanwhile."""


def pages(
    store: Store, most: int = 1_000_000, since_ms: int | None = None
) -> Iterator[list[Record]]:
    """Read records page by page, the newest first."""
    last = ""
    for read in range(0, most, PAGE):
        limit = min(PAGE, most - read)
        call = operations.crashes(store.namespace, limit, since_ms, last)
        page, last = store.run(call)
        yield page
        if len(page) < limit:
            return


def newest(store: Store, most: int, since_ms: int | None) -> list[Record]:
    """Read so many records, ``since_ms`` ago or later."""
    return [record for page in pages(store, most, since_ms) for record in page]


def how(record: Record) -> str:
    """Say how a runner died: ``SIGSEGV``, ``exit 3``, ``timeout``."""
    match record.get("cause"):
        case "signal" if record.get("signal"):
            return str(record["signal"])
        case "exit" if record.get("exit_code") is not None:
            return f"exit {record['exit_code']}"
    return str(record.get("cause") or "unknown")


def whole(record: Record) -> Record:
    """Give a record with every field of the interface, null where it has none, and what it adds."""
    return {**dict.fromkeys(FIELDS), **record, "output_tail": record.get("output_tail") or []}


def alike(record: Record, others: Iterable[Record]) -> list[Record]:
    """Give those in which the same job died in the same way, the record itself among them."""
    key = (record.get("job"), how(record))
    return [other for other in others if (other.get("job"), how(other)) == key]


def kinds(records: Iterable[Record], by: str) -> list[Record]:
    """Count records by ``job``, ``cause`` or ``host``, the most frequent first.

    ``records`` come newest first; causes are told apart by signal and exit code.
    """
    found: dict[Any, list[Record]] = {}
    for record in records:
        key = (record.get("cause"), how(record)) if by == "cause" else record.get(by)
        found.setdefault(key, []).append(record)
    rows = [_kind(group, by) for group in found.values()]
    return sorted(rows, key=lambda row: -row["count"])


def _kind(group: list[Record], by: str) -> Record:
    newest, oldest = group[0], group[-1]
    names = ("cause", "signal", "exit_code") if by == "cause" else (by,)
    return {
        **{name: newest.get(name) for name in names},
        "count": len(group),
        "jobs": len({record["job_id"] for record in group if record.get("job_id")}),
        "first_at": oldest.get("timestamp"),
        "last_at": newest.get("timestamp"),
        "hosts": sorted({str(record.get("host")) for record in group}),
    }
