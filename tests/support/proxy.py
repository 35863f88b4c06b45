"""A proxy before a server's socket that harms one exchange as it is told to.

Each fault strikes once, at the next bytes of a client; the proxy is honest before and after. Its
threads are its own, ``close`` ends them.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from enum import Enum, auto
from pathlib import Path
from types import TracebackType


class Fault(Enum):
    """What happens to the next request."""

    CUT_BEFORE = auto()  # the connection closes, the server never sees the request
    CUT_AFTER = auto()  # the server carries it out, the connection closes instead of its reply
    CUT_IN_REPLY = auto()  # the reply's first byte, then the end
    BLACKHOLE = auto()  # the server carries it out, no reply comes, nothing closes
    DELAY = auto()  # the reply comes, ``delay_s`` later
    BYTES = auto()  # the reply comes byte by byte, each in a packet of its own


class Proxy:
    """Listens on a unix socket, passes on to a server's."""

    def __init__(self, folder: Path, server_path: str) -> None:
        self.path = str(folder / "proxy.sock")
        self.delay_s = 0.2
        self.slow = False
        """Whether every reply comes ``delay_s`` late."""
        self.rewrite: tuple[bytes, bytes] | None = None
        """What is replaced, by bytes of the same length, in requests and replies."""
        self._server_path = server_path
        self._fault: Fault | None = None
        self._spared = 0
        self._gone = False
        self._stop = threading.Event()
        self._stopping, self._stopper = socket.socketpair()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def next(self, fault: Fault, *, spare: int = 0, gone: bool = False) -> None:
        """Arm one fault; it spares so many requests. ``gone``: nobody is let in from then on."""
        self._fault, self._spared, self._gone = fault, spare, gone

    @property
    def struck(self) -> bool:
        """Tell whether the armed fault has happened."""
        return self._fault is None

    def close(self) -> None:
        """End every connection and thread."""
        self._stop.set()
        self._stopper.sendall(b"x")
        for thread in self._threads:
            thread.join(timeout=5)
        self._listener.close()
        self._stopping.close()
        self._stopper.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while self._readable(self._listener):
            client, _ = self._listener.accept()
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, contextlib.suppress(OSError):
            server.connect(self._server_path)
            while ready := self._readable(client, server):
                if server in ready:
                    if not (data := server.recv(65536)):
                        return
                    if self.slow:
                        self._stop.wait(self.delay_s)
                    client.sendall(self._rewritten(data))
                if client in ready:
                    if not (data := client.recv(65536)):
                        return
                    if not self._pass_on(self._rewritten(data), client, server):
                        return

    def _rewritten(self, data: bytes) -> bytes:
        return data.replace(*self.rewrite) if self.rewrite else data

    def _pass_on(self, data: bytes, client: socket.socket, server: socket.socket) -> bool:
        """Pass a request on, or harm it; False closes the connection."""
        fault = None
        if self._spared:
            self._spared -= 1
        else:
            fault, self._fault = self._fault, None
        if fault and self._gone:
            os.unlink(self.path)
        if fault is Fault.CUT_BEFORE:
            return False
        server.sendall(data)
        if fault is None:
            return True
        reply = server.recv(65536)
        match fault:
            case Fault.CUT_IN_REPLY:
                client.sendall(reply[:1])
                return False
            case Fault.BLACKHOLE:
                self._stop.wait()
            case Fault.DELAY:
                self._stop.wait(self.delay_s)
                client.sendall(reply)
            case Fault.BYTES:
                for i in range(len(reply)):
                    client.sendall(reply[i : i + 1])
                    self._stop.wait(self.delay_s / len(reply))
        return fault in (Fault.DELAY, Fault.BYTES)

    def _readable(self, *sockets: socket.socket) -> list[socket.socket]:
        """Wait for bytes; nothing once the proxy is closed."""
        ready, _, _ = select.select([*sockets, self._stopping], [], [])
        return [] if self._stopping in ready else ready
