"""Commands that make pages to look at, and references to cite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dmft.arguments import OK, Force

__all__ = ["cite", "report", "reproduce"]


def reproduce(
    *,
    output: Path,
    quick: bool = False,
    only: Annotated[list[str] | None, Parameter(negative="")] = None,
    force: Force = False,
) -> int:
    """Make threshold curves, theory against simulation, tables, figures and a page that shows them.

    Parameters
    ----------
    output
        Folder to write; created if missing.
    quick
        Small simulations: a look at the page in seconds, not evidence.
    only
        Name of a system, such as spiked; may be given several times. Without it all of them.
    """
    from dmft.cli.validation import own
    from dmft.reproduce import reproduce as make

    page = make(output, own("systems").simulators(), only=only, quick=quick, force=force)
    print(f"done: open {page}")
    return OK


def report(
    runs: Path,
    /,
    *,
    output: Path,
    simulation: Path | None = None,
    force: Force = False,
) -> int:
    """Make one page of a sweep: phase diagram, dynamics of each run, tables; it needs no network.

    Parameters
    ----------
    runs
        Folder that `dmft sweep` wrote.
    output
        Page to write, .html.
    simulation
        CSV table of theory against simulation to show, as `dmft validate report` writes it.
    """
    from dmft.report.page import report as make

    print(f"done: open {make(runs, output, simulation=simulation, force=force)}")
    return OK


def cite() -> int:
    """Print the BibTeX entries of the package and of the methods it uses."""
    from dmft.citations import bibtex

    print(bibtex())
    return OK
