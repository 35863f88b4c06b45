"""Does everything add up, and will somebody do it? Pure: what is in Redis in, findings out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from horus_supervisor.cli.findings import Finding, error, ok, warning
from horus_supervisor.cli.house import House
from horus_supervisor.cli.output import count, jobs_wait
from horus_supervisor.cli.typed import RELOAD, SERVICE
from horus_supervisor.cli.verdict import next_if_empty, next_if_refused, refusal
from horus_supervisor.store.overview import Overview


def conservation(overview: Overview) -> Iterator[Finding]:
    """Compare what was enqueued with what is anywhere, queue by queue, at one moment."""
    wrong = 0
    for row in overview.queues:
        running = sum(held.queue == row.queue for held in overview.slots.values() if held)
        over, waiting = row.succeeded + row.discarded, row.ready + row.scheduled
        missing = row.enqueued - over - waiting - row.dead - running
        if missing:
            wrong += 1
            parts = (
                f"{row.enqueued:,} enqueued, {over:,} over, {waiting:,} waiting,"
                f" {running:,} running, {row.dead:,} dead"
            )
            how = "missing" if missing > 0 else "too many"
            what = f"{row.queue}: {count(abs(missing), 'job')} {how} ({parts})"
            why = "jobs were lost or doubled: by a failover, by hand, or by us: then tell us"
            yield error("sum", what, why, f"horus jobs --queue {row.queue}")
    if not wrong:
        total = sum(row.enqueued for row in overview.queues)
        queues = count(len(overview.queues), "queue")
        yield ok("sum", f"{count(total, 'job')} in {queues}: each is in one place")


def unserved(house: House) -> Iterator[Finding]:
    """Find work that no runner will take, though there is a service, and queues that are paused."""
    found = False
    for queue in house.queues:
        work = queue.ready + queue.scheduled
        if queue.paused:
            found = True
            what = f"{queue.queue} is paused, and {jobs_wait(work)}"
            yield warning("queues", what, "somebody did that", f"horus resume {queue.queue}")
        elif work and house.alive and not house.serves(queue.queue):
            found = True
            what = f"{queue.queue}: {count(work, 'job')} that no runner serves"
            hint = f"[queues] {queue.queue} = 1 in the file, or horus work -q {queue.queue}"
            yield error("queues", what, "it waits for ever", hint)
    if not (found or house.nobody):
        yield ok("queues", f"{count(len(house.queues), 'queue')}, none with work unserved")


def strangers(house: House, waiting: Mapping[str, Iterable[str]]) -> Iterator[Finding]:
    """Find waiting jobs whose class nobody who serves their queue imports; as the house does."""
    found = house.strangers(waiting)
    for queue, name in found:
        why = "it goes back to its queue until unknown_job_after has passed, then it is dead"
        hint = f"add the module of {name} to [supervisor] imports, then {RELOAD}"
        what = f"{queue}: {name} waits, and no service that serves it imports it"
        yield error("classes", what, why, hint)
    if not found:
        yield ok("classes", "no job waits whose class nobody imports")


def held(house: House) -> Iterator[Finding]:
    """Find classes whose jobs are left alone, as they brought down runner after runner."""
    for name, jobs in sorted(house.held.items()):
        what = f"{name} is held back: {jobs_wait(jobs)}"
        why = (
            "it brought down runner after runner: none starts before other code comes, or your word"
        )
        yield error("classes", what, why, f"horus resume --job {name}")


def services(house: House) -> Iterator[Finding]:
    """Find services of which only a row in Redis is left, and whether one lives."""
    for one in house.supervisors:
        if one.silent:
            what = f"{one.told.host}: the service {one.supervisor} says nothing"
            why = "its jobs wait until another service takes them over, after the lease"
            yield warning("services", what, why, "horus status")
        elif one.told.unread and one.serving:
            what = f"{one.told.host}: {one.told.not_ready}"
            why = "its reader stands still, or its disk is full"
            yield error("services", what, why, "df -h; systemctl status systemd-journald")
        elif one.lacking and one.told.not_ready:
            what = f"{one.told.host}: {one.lacking}"
            yield error("services", what, "it works nothing off", next_if_empty(one))
        if one.told.refused and one.serving:
            what = f"{one.told.host}: {refusal(one, house.now_ms)}"
            why = "the code from before it serves until the next SIGHUP"
            yield warning("code", what, why, next_if_refused(one))
    why = "nothing is worked off"
    if house.alive:
        yield ok("services", f"{count(len(house.alive), 'service')} alive")
    elif house.nobody:
        yield error("services", house.nobody, why, SERVICE)
    else:
        yield warning("services", house.absent, why, SERVICE)
