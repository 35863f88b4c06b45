"""The private Redis of a test session: the embedded one without its file, gone with the session."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from horus_supervisor import embedded, linux
from horus_supervisor.address import Address
from horus_supervisor.errors import HorusError
from horus_supervisor.store.wire import Wire

_WITHIN_S = 10.0


@contextmanager
def private_server(folder: Path) -> Iterator[str]:
    """Run a server in a folder of its own while the context lasts; gives its URL.

    On Linux it ends with this process too, however that ends. Raises: ``HorusError`` where there
    is no server to run, or it does not start.
    """
    embedded.prepare_folder(folder)
    command = [*embedded.server_command(), "--appendonly", "no"]
    server = subprocess.Popen(command, cwd=folder, preexec_fn=linux.die_with_parent)
    try:
        address = Address("unix", path=embedded.socket_path(folder))
        _wait_for(address, server, folder)
        yield address.url
    finally:
        server.kill()
        server.wait()


def _wait_for(address: Address, server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _WITHIN_S
    with closing(Wire(address)) as wire:
        while True:
            try:
                return wire.connect()
            except HorusError as error:
                if server.poll() is not None or time.monotonic() > deadline:
                    log = folder / embedded.LOG
                    said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
                    raise HorusError(
                        f"the Redis for tests did not start: {error}\n{said}"
                    ) from None
            time.sleep(0.005)
