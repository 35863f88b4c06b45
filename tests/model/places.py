"""What the model knows of a job and of a slot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from horus_supervisor import crash_record
from horus_supervisor.lifecycle import Death
from tests.model.words import Reply


@dataclass
class Job:
    """A job that is known and has not ended."""

    queue: str
    max_attempts: int
    max_crashes: int
    state: str
    due: bool = False
    expires: bool = False
    expired: bool = False
    parked: bool = False
    on_crash: bool = False
    """Its class wants to hear of its crashes."""
    aftermath: bool = False
    """It is the job by which a class hears of one."""
    attempts: int = 0
    crashes: int = 0
    losses: int = 0
    fence: int = 0
    history: list[tuple[str, int, int]] = field(default_factory=list)


class Parked(list[str]):
    """Ids in the order of their parking. One whose due time was set by hand may be there still."""

    def still(self, jobs: Mapping[str, Job]) -> list[str]:
        """Give those that wait for their class."""
        waiting = (job_id for job_id in self if (job := jobs.get(job_id)) and job.parked)
        return list(dict.fromkeys(waiting))

    def lift(self, job_id: str, job: Job) -> None:
        """Let go of a job that is moved."""
        if job.parked:
            self.remove(job_id)
            job.parked = False


@dataclass
class Place:
    """A runner's slot."""

    incarnation: int
    seq: int = 0
    word: str = "idle"
    reply: Reply = None
    job_id: str = ""
    max_crashes: int = 0


def death_id(key: str, incarnation: int) -> str:
    """Tell the id of a death's record, and of the job by which a class hears of it."""
    supervisor, number = key.split("/")
    return crash_record.crash_id(supervisor, int(number), incarnation)


def fate(job: Job, death: Death, max_crashes: int) -> str:
    """Count a death, and tell where the job goes."""
    if death == Death.INTERRUPTED and job.max_attempts > 1:
        return "requeued"
    job.attempts += 1
    job.crashes += death == Death.CRASHED
    job.losses += death == Death.LOST
    if death == Death.CRASHED and job.crashes >= max_crashes:
        return "quarantined"
    if job.attempts >= job.max_attempts:
        return "exhausted"
    first = {Death.CRASHED: job.crashes == 1, Death.LOST: job.losses == 1}
    return "requeued" if first.get(death) else "scheduled"
