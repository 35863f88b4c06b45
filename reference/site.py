"""What ``make docs`` does beside mkdocs: links to the code work, and nothing comes from elsewhere.

Pages link to files of the project, as a code host shows them; the site gets a copy of each as text.
The theme would fetch some scripts from another host in cases that don't occur; it forgets the host.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

_LINK = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)(#[^)\s]*)?\)")
_CELL_CODE = re.compile(r"(?<=[ ,])`[^`\n]*\\\|[^`\n]*`")
"""Code in a table with a bar in it: a code host wants it escaped, mkdocs does not."""

_FETCHED = re.compile(r"https://(?:unpkg\.com|cdn\.jsdelivr\.net|cdnjs\.cloudflare\.com)/")
_LOADS = re.compile(
    r"""<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|url\(["']?(?:https?:)?//[^)]+|@import\s+["'](?:https?:)?//[^"']+"""
)


def linked(page: Path) -> set[Path]:
    """Find the files outside of ``docs/`` that a page links to."""
    targets = ((page.parent / link[1]).resolve() for link in _LINK.finditer(page.read_text()))
    return {file for file in targets if file.is_file() and not file.is_relative_to(DOCS)}


def copy_of(file: Path) -> str:
    """Tell where in the site a file of the project is: as text, so that browsers show it."""
    return f"source/{file.relative_to(ROOT)}.txt"


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Add the files that pages link to."""
    from mkdocs.structure.files import File  # in the documentation's own venv only

    for file in sorted(set().union(*(linked(page) for page in DOCS.rglob("*.md")))):
        files.append(File.generated(config, copy_of(file), content=file.read_text()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to files of the project to their copies; write bars as mkdocs reads them."""
    here = DOCS / page.file.src_uri
    known = linked(here)

    def lead(link: re.Match[str]) -> str:
        file = (here.parent / link[1]).resolve()
        if file not in known:
            return link[0]
        return f"]({'../' * page.file.src_uri.count('/')}{copy_of(file)})"

    return _CELL_CODE.sub(lambda code: code[0].replace(r"\|", "|"), _LINK.sub(lead, markdown))


def on_post_build(config: Any, **_: Any) -> None:
    """Take other hosts out of the theme's scripts; fail where a page would load from one."""
    found = []
    for file in sorted(Path(config["site_dir"]).rglob("*")):
        if file.suffix == ".map":
            file.unlink()  # for debuggers of the theme
        elif file.suffix in (".js", ".css", ".html"):
            text = file.read_text()
            kept = re.sub(r"^(//|/\*)# sourceMappingURL=.*$", "", text, flags=re.MULTILINE)
            kept = _FETCHED.sub("/", kept)
            if kept != text:
                file.write_text(kept)
            found += [f"{file}: {load}" for load in _LOADS.findall(kept)]
    if found:
        raise SystemExit("\n".join(["the site would load from other hosts:", *found]))
