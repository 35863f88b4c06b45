"""Thousands of deaths and hundreds of reloads under load, and what is left of them: nothing.

A death is a job that brings down its runner in one of ten ways, a kill from outside in the middle
of a job, or one of an idle runner; templates and keepers are killed too. A reload is an edit of the
file (a group shrinks, grows, gets other settings, or the file has mistakes) or a SIGHUP. These come
in the first half, so that the last template lives through the other one. Memory and descriptors are
counted when all is quiet: after a tenth, after a half, and at the end.
"""

from __future__ import annotations

import os
import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.soak.apps import jobs
from tests.soak.books import Books, Entry
from tests.soak.log import Log
from tests.support import processes
from tests.support.redis_server import RedisServer
from tests.support.service import Service
from tests.support.waiting import wait_until

GROWTH_KB = 1024
"""How much larger a process may have become: less than 300 bytes a death, of thousands."""

KILLED_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGQUIT)

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it. A group restarts twice its runners at once, and one a second."""

    deaths: int
    reloads: int
    groups: int
    runners: int
    seed: int

    @property
    def deaths_a_second(self) -> float:
        """So many as cost no group its credit, on the whole; all at once where that is enough."""
        return 0.7 * self.groups if self.groups > 2 else self.deaths


def plan(deaths: int, reloads: int, seed: int) -> Plan:
    """Plan so many; few come from few groups, whose first restarts are enough."""
    groups = 2 if deaths <= 50 else 40
    return Plan(deaths, reloads, groups, max(deaths // 4, 2) if groups == 2 else 2, seed)


def toml(plan: Plan, *, short: int | None = None, nice: int = 0) -> str:
    """Write all groups; the one called ``short`` lacks a runner, and all of ``a`` are that nice."""
    lines = ["[defaults]", "hold_after = 0", 'kill_after = "300ms"', 'crash_delay = "100ms"']
    lines += ['hard_memory = "96MiB"', ""]
    for at in range(plan.groups):
        runners = plan.runners - (at == short)
        lines += [f"[groups.g{at}]", 'queues = ["work", "deaths"]', f"runners = {runners}"]
        lines += [f"nice = {nice}" if at == 0 else "", ""]
    return "\n".join([*lines, "[groups.idle]", 'queues = ["none"]', f"runners = {plan.runners}"])


class Soak:
    """The run, and the books of it."""

    def __init__(self, plan: Plan, service: Service, redis: RedisServer, tell: Tell) -> None:
        self.plan = plan
        self.service = service
        self.log = Log([service.log])
        self.books = Books(redis.url, service.namespace, service.folder)
        self.tag = f"HORUS_SOAK={uuid.uuid4().hex}"
        self._tell = tell
        self._chosen = random.Random(plan.seed)
        self._waits: list[Entry] = []
        self._died: list[Entry] = []
        self._idle_killed = 0
        self._programs_killed: Counter[str] = Counter()
        self._sizes: list[dict[str, tuple[int, int]]] = []
        self._edits = self._hups = 0
        self._answers = 0  # that edits and SIGHUPs will have had
        self._nice = 0
        self._good_file = True

    def run(self) -> list[str]:
        """Do it all; say what is wrong in the end."""
        name, _, value = self.tag.partition("=")
        self._write()
        self.service.start(ready=False, env={name: value})
        self.wait(lambda: self.log.events["supervisor.ready"], "ready")
        for until, sighups in ((0.1, False), (0.5, True), (1.0, False)):
            self._spell(until, sighups=sighups)
            self._be_quiet()
            self._sizes.append(self._measure())
            self._tell(f"{len(self._died)} deaths, {self._reloads} reloads: {self._sizes[-1]}")
        faults = [*self._of_growth(), *self._of_processes(), *self._of_records()]
        faults += self.books.faults()
        status = self.service.stop(within_s=30)
        self.log.look()
        return [*faults, *self._of_the_end(status)]

    # --- doing ---------------------------------------------------------------------------------

    def wait(self, done: Callable[[], object], what: str, within_s: float = PATIENCE_S) -> None:
        """Wait with an eye on the log; fails with its end."""

        def look() -> object:
            self.log.look()
            return done()

        wait_until(look, what, within_s, on_failure=self.log.tail)

    @property
    def _reloads(self) -> int:
        return self._edits + self._hups

    def _spell(self, until: float, *, sighups: bool) -> None:
        """Go on until so much of all is done: deaths at their pace, reloads one after the other."""
        began, had = time.monotonic(), len(self._died) + self._idle_killed
        deaths, reloads = round(self.plan.deaths * until), round(self.plan.reloads * until)

        def turn() -> bool:
            self.log.look()
            self.books.work("work", 20)
            self._kill_from_outside()
            due = had + (time.monotonic() - began) * self.plan.deaths_a_second + self.plan.runners
            while (done := len(self._died) + self._idle_killed) < min(deaths, due):
                self._one_death(done)
            if self._reloads < reloads and self._answered():
                self._one_reload(sighups and self._reloads % 10 == 0)
            return done >= deaths and self._reloads >= reloads and not self._waits

        within_s = PATIENCE_S + 3 * deaths / self.plan.deaths_a_second + 10 * reloads
        wait_until(
            turn, f"{deaths} deaths and {reloads} reloads", within_s, on_failure=self.log.tail
        )

    def _one_death(self, number: int) -> None:
        kind = number % 14
        if kind == 13 and self._kill_idle():
            return
        if kind >= 10:
            entry = self.books.put(jobs.Wait, "deaths")
            self._waits.append(entry)
        else:
            how = list(jobs.WAYS)[kind]
            timeout = 0.5 if how in jobs.LATE else 300
            entry = self.books.put(jobs.Die, "deaths", how=how, max_attempts=1, timeout=timeout)
        self._died.append(entry)
        if number % 101 == 100:
            self._kill_program(("horus-template", "horus-keeper")[number % 2])

    def _kill_idle(self) -> bool:
        idle = [pid for pid, group in self.log.alive.items() if group == "idle"]
        if not idle or processes.state(idle[0]) != "S":
            return False
        os.kill(idle[0], signal.SIGKILL)
        self.log.alive[idle[0]] = "killed"
        self._idle_killed += 1
        return True

    def _kill_program(self, name: str) -> None:
        if pid := processes.program(self.service.pid, name):
            os.kill(pid, signal.SIGKILL)
            self._programs_killed[name] += 1

    def _kill_from_outside(self) -> None:
        """Kill those that wait for it, once each is in the middle of its job."""
        if not self._waits:
            return
        notes = self.books.notes()
        for entry in self._waits[:]:
            if begun := notes.get(entry.number):
                os.kill(begun[0][1], self._chosen.choice(KILLED_FROM_OUTSIDE))
                self._waits.remove(entry)

    def _answered(self) -> bool:
        seen = self.log.events
        ended = seen["reload.done"] + seen["reload.undone"]
        return (
            seen["supervisor.reloaded"] + seen["supervisor.config_rejected"] >= self._answers
            and ended + self._failed_imports() >= self._hups
        )

    def _failed_imports(self) -> int:
        return self.log.events["reload.failed"] - self.log.events["reload.undone"]

    def _one_reload(self, sighup: bool) -> None:
        if sighup and self._good_file:
            self._hups += 1
            self._answers += 1
            self.service.signal(signal.SIGHUP)
            return
        self._edits += 1
        if self._edits % 5 == 0:
            self.service.config.write_text(self.service.config.read_text() + "\nno TOML")
            self._answers += 1
            self._good_file = False
            return
        self._nice = (self._nice + (self._edits % 5 == 4)) % 10
        self._write(short=self._edits % self.plan.groups)

    def _write(self, short: int | None = None) -> None:
        self._good_file = True
        groups = toml(self.plan, short=short, nice=self._nice)
        before = self.service.config.read_bytes() if self.service.config.exists() else None
        self.service.write(groups, log='level = "info"', imports=jobs.__name__)
        self._answers += before not in (None, self.service.config.read_bytes())

    def _be_quiet(self) -> None:
        """Wait until all is done, and every runner wanted sits idle by the file in force."""
        self.wait(self._answered, "an answer to the last reload")
        self._write()
        self.wait(self._answered, "the file as it was first")
        wanted = (self.plan.groups + 1) * self.plan.runners
        self.wait(lambda: self.books.settle() and not self.books.left(), "all jobs ended")
        deaths = len(self._died) + self._idle_killed
        for event in ("runner.crashed", "job.crashed"):
            self.wait(lambda: self.log.events[event] >= deaths, f"{deaths} {event}")  # noqa: B023
        self.wait(lambda: len(self.log.alive) == wanted, f"{wanted} runners")
        self.wait(self._as_nice_as_wanted, "the newest settings in force")
        pid = self.service.pid
        known = self.log.alive.keys()
        self.wait(lambda: known == set(processes.runners(pid)), "each has its name", 30)
        self.wait(lambda: len(processes.offspring(pid)) == wanted + 2, "no other child", 30)
        told = lambda: processes.pidfds(self._program("horus-keeper")) == wanted  # noqa: E731
        self.wait(told, "the keeper was told of each", 30)

    def _as_nice_as_wanted(self) -> bool:
        """Whether those whose settings changed have given way to successors."""
        pids = [pid for pid, group in self.log.alive.items() if group == "g0"]
        try:
            found = {os.getpriority(os.PRIO_PROCESS, pid) for pid in pids}
        except ProcessLookupError:
            return False
        return found == {self._nice}

    # --- looking -------------------------------------------------------------------------------

    def _measure(self) -> dict[str, tuple[int, int]]:
        """Descriptors, and memory of its own in KiB, of each of the three."""
        pids = {"supervisor": self.service.pid}
        for called in ("horus-keeper", "horus-template"):
            self.wait(lambda: self._program(called), called)  # noqa: B023
            pids[called] = self._program(called)
        return {n: (processes.descriptors(p), processes.own_kb(p)) for n, p in pids.items()}

    def _program(self, called: str) -> int:
        return processes.program(self.service.pid, called) or 0

    def _of_growth(self) -> Iterator[str]:
        """Nothing is left open, and nobody grows. Who was replaced meanwhile began anew."""
        for called, (descriptors, own_kb) in self._sizes[-1].items():
            for before, before_kb in (sizes[called] for sizes in self._sizes[:-1]):
                if descriptors > before:
                    yield f"{called} has {descriptors} descriptors open, and had {before}"
                if own_kb > before_kb + GROWTH_KB:
                    yield f"{called} has {own_kb} KiB of its own, and had {before_kb}"

    def _of_processes(self) -> Iterator[str]:
        """No zombie, no orphan, no lost child."""
        children = processes.offspring(self.service.pid)
        if zombies := [pid for pid in children if processes.state(pid) == "Z"]:
            yield f"zombies: {zombies}"
        if lost := set(self.log.alive) ^ set(processes.runners(self.service.pid)):
            yield f"runners that only the log or only the kernel knows: {lost}"
        ours = {self.service.pid, *children}
        if strangers := {
            pid: processes.name(pid) for pid in processes.tagged(self.tag) if pid not in ours
        }:
            yield f"orphans: {strangers}"

    def _of_records(self) -> Iterator[str]:
        """As many records as deaths; each death of a job has one, in the log and in Redis."""
        deaths = len(self._died) + self._idle_killed
        crashed, told = self.log.kept["runner.crashed"], self.log.kept["job.crashed"]
        counts = {
            "runner.crashed": len(crashed),
            "their crash ids": len({line["crash_id"] for line in crashed}),
            "job.crashed": len(told),
            "records in Redis": self.books.records_ever(),
        }
        for what, count in counts.items():
            if count != deaths:
                yield f"{count} {what} of {deaths} deaths"
        for name, lines in (("runner.crashed", crashed), ("job.crashed", told)):
            blamed = Counter(line["job_id"] for line in lines if line.get("job_id"))
            if blamed != Counter(entry.job_id for entry in self._died):
                yield f"{name} names other jobs than those that died"
        for event in ("supervisor.fault", "log.dropped", "runner.unkillable"):
            yield from map(str, self.log.kept[event])

    def _of_the_end(self, status: int) -> Iterator[str]:
        if status:
            yield f"the service ended with {status}"
        if left := {pid: processes.name(pid) for pid in processes.tagged(self.tag)}:
            yield f"processes that outlived the service: {left}"
        if left_files := list((self.service.folder / "state" / "spool").glob("*")):
            yield f"left in the spool: {left_files}"


Tell = Callable[[str], None]


@contextmanager
def soaking(plan: Plan, folder: Path, tell: Tell) -> Iterator[Soak]:
    """A soak in a folder, with its Redis; both are ended, whatever happens."""
    redis = RedisServer(folder / "redis")
    redis.start()
    service = Service(folder, redis.url, "soak")
    soak = Soak(plan, service, redis, tell)
    try:
        yield soak
    finally:
        soak.books.close()
        service.stop(within_s=30)
        redis.kill()
