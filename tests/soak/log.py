"""What a service says, counted as it comes: a log of hours is not read again and again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

Line = dict[str, Any]

KEPT = ("runner.crashed", "job.crashed", "supervisor.fault", "runner.unkillable", "log.dropped")
"""Events whose lines are kept whole; others are counted."""


class Log:
    """The lines so far, of one service after the other. Raises where one is no JSON object."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._read_to: Counter[Path] = Counter()
        self.events: Counter[str] = Counter()
        self.kept: dict[str, list[Line]] = {event: [] for event in KEPT}
        self._dead_already: set[int] = set()
        self.alive: dict[int, str] = {}
        self.versions: dict[int, str] = {}
        self.interrupted: set[str] = set()

    def look(self) -> Log:
        """Read what is new; half a line waits, and is nothing where no other half ever comes."""
        for path in self._paths:  # who reads for one that has ended may be late
            if path.stat().st_size == self._read_to[path]:
                continue
            with path.open("rb") as file:
                file.seek(self._read_to[path])
                whole, end, _ = file.read().rpartition(b"\n")
            self._read_to[path] += len(whole + end)
            for line in whole.splitlines():
                self._take(json.loads(line))
        return self

    def _take(self, line: Line) -> None:
        event = line["event"]
        self.events[event] += 1
        if event in self.kept:
            self.kept[event].append(line)
        if event == "job.interrupted":
            self.interrupted.add(line["job_id"])
        elif event == "runner.started" and line["pid"] not in self._dead_already:
            self.alive[line["pid"]] = line["group"]
            self.versions[line["pid"]] = line["app_version"]
        elif event == "runner.started":
            self._dead_already.remove(line["pid"])
        elif event in ("runner.exited", "runner.crashed") and not self.alive.pop(line["pid"], ""):
            self._dead_already.add(line["pid"])  # deaths are told before all that waits

    def tail(self) -> str:
        """The end, for a failure's message."""
        return self._paths[-1].read_text(errors="replace")[-4000:] if self._paths else ""
