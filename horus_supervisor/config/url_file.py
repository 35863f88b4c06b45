"""The file of ``[redis] url_file``: a URL on one line. What is in it never shows, in no error."""

from __future__ import annotations

from pathlib import Path

from horus_supervisor.config.content import content
from horus_supervisor.config.values import RedisUrl, WrongValue

MOST_BYTES = 16 * 1024


def read_url(path: Path) -> str:
    """Read the URL, without the white space around it. Raises: ``WrongValue``."""
    try:
        read = content(path)
        if len(read) > MOST_BYTES:
            raise WrongValue(f"{path} is too long: allowed is a URL on one line")
        text = read.decode().strip()
    except UnicodeDecodeError:
        raise WrongValue(f"{path} is not UTF-8: allowed is a URL on one line") from None
    except OSError as error:
        raise WrongValue(f"{path} can't be read: {error.strerror}") from None
    if not text:
        raise WrongValue(f"{path} is empty: write the URL into it, on one line")
    try:
        return RedisUrl().read(text)
    except WrongValue as error:
        raise WrongValue(f"in {path}: {error}") from None
