"""What all figures share."""

from __future__ import annotations

__all__ = ["COLORS", "PLOTLY_DASHES"]

# Okabe and Ito: told apart without colour vision; the lines differ in dash as well.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
PLOTLY_DASHES = (
    "solid", "dash", "dashdot", "dot", "longdash", "longdashdot", "9px,3px,2px,3px,2px,3px"
)  # fmt: skip
