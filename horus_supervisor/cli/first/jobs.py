"""Job classes: typed records that travel as JSON, each with an ``execute``.

``horus enqueue jobs.Hello --args '{"name": "Ada"}'``, or from Python:

::

    from horus_supervisor import Client
    from jobs import Hello

    Client("embedded:var/horus").enqueue(Hello("Ada"))
"""

from __future__ import annotations

from horus_supervisor import Job, current_job


class Hello(Job, timeout=30, max_attempts=5):
    """Greet somebody. May run more than once, as every job may: make yours repeatable."""

    name: str = "world"

    def execute(self) -> None:
        current_job().log.info("greeting", name=self.name)
        print(f"Hello, {self.name}!")
