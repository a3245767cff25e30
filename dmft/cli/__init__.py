"""The command line: `dmft`, also `python -m dmft`.

Exit status: 0 done; 1 the computation failed; 2 bad usage or input; 3 stopped before t_end, can be
resumed; 130 interrupted, can be resumed.
"""

from dmft.cli import measure, pages, reference, runs, sweeps, theory
from dmft.cli.base import Force, Number, Whole, app, guarded, main
from dmft.cli.runs import model_of

__all__ = [
    "Force",
    "Number",
    "Whole",
    "app",
    "guarded",
    "main",
    "measure",
    "model_of",
    "pages",
    "reference",
    "runs",
    "sweeps",
    "theory",
]
