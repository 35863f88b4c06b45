"""An operator who lets loose all faults that there are, on a service with work.

What a seed chooses is the same each time; what comes of it is not. What was stopped, filled or
broken is mended again after seconds, as people would; what Horus promises to mend by itself is left
to it. In the end nothing may need a hand, and every job is accounted for.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from horus_supervisor.supervisor import probe
from tests.soak.apps import jobs
from tests.soak.books import Books
from tests.soak.log import Log
from tests.soak.unit import BROKEN_CODE, BROKEN_FILES, Unit
from tests.support import processes
from tests.support.waiting import wait_until

DEADLY = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT)
WORK = 15
RECOVERS_IN_S = 240.0
"""Two minutes are the longest that silence is borne; then jobs are tried again."""

WAYS = [how for how in jobs.WAYS if how != "leave a child"]
"""A child of a job may outlive supervisor and keeper, where they are killed together."""

Tell = Callable[[str], None]


class Operator:
    """Lets faults loose, and mends what was his own doing."""

    def __init__(self, unit: Unit, seed: int, tell: Tell, apart_s: tuple[float, float]) -> None:
        self.unit = unit
        self._apart_s = apart_s
        self.log = Log(unit.logs)
        self.books = Books(unit.url, "soak", unit.folder)
        self.done: Counter[str] = Counter()
        self._tell = tell
        self._choose = random.Random(seed)
        self._mends: list[tuple[float, Callable[[], None]]] = []
        self._next_at = 0.0
        self._faults = [
            (weight, name.removeprefix("_fault_"), getattr(self, name))
            for name, weight in WEIGHTS.items()
            if name != "_fault_full_disk" or unit.has_own_disk
        ]
        if not unit.has_own_disk:
            tell("no small disk can be mounted here: it is never full")

    def run(self, seconds: float) -> list[str]:
        """Let loose faults for so long; then say what is wrong."""
        self.unit.code()
        self.unit.write()
        self._until(lambda: self.log.events["supervisor.ready"], "ready", 60)
        end = time.monotonic() + seconds
        self._until(lambda: self._act(end), "the end of all faults", seconds + 60)
        self._tell(f"faults: {dict(sorted(self.done.items()))}")
        return self._recover()

    # --- turning -------------------------------------------------------------------------------

    def _until(self, done: Callable[[], object], what: str, within_s: float) -> None:
        def turn() -> object:
            self.unit.look()
            self.log.look()
            self.books.settle()
            return done()

        wait_until(turn, what, within_s, on_failure=self.log.tail)

    def _act(self, end: float) -> bool:
        """Do what is due."""
        now = time.monotonic()
        for mend in [mend for mend in self._mends if mend[0] <= now]:
            self._mends.remove(mend)
            mend[1]()
        self.books.work("work", WORK)
        if now >= self._next_at and self.unit.runs:
            weights = [weight for weight, _, _ in self._faults]
            [(_, name, fault)] = self._choose.choices(self._faults, weights)
            self._next_at = now + self._choose.uniform(*self._apart_s)
            with contextlib.suppress(ProcessLookupError):  # there is none now: nothing was done
                fault()
                self.done[name] += 1
        return now >= end

    def _mend(self, after: tuple[float, float], mend: Callable[[], None]) -> None:
        self._mends.append((time.monotonic() + self._choose.uniform(*after), mend))

    # --- faults --------------------------------------------------------------------------------

    def _fault_runner(self) -> None:
        number = self._choose.choice([*DEADLY, signal.SIGSTOP, signal.SIGTERM])
        os.kill(self._choose.choice(self._runners()), number)

    def _fault_all_runners(self) -> None:
        for pid in self._runners():
            os.kill(pid, signal.SIGKILL)

    def _fault_keeper(self) -> None:
        self._strike("horus-keeper", [*DEADLY, signal.SIGTERM, signal.SIGSTOP])

    def _fault_template(self) -> None:
        self._strike("horus-template", [*DEADLY, signal.SIGTERM, signal.SIGSTOP])

    def _fault_guard(self) -> None:
        if self._choose.random() < 0.8:
            self._strike("horus-redis", [*DEADLY, signal.SIGTERM])
        else:
            self._freeze(partial(os.kill, self._program("horus-redis")))

    def _runners(self) -> list[int]:
        return _some(processes.runners(self.unit.pid))

    def _program(self, name: str) -> int:
        return _some(filter(None, [processes.program(self.unit.pid, name)]))[0]

    def _strike(self, name: str, numbers: list[signal.Signals]) -> None:
        os.kill(self._program(name), self._choose.choice(numbers))

    def _freeze(self, send: Callable[[int], None]) -> None:
        """Stop the process that ``send`` signals; it goes on seconds later, if it is there yet."""
        send(signal.SIGSTOP)
        self._mend((0.5, 5.0), lambda: _go_on(send))

    def _fault_supervisor(self) -> None:
        self.unit.signal(self._choose.choice([*DEADLY, signal.SIGTERM, signal.SIGINT]))

    def _fault_supervisor_stands_still(self) -> None:
        self._freeze(self.unit.signal)

    def _fault_supervisor_and_keeper(self) -> None:
        keeper = partial(os.kill, self._program("horus-keeper"))
        both: list[Callable[[int], None]] = [keeper, self.unit.signal]
        self._choose.shuffle(both)
        for send in both:
            send(signal.SIGKILL)

    def _redis(self) -> int:
        return _some(processes.offspring(self._program("horus-redis")))[0]

    def _fault_redis_ends(self) -> None:
        os.kill(self._redis(), self._choose.choice([signal.SIGKILL, signal.SIGTERM]))

    def _fault_redis_stands_still(self) -> None:
        self._freeze(partial(os.kill, self._redis()))

    def _fault_file(self) -> None:
        most, risky = self._choose.randint(1, 6), self._choose.randint(0, 4)
        self.unit.write(most, risky, self._choose.randint(0, 5))

    def _fault_broken_file(self) -> None:
        self.unit.spoil(self._choose.choice(BROKEN_FILES))
        self._mend((0.5, 3.0), self.unit.write)

    def _fault_new_code(self) -> None:
        self.unit.code()
        self._sighup()

    def _fault_broken_code(self) -> None:
        self.unit.code(broken=self._choose.choice(BROKEN_CODE))
        self._sighup()
        self._mend((1.0, 12.0), self._fault_new_code)

    def _sighup(self) -> None:
        """Ask for new code; who just starts takes that anyway, and may not hear yet."""
        if self._hears():
            self.unit.signal(signal.SIGHUP)

    def _fault_reader_stands_still(self) -> None:
        self._freeze(self.unit.reader.send_signal)

    def _fault_full_disk(self) -> None:
        self.unit.fill_disk()
        self._mend((1.0, 5.0), self.unit.empty_disk)

    def _fault_deadly_jobs(self) -> None:
        for _ in range(3):
            how = self._choose.choice(WAYS)
            timeout = 0.5 if how in jobs.LATE else 20
            self.books.put(jobs.Die, "deaths", how=how, times=2, timeout=timeout, max_attempts=9)

    def _fault_poisoned_jobs(self) -> None:
        for _ in range(5):
            self.books.put(jobs.Poison, "poison")

    def _fault_heavy_jobs(self) -> None:
        for _ in range(5):
            self.books.put(jobs.Heavy, "deaths")

    # --- the end -------------------------------------------------------------------------------

    def _recover(self) -> list[str]:
        """Mend what was our doing, bring good code; then wait until all is done by itself."""
        for _, mend in self._mends:
            with contextlib.suppress(ProcessLookupError):
                mend()
        self._mends.clear()
        self.unit.write()
        version = self.unit.code(poisoned=False)
        self._until(self._rolled(), "the roll is over", RECOVERS_IN_S)
        self._until(lambda: self._all_well(version), "all is well by itself", RECOVERS_IN_S)
        faults = [*self._of_books(), *self._of_processes(), *self._of_log()]
        status = self.unit.stop()
        if status or any(True for _ in processes.tagged(self.unit.tag)):
            faults.append(f"a stop ended with {status}, and left {self._tagged()}")
        if left := sorted((self.unit.folder / "state" / "spool").glob("*")):
            faults.append(f"left in the spool: {left}")
        return faults

    def _rolled(self) -> Callable[[], bool]:
        """Whether a roll that we ask for is over; whoever follows one that stopped is asked anew.

        Runners may be of the new code already: a template that follows another reads it, too.
        """
        rolls, asked = self.log.look().events["reload.done"], 0

        def over() -> bool:
            nonlocal asked
            if self.unit.pid != asked and self._hears():
                asked = self.unit.pid
                self._sighup()
            return self.log.look().events["reload.done"] > rolls

        return over

    def _hears(self) -> bool:
        return len(processes.offspring(self.unit.pid)) > 1

    def _all_well(self, version: str) -> bool:
        """Whether nothing waits, and as many runners as wanted idle, of the newest code."""
        if self.books.left() or not self.books.settle():
            return False
        good, _ = probe.ask(self.unit.folder / "state", "ready")
        pids = processes.runners(self.unit.pid)
        newest = {self.log.versions.get(pid) for pid in pids} == {version}
        states = map(processes.state, processes.offspring(self.unit.pid))
        return good and newest and len(pids) == self.unit.runners and "Z" not in states

    def _tagged(self) -> dict[int, str]:
        return {pid: processes.name(pid) for pid in processes.tagged(self.unit.tag)}

    def _of_books(self) -> Iterator[str]:
        """All adds up; each death of a job has its record, which says why."""
        yield from self.books.faults(killed_anywhere=True)
        records = self.books.records()
        if nameless := [record for record in records if not record["cause"]]:
            yield f"records without a cause: {nameless}"
        if len({record["crash_id"] for record in records}) < len(records):
            yield "two records with one id"
        ids = {entry.job_id: entry for entry in self.books.entries}
        recorded = {
            (ids[record["job_id"]].number, record["attempt"])
            for record in records
            if record["job_id"]
        }
        for number, attempt in self._deaths():
            entry = self.books.entries[number]
            if (number, attempt) not in recorded and entry.job_id not in self.log.interrupted:
                yield f"no record of attempt {attempt} of {entry}, which did not end"

    def _deaths(self) -> Iterator[tuple[int, int]]:
        """The attempts of jobs that began and did not end; raising is an end of theirs too."""
        for number, notes in self.books.notes().items():
            ended = {attempt for attempt, _, word in notes if word == "ends"}
            for attempt in {a for a, _, word in notes if word == "begins"} - ended:
                if not isinstance(self.books.entries[number].job, jobs.Heavy):
                    yield number, attempt

    def _of_processes(self) -> Iterator[str]:
        """Nobody is a zombie, stopped, or where he does not belong.

        A job's child that it did not wait for is its runner's to reap, which it is at its end.
        """
        ours = [self.unit.pid, *processes.offspring(self.unit.pid)]
        for pid in ours:
            if (state := processes.state(pid)) in ("Z", "T"):
                yield f"{processes.name(pid)} ({pid}) is in state {state}"
        family = ours[:1]
        for pid in family:
            family += processes.offspring(pid)
        if strangers := self._tagged().keys() - set(family):
            yield f"orphans: {[processes.name(pid) for pid in strangers]}"

    def _of_log(self) -> Iterator[str]:
        """No fault of ours was told; the service ended when it was made to only."""
        for event in ("supervisor.fault", "runner.unkillable"):
            yield from map(str, self.log.kept[event])
        by_itself = [status for status in self.unit.ends if status not in EXPECTED_ENDS]
        if by_itself:
            yield f"the service ended by itself, with {by_itself}\n{self.unit.service.tail()}"


def _some(pids: Iterable[int]) -> list[int]:
    """Give processes to signal; fails as a signal would where there is none."""
    if not (found := list(pids)):
        raise ProcessLookupError
    return found


def _go_on(send: Callable[[int], None]) -> None:
    with contextlib.suppress(ProcessLookupError):
        send(signal.SIGCONT)


EXPECTED_ENDS = {0, 2, *(-number for number in (*DEADLY, signal.SIGTERM, signal.SIGINT))}
"""2: its file had mistakes when it was started. A stop may come before it has any handler."""

WEIGHTS = {
    "_fault_runner": 6,
    "_fault_all_runners": 1,
    "_fault_keeper": 2,
    "_fault_template": 2,
    "_fault_guard": 1,
    "_fault_supervisor": 2,
    "_fault_supervisor_stands_still": 1,
    "_fault_supervisor_and_keeper": 1,
    "_fault_redis_ends": 2,
    "_fault_redis_stands_still": 1,
    "_fault_file": 3,
    "_fault_broken_file": 1,
    "_fault_new_code": 2,
    "_fault_broken_code": 1,
    "_fault_reader_stands_still": 1,
    "_fault_full_disk": 1,
    "_fault_deadly_jobs": 4,
    "_fault_poisoned_jobs": 1,
    "_fault_heavy_jobs": 2,
}
"""How often each comes, against the others."""


SOON = {
    "supervisor.plan.SILENT_S": 3.0,
    "supervisor.plan.SILENT_AT_WORK_S": 6.0,
    "supervisor.plan.SPAWN_WITHIN_S": 3.0,
    "supervisor.pulse.POKE_AFTER_S": 1.0,
}
"""What Horus bears for minutes, for a soak of seconds."""


@contextmanager
def operating(folder: Path, seed: int, tell: Tell, *, short: bool = False) -> Iterator[Operator]:
    """An operator and his service; all processes are ended, whatever happens.

    ``short``: faults follow each other sooner, and so does what mends them.
    """
    unit = Unit(folder, SOON if short else None)
    operator = Operator(unit, seed, tell, (0.1, 0.4) if short else (0.1, 1.5))
    try:
        yield operator
    finally:
        unit.close()
        operator.books.close()
