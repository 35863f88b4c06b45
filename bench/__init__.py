"""What Horus promises in figures, measured: ``make bench``.

Each module measures a figure or two and says in its docstring what and how. Everything runs in a
temporary folder, over unix sockets, and ends by itself; only processes started here are ended.
"""
