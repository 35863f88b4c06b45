"""``python -m tests.soak``: for hours, what the suite does for seconds. Exit status 1: a fault."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

from horus_supervisor.config.units import parse_duration
from tests.soak import deaths
from tests.soak.operator import operating


def main() -> int:
    """Soak; print how it goes, and what is wrong in the end. What failed keeps its folder."""
    options = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and whatever was started is ended
    folder = Path(mkdtemp(prefix="horus-soak-"))
    print(f"seed {options.seed}, in {folder}", flush=True)
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)

    if options.what == "supervisor":
        plan = deaths.plan(options.deaths, options.reloads, options.seed)
        with deaths.soaking(plan, folder, tell) as soak:
            faults = soak.run()
    else:
        with operating(folder, options.seed, tell) as operator:
            faults = operator.run(parse_duration(options.duration))
    for fault in faults:
        print(f"FAULT {fault}")
    if not faults:
        shutil.rmtree(folder, ignore_errors=True)
    tell(f"{len(faults)} faults" if faults else "all is accounted for")
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    what = parser.add_subparsers(dest="what", required=True)
    supervisor = what.add_parser("supervisor", help="deaths and reloads")
    supervisor.add_argument("--deaths", type=int, default=5000)
    supervisor.add_argument("--reloads", type=int, default=500)
    operator = what.add_parser("service", help="an operator who lets loose all faults")
    operator.add_argument("--duration", default="10m")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
