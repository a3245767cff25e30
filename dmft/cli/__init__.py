"""The command line: `dmft`, also `python -m dmft`.

Exit status: 0 done; 1 the computation failed; 2 bad usage or input; 3 stopped before t_end, can be
resumed; 130 interrupted, can be resumed.
"""

from dmft.cli.base import app, guarded, main

__all__ = ["app", "guarded", "main"]
