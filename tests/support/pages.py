"""Pages of ``docs/`` as they are typed: files are written, commands run, output compared.

In a page, a fenced block with ``title="FILE"`` is a file; ``console`` is typed line by line, and
what stands below a command is what it says; other Python runs, other TOML is read. ``[...]`` stands
for any lines; numbers, times, ids and the host may differ. What else is fenced is only shown.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from horus_supervisor.config.load import parse
from tests.support.waiting import wait_until

BIN = Path(sys.executable).parent

LOOKS = re.compile(r"horus (status|jobs|show|dead|crash|crashes)\b")
"""What may be typed again until it shows what the page does: the jobs take their time."""

WITHIN_S = 45.0

_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, the file that it is or nothing, its text."""

    language: str
    file: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """Give the blocks of a page, in order."""
    for found in _BLOCK.finditer(page.read_text()):
        yield Block(found[1], found[2] or "", found[3])


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Give what is typed in a console, each with the lines that it says."""
    typed, *rest = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not typed, f"a console begins with what is typed: {typed!r}"
    for part in rest:
        command, *said = part.rstrip("\n").split("\n")
        while command.endswith("\\"):
            command = command[:-1] + said.pop(0).strip()
        yield command, said


_ID = re.compile(r"\b[0-9a-f]{8,}(-[0-9a-f-]*[0-9a-f])?\b")  # one in 2,500 has no digit


def plain(line: str) -> str:
    """Write a line so that two runs of the same command say the same."""
    line = line.replace(socket.gethostname(), "vm")
    line = _ID.sub("ID", line)
    line = re.sub(r"\b\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME", line)
    line = re.sub(r"\b(\d+(\.\d+)?(ms|[smhd]))+\b", "AGE", line)
    line = re.sub(r"\d+(\.\d+)*", "N", line)
    return " ".join(line.split())


def says(expected: list[str], output: str) -> bool:
    """Tell whether a command said what a page shows."""
    parts = [
        r"(?:.*\n)*?" if line == "[...]" else re.escape(plain(line)) + r"\n" for line in expected
    ]
    told = "".join(f"{plain(line)}\n" for line in output.splitlines())
    return re.fullmatch("".join(parts), told) is not None


class Terminal:
    """A shell in a folder, in which a page is typed; a service that it starts runs beside it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._out = folder / ".typed"
        self._count = 0
        self._services: list[int] = []
        self._ids: dict[str, str] = {}  # as the page has them -> as they are
        kept = {name: value for name, value in os.environ.items() if "HORUS" not in name}
        path = f"{BIN}:{os.environ['PATH']}"
        with self._out.open("wb") as out:
            self._shell = subprocess.Popen(
                ["bash", "--norc", "-s"],
                cwd=folder,
                env={**kept, "PATH": path, "COLUMNS": "80", "LC_ALL": "C.UTF-8", **environment},
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def follow(self, page: Path) -> None:
        """Do all that a page says."""
        for block in blocks(page):
            if block.file:
                file = self.folder / block.file
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text)
                if file.suffix == ".py":
                    compile(block.text, block.file, "exec")
            elif block.language == "console":
                for command, said in commands(block.text):
                    self.type(command, said)
            elif block.language == "python":
                told = self.run(f"python - <<'END' && echo worked\n{block.text}END")
                assert told.endswith("worked\n"), f"{block.text}{told}"
            elif block.language == "toml":
                parse(block.text, self.folder / "config.toml")

    def type(self, command: str, said: list[str]) -> None:
        """Type a command; wait until it says what the page shows."""
        if command.startswith("horus-supervisor") and "--check" not in command:
            self._serve(command, said)
            return
        command = _ID.sub(lambda found: self._ids.get(found[0], found[0]), command)
        looked = self._told()
        output = self.run(command)

        def right() -> bool:
            nonlocal output, looked
            if not says(said, output) and LOOKS.match(command) and self._told() != looked:
                looked = self._told()
                output = self.run(command)
            return says(said, output)

        within_s = WITHIN_S if LOOKS.match(command) else 0.0
        wait_until(right, f"$ {command}", within_s, on_failure=lambda: output)
        shown, real = ([m[0] for m in _ID.finditer(text)] for text in ("\n".join(said), output))
        if len(shown) == len(real):
            self._ids |= zip(shown, real, strict=True)

    def run(self, command: str) -> str:
        """Run a command in the shell; gives what it said."""
        assert self._shell.stdin
        self._count += 1
        mark = f"--- end of {self._count} ---"
        before = self._out.stat().st_size
        self._shell.stdin.write(f"{command}\necho {shlex.quote(mark)}\n")
        self._shell.stdin.flush()

        def output() -> str:
            return self._out.read_bytes()[before:].decode()

        wait_until(lambda: mark in output(), f"the end of: {command}", 60, on_failure=output)
        told = output().partition(mark)[0].replace(str(self.folder), "/srv")
        return re.sub(rf"{re.escape(str(BIN))}/python[\d.]*", "/srv/.venv/bin/python", told)

    def _serve(self, command: str, said: list[str]) -> None:
        """Start a service, after the last one's end; wait until its lines begin like these."""
        self._stop_services()
        log = self.folder / f"log-{len(self._services)}"
        log.touch()
        line = f"{command} --log-format console > {log} 2>&1 & echo $!"
        self._services.append(int(self.run(line)))
        self.run(f"SUPERVISOR={self._services[-1]}")
        told = r".*\n(?:.*\n)*".join(re.escape(plain(one)) for one in said)

        def there() -> bool:
            return bool(re.search(told, "\n".join(map(plain, log.read_text().splitlines()))))

        wait_until(there, f"in the log: {said}", WITHIN_S, on_failure=log.read_text)

    def _told(self) -> tuple[int, int]:
        """How much the service has told, and the time in half seconds: at which to look again."""
        log = self.folder / f"log-{len(self._services) - 1}"
        return log.stat().st_size if self._services else 0, int(time.monotonic() * 2)

    def _stop_services(self) -> None:
        for pid in self._services[-1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            self.run(f"wait {pid}")

    def close(self) -> None:
        """End the services and the shell."""
        self._stop_services()
        assert self._shell.stdin
        self._shell.stdin.write("exit\n")
        self._shell.stdin.close()
        self._shell.wait(90)
