"""What has become of a drain since an earlier commit: each tree runs its own bench, in turn.

The earlier one ran the main job end to end, and was the last one before weights, pauses, tags,
hooks, limits and most of forensics: what these cost a job that uses none of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.report import Reach, Row, Skipped
from bench.service import Stuck

COMMIT = "3b5ae21731"
FIGURE = "no-op jobs, one runner, against an earlier commit"
ROUNDS = 7
ROUND = """
from bench import drain
from bench.service import bench
with bench() as at, at.service(one=1) as service:
    queue = {"one": drain.JOBS} if hasattr(drain, "of_three_queues") else "one"
    print(drain._rate(at, service, queue, 1))
"""
"""The same in both trees, but for what ``_rate`` calls a queue."""

_TREE = Path(__file__).resolve().parent.parent


def drained(quick: bool) -> Iterator[Row | Skipped]:
    """Measure one runner of this tree against one of the commit's; needs git and its history."""
    with tempfile.TemporaryDirectory(prefix="horus-bench-") as folder:
        if why := _unpack(Path(folder)):
            yield Skipped(FIGURE, why)
            return
        pairs = [(_rate(_TREE), _rate(Path(folder))) for _ in range(3 if quick else ROUNDS)]
    ratios = [now / before for now, before in pairs]
    now, before = (median(rates) for rates in zip(*pairs, strict=True))
    note = f"{now:,.0f} to {before:,.0f} jobs a second at {COMMIT}"
    yield Row(FIGURE, Reach(0.97, " of it", at_least=True), median(ratios), ratios, note)


def _unpack(folder: Path) -> str | None:
    """Write the commit's files; why not, where there is no git or no such commit."""
    command = ["git", "-C", str(_TREE), "archive", COMMIT]
    try:
        archive = subprocess.run(command, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        return f"no files of commit {COMMIT}: {said.decode().strip()}"
    return None


def _rate(tree: Path) -> float:
    """Give one round's jobs a second; all processes of it import what lies in ``tree``."""
    environment = os.environ | {"PYTHONPATH": str(tree)}
    command = [sys.executable, "-c", ROUND]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Stuck(f"the round in {tree} failed:\n{done.stderr}")
    return float(done.stdout)
