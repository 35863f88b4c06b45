"""What an import leaves that runners should not be forked with is named, and nothing else."""

from __future__ import annotations

import signal
import socket
import threading

from horus_supervisor.imports import leavings


def test_a_thread_a_connection_and_a_handler_are_named() -> None:
    before = leavings.look()
    done = threading.Event()
    handler = signal.getsignal(signal.SIGUSR2)
    thread = threading.Thread(target=done.wait, name="pool-1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        with socket.create_connection((host, port)):
            thread.start()
            signal.signal(signal.SIGUSR2, lambda *_: None)
            left = leavings.left_since(before)
    done.set()
    thread.join()
    signal.signal(signal.SIGUSR2, handler)
    assert left == (f"a connection to {host}:{port}, a handler of SIGUSR2, a thread (pool-1)")


def test_a_handler_of_a_real_time_signal_is_named_by_its_number() -> None:
    before = leavings.look()
    number = signal.SIGRTMIN + 9
    handler = signal.signal(number, lambda *_: None)
    left = leavings.left_since(before)
    signal.signal(number, handler)
    assert left == f"a handler of SIG{number}"


def test_what_has_no_name_fails_no_import() -> None:
    class Nameless(threading.Thread):
        @property
        def name(self) -> str:  # type: ignore[override]
            raise RuntimeError

    before = leavings.look()
    done = threading.Event()
    thread = Nameless(target=done.wait)
    thread.start()
    left = leavings.left_since(before)
    done.set()
    thread.join()
    assert left == "what can't be told (RuntimeError)"


def test_what_was_there_before_and_what_is_harmless_is_not_named() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()):
        before = leavings.look()
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        ours, theirs = socket.socketpair()  # as an event loop makes one
        with ours, theirs, socket.socket():
            assert leavings.left_since(before) == ""
