"""Write every page of the reference anew, and say which ones changed."""

from __future__ import annotations

from reference.pages import FOLDER, PAGES


def main() -> None:
    """Write what differs."""
    FOLDER.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        file, text = FOLDER / name, make()
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            print(f"wrote {file}")


if __name__ == "__main__":
    main()
