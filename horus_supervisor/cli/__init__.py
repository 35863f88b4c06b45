"""``horus``, the operator's command: words into calls, results into tables or JSON."""
