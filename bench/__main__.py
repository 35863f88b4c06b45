"""``python -m bench [--quick] [FIGURE...]``: measure, print the table, exit 1 where one is short.

Without names all figures, in about a quarter of an hour. Nothing else should run meanwhile: on two
cores a browser is a third process.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import horus_supervisor
from bench import (
    before,
    bulk,
    claims,
    deaths,
    drain,
    latency,
    memory,
    reload,
    rolling,
    startup,
    storm,
)
from bench.report import Row, Skipped, headings, line
from bench.service import REDIS_SETTINGS, Stuck, redis_version

FIGURES: dict[str, Callable[[bool], Iterator[Row | Skipped]]] = {
    "drain": drain.placed_freely,
    "before": before.drained,
    "queues": drain.of_three_queues,
    "one-core": drain.on_one_core,
    "bulk": bulk.enqueued,
    "crash": deaths.runner_killed,
    "storm": storm.all_killed,
    "latency": latency.idle_queue,
    "startup": startup.first_job,
    "memory": memory.resident,
    "numpy": memory.with_numpy,
    "idle": memory.idle_cpu,
    "claim": claims.among_a_million,
    "waiting": memory.waiting_jobs,
    "reload": reload.one_group_of_a_hundred,
    "rolling": rolling.under_load,
    "orphans": deaths.supervisor_killed,
}


def main() -> int:
    """Measure what the command line names. Exit status: 0, or 1 where a figure falls short."""
    options = _arguments()
    # as when it is installed: a process that compiles what it imports is larger ever after
    compileall.compile_dir(Path(horus_supervisor.__file__).parent, quiet=2)
    redis = f"{redis_version()} ({' '.join(REDIS_SETTINGS)}, on a unix socket)"
    print(
        f"Horus {horus_supervisor.__version__}, Python {platform.python_version()},"
        f" {os.cpu_count()} cores, {redis}"
    )
    print("all guarantees on, JSON log at info into a file\n", flush=True)
    print(headings(), flush=True)
    short = sum(_measure(name, options.quick) for name in options.figures or FIGURES)
    print(f"\n{short} fall short" if short else "\nall within reach")
    return 1 if short else 0


def _measure(name: str, quick: bool) -> int:
    """Print a figure's rows as they come; tell how many fall short. One that got stuck is one."""
    short = 0
    try:
        for row in FIGURES[name](quick):
            print(line(row), flush=True)
            short += not row.reached
    except Stuck as error:
        print(f"{name}: {error}", flush=True)
        short += 1
    return short


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=", ".join(FIGURES))
    options = parser.parse_args()
    if unknown := set(options.figures) - FIGURES.keys():
        parser.error(
            f"no such figure: {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}"
        )
    return options


if __name__ == "__main__":
    sys.exit(main())
