"""One page to look at, from a folder of runs."""

from dmft.report.page import report

__all__ = ["report"]
