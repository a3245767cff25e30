"""Commands that make pages to look at, and references to cite."""

from __future__ import annotations

from pathlib import Path

from dmft.cli.base import OK, Force, app

__all__ = ["cite", "reproduce"]


@app.command
def reproduce(*, output: Path, quick: bool = False, force: Force = False) -> int:
    """Make threshold curves, theory against simulation, tables, figures and a page that shows them.

    Parameters
    ----------
    output
        Folder to write; created if missing.
    quick
        Small simulations: a look at the page in seconds, not evidence.
    """
    from dmft.reproduce import reproduce as make
    from validation.simulate import simulate

    page = make(output, simulate, quick=quick, force=force)
    print(f"done: open {page}")
    return OK


@app.command
def cite() -> int:
    """Print the BibTeX entries of the package and of the methods it uses."""
    from dmft.citations import bibtex

    print(bibtex())
    return OK
