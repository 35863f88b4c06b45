"""What people are told to type, the same wherever they are told it."""

from __future__ import annotations

RELOAD = "systemctl reload horus, or kill -HUP the pid of horus-supervisor"
