"""What a job is: its class (``definition``), its way through JSON (``fields``, ``codec``), and the
one that runs now (``current``). Knows no Redis and no process."""
