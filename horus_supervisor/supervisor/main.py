"""``horus-supervisor``: arguments in, exit status out."""

from __future__ import annotations

# the C module behind ``signal``, which takes as long to import as all that goes before
import _signal  # type: ignore[import-not-found]
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from horus_supervisor.config.schema import Config
    from horus_supervisor.supervisor.reload import Watch

_HELD_OFF = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP, _signal.SIGUSR1)
"""Until it is known what we are: else they would end us, and a SIGHUP is no stop."""


def main(arguments: list[str] | None = None) -> int:
    """Run the service, or check its file. Exit status: 0 in order, 1 failed, 2 usage or file."""
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _HELD_OFF)  # first of all
    try:
        options = _read(arguments)
        if not options.probe and not options.check:
            _hear_nothing_but_a_stop()
    finally:
        # not as it was: who starts us may have blocked some, and never would we hear a stop
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    _open_standard_descriptors()
    if options.probe:
        from horus_supervisor.supervisor.probe import probe

        return probe(options.config, options.probe)
    if options.check:
        become_check(options.config, options.json)
    return start(options.config, options.log_format)


def _read(arguments: list[str] | None) -> argparse.Namespace:
    from horus_supervisor.supervisor.command_line import parser  # not before signals are held off

    words = parser()
    options = words.parse_args(arguments)
    if options.json and not options.check:
        words.error("--json goes with --check")
    return options


def _hear_nothing_but_a_stop() -> None:
    """Let a stop be an exit, whatever it cuts short, and the rest pass: nothing runs yet.

    ``os._exit``, as ``SystemExit`` might be lost on its way, in a weak reference's callback say.
    """
    for number in (_signal.SIGTERM, _signal.SIGINT):
        _signal.signal(number, lambda *_: os._exit(0))
    for number in (_signal.SIGHUP, _signal.SIGUSR1):
        _signal.signal(number, lambda *_: None)


def start(file: Path, log_format: str | None) -> int:
    """Read the file and run the service, or tell every mistake."""
    from horus_supervisor.config.content import is_missing  # not before: a probe is to be fast
    from horus_supervisor.config.load import load
    from horus_supervisor.errors import ConfigError

    try:
        watch = _watch(file)  # before it is read: no edit is missed
        return serve(load(file), watch, log_format)
    except ConfigError as error:
        for mistake in error.mistakes:
            print(f"horus-supervisor: {mistake}", file=sys.stderr)
        if is_missing(file):
            print("  try: -c with your file; horus init writes a first one", file=sys.stderr)
        return 2


def _watch(file: Path) -> Watch:
    """Watch a file; what can be read only once is refused, as a service reads it at each save."""
    from horus_supervisor.errors import ConfigError
    from horus_supervisor.supervisor.reload import Watch

    # not of ``Path``, which raise where we may not look into the folder
    if os.path.exists(file) and not (os.path.isfile(file) or os.path.isdir(file)):
        raise ConfigError([f"{file}: not a file that can be read again; --check takes it"])
    return Watch(file)


def _open_standard_descriptors() -> None:
    """Open those of 0 to 2 that are closed: else the next file would be standard output."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def serve(config: Config, watch: Watch, log_format: str | None) -> int:
    """Take the lock and run the service."""
    from horus_supervisor.clock import SystemClock
    from horus_supervisor.errors import HorusError
    from horus_supervisor.supervisor import lock
    from horus_supervisor.supervisor.service import Supervisor

    wanted = log_format or config.log.format or ("console" if os.isatty(1) else "json")
    try:
        lock_fd, folder = lock.take(config.supervisor.state_dir), config.redis.address.folder
        held = lock.Held(lock_fd, None if folder is None else lock.take_folder(folder))
        supervisor = Supervisor(config, watch, held, SystemClock(), wanted)
    except (HorusError, OSError) as error:
        print(f"horus-supervisor: {error}", file=sys.stderr)
        return 1
    status = supervisor.run()
    # the interpreter takes our handlers away before it ends: a late signal would be the exit status
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _HELD_OFF)
    return status


def become_check(file: Path, as_json: bool) -> NoReturn:
    """Become the program that checks a file: it asks Redis and has job code imported."""
    from horus_supervisor import fresh

    os.execv(sys.executable, fresh.command("horus_supervisor.cli.check", str(file), as_json))


if __name__ == "__main__":
    sys.exit(main())
