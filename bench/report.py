"""The table: a figure, how far it must reach, what was seen, and the spread behind it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Reach:
    """The limit that a figure must keep: ``at_least`` it, or under it."""

    limit: float
    unit: str
    at_least: bool = False

    def holds(self, value: float) -> bool:
        """Tell whether a value is within reach."""
        return value >= self.limit if self.at_least else value < self.limit

    def __str__(self) -> str:
        return f"{'at least' if self.at_least else 'under'} {self.limit:g}{self.unit}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``values`` are what ``seen`` was chosen from, in ``reach``'s unit."""

    figure: str
    reach: Reach
    seen: float
    values: Sequence[float]
    note: str = ""

    @property
    def reached(self) -> bool:
        """Tell whether the figure is within reach."""
        return self.reach.holds(self.seen)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A figure that can't be measured here, and why."""

    figure: str
    why: str
    reached: bool = True


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the value that ``percent`` of all do not exceed."""
    return sorted(values)[min(int(len(values) * percent / 100), len(values) - 1)]


def number(value: float) -> str:
    """Write a value with three digits that tell."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


_WIDTHS = (58, 25, 6, 23, 5)


def headings() -> str:
    """Begin the table."""
    names = ("figure", "reach", "seen", "least - median - most", "")
    return f"{_cells(names)}  rounds; note\n{_cells('-' * width for width in _WIDTHS)}"


def line(row: Row | Skipped) -> str:
    """Write one row."""
    if isinstance(row, Skipped):
        return f"{row.figure:<{_WIDTHS[0]}} skipped: {row.why}"
    spread = " - ".join(map(number, (min(row.values), median(row.values), max(row.values))))
    verdict = "ok" if row.reached else "SHORT"
    cells = (row.figure, str(row.reach), number(row.seen), spread, verdict)
    note = f"{len(row.values)}; {row.note}" if row.note else str(len(row.values))
    return f"{_cells(cells)}  {note}"


def _cells(texts: Iterable[str]) -> str:
    return " ".join(f"{text:<{width}}" for text, width in zip(texts, _WIDTHS, strict=True))
