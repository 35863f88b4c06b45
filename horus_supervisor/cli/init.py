"""``horus init``: the two files that a first service needs. Never overwrites anything."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from horus_supervisor.cli import output
from horus_supervisor.cli.asked import Asked, common_options
from horus_supervisor.cli.errors import Exit, Failure
from horus_supervisor.errors import HorusError

FIRST = Path(__file__).parent / "first"
FILES = ("config.toml", "jobs.py")


@click.command(epilog="Example: horus init shop")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@common_options
@click.pass_obj
def init(asked: Asked, folder: Path) -> None:
    """Write a commented config.toml and a module with a job, and say what to type next.

    DIR is made where it isn't there (default: the working folder). No file is overwritten.
    """
    try:
        written = _write(folder)
    except OSError as error:
        where = error.filename or folder
        raise Failure(f"can't write {where}: {error.strerror}", Exit.FAILED) from None
    service, job = _what_to_type(folder)
    if asked.json:
        output.print_json(init={"files": [str(file) for file in written], "next": [service, job]})
        return
    output.say(f"wrote {' and '.join(str(file) for file in written)}")
    output.say(f"Next: {service}")
    output.say(f"and in another terminal: {job}")
    if trouble := _without_server():
        output.note(f"{trouble}; or give [redis] url another one")


def _write(folder: Path) -> list[Path]:
    """Write both files, or neither where one is there."""
    files = [folder / name for name in FILES]
    if there := [str(file) for file in files if os.path.lexists(file)]:
        are = "are" if len(there) > 1 else "is"
        message = f"{' and '.join(there)} {are} there already: nothing was written"
        raise Failure(message, Exit.FAILED, "horus init NEW_FOLDER")
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        with file.open("xb") as new:  # whoever made it since keeps it
            new.write((FIRST / file.name).read_bytes())
    return files


def _what_to_type(folder: Path) -> tuple[str, str]:
    """Tell how to start the service and enqueue; the environment may name other files."""
    go = "" if folder.samefile(".") else f"cd {shlex.quote(str(folder))} && "
    elsewhere = os.environ.get("HORUS_CONFIG") or os.environ.get("HORUS_URL")
    horus = "horus -c config.toml" if elsewhere else "horus"
    args = """--args '{"name": "Ada"}'"""
    return f"{go}horus-supervisor -c config.toml", f"{go}{horus} enqueue jobs.Hello {args}"


def _without_server() -> str:
    """Say how to get a Redis, where there is none to be started; else nothing."""
    from horus_supervisor.embedded import find_server

    try:
        find_server()
    except HorusError as error:
        return str(error)
    return ""
