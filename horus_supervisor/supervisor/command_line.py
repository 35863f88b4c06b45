"""The words that ``horus-supervisor`` takes, and what is said of others."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import NoReturn

from horus_supervisor import __version__


class _Words(argparse.ArgumentParser):
    """Reads the command line; says in two lines what is wrong with it, and what to type."""

    def error(self, message: str) -> NoReturn:
        hint = f"{self.prog} --help"
        if "required" in message and "--config" in message:
            message, hint = "which service? Name its TOML file", f"{self.prog} -c {_likely_file()}"
        self.exit(2, f"{self.prog}: {message}\n  try: {hint}\n")


def _likely_file() -> str:
    """Guess the file that was meant: the one typed without -c, ``horus``'s, the one here."""
    typed = [word for word in sys.argv[1:] if word.endswith(".toml")]
    here = ["config.toml"] if os.path.exists("config.toml") else []
    named = [*typed, *filter(None, [os.environ.get("HORUS_CONFIG")]), *here]
    return shlex.quote(named[0]) if named else "FILE, which horus init writes"


def parser() -> argparse.ArgumentParser:
    """Make the reader of the command line; the documentation lists its options."""
    words = _Words(
        prog="horus-supervisor",
        description="Runs the jobs of the queues that a TOML file names, in forked runners.",
    )
    words.add_argument(
        "-c", "--config", metavar="FILE", required=True, type=Path, help="the TOML file"
    )
    words.add_argument(
        "--check", action="store_true", help="validate the file, import the job modules, and exit"
    )
    words.add_argument("--json", action="store_true", help="with --check: one JSON object")
    words.add_argument(
        "--probe", choices=("live", "ready"), help="ask the service that runs with the file"
    )
    words.add_argument("--log-format", choices=("json", "console"), help="over the file's setting")
    words.add_argument("--version", action="version", version=f"horus-supervisor {__version__}")
    return words
