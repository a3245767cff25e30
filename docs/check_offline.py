"""Fail if a built page loads anything from a network, or shows a formula that was not understood.

Links that a reader follows may lead anywhere; scripts, styles, fonts and images have to be files of
the folder itself.

    python docs/check_offline.py docs/_build/html
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

# What a browser fetches without being asked, as attributes and in style sheets.
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video)\b[^>]*\bsrc=["'](?:https?:)?//[^"']*"""
    r"""|<link\b(?=[^>]*\brel=["'](?:stylesheet|preload|icon))[^>]*\bhref=["'](?:https?:)?//[^"']*"""
    r"""|(?:@import\s+|url\()\s*["']?(?:https?:)?//[^"')]*""",
    re.IGNORECASE,
)
FORMULA = re.compile(r'class="math[^"]*">\s*\\[\[(](.*?)\\[\])]\s*</(?:div|span)>', re.DOTALL)


def faults(page: Path) -> list[str]:
    """Return what is wrong with a page or a style sheet."""
    text = page.read_text(encoding="utf-8")
    found = [f"loads {match[0]}" for match in LOADED.finditer(text)]
    found += [
        f"a browser ends this formula at its <, write \\\\lt: {match[1][:60]!r}"
        for match in FORMULA.finditer(text)
        if "<" in match[1]
    ]
    return found


def main(folder: Path) -> int:
    """Check every page and style sheet of a folder; return how many have faults."""
    pages = sorted([*folder.rglob("*.html"), *folder.rglob("*.css")])
    if not pages:
        print(f"{folder} has no pages: run make docs")
        return 1
    bad = 0
    for page in pages:
        wrong = faults(page)
        bad += bool(wrong)
        for fault in wrong:
            print(f"{page.relative_to(folder)}: {fault}")
    print(f"{len(pages)} files, {bad} with faults")
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
