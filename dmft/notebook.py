"""What a notebook shows in place of a text: a small table, and a figure inside it.

Everything is in the page itself: no file, no script, no network.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import importlib
import io
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dmft.extras import MissingExtraError, require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Shown", "bar", "card", "inline", "show_figures"]

# Resolution and width of a figure: half a page of a notebook.
DPI, WIDTH = 90, 620
# Values of an array that a table shows in full.
MOST = 6


def card(title: str, rows: Iterable[tuple[str, str]], figure: str = "") -> str:
    """Return a title, rows of name and value, and below them a figure, as HTML.

    Examples
    --------
    >>> card("Model", [("p", "3")])[:28]
    '<div><strong>Model</strong><'
    """
    cells = "".join(
        f'<tr><td style="text-align:left">{html.escape(name)}</td>'
        f'<td style="text-align:left">{html.escape(value)}</td></tr>'
        for name, value in rows
    )
    return f"<div><strong>{html.escape(title)}</strong><table>{cells}</table>{figure}</div>"


def inline(draw: Callable[[], Figure], about: str) -> str:
    """Return a figure as an HTML image that holds its own PNG; "" without matplotlib."""
    try:
        require("matplotlib", what="figures")
    except MissingExtraError:
        return ""
    file = io.BytesIO()
    draw().savefig(file, format="png", dpi=DPI)
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f'<img alt="{html.escape(about)}" style="max-width:{WIDTH}px"'
        f' src="data:image/png;base64,{data}">'
    )


def bar(parts: Mapping[str, tuple[int, str]]) -> str:
    """Return a bar of parts, each with its number and colour, as an HTML drawing (SVG)."""
    total = max(1, sum(number for number, _ in parts.values()))
    drawn, left = [], 0.0
    for name, (number, color) in parts.items():
        width = 400.0 * number / total
        drawn.append(
            f'<rect x="{left:.1f}" width="{width:.1f}" height="14" fill="{color}">'
            f"<title>{html.escape(name)}: {number}</title></rect>"
        )
        left += width
    return (
        '<svg width="400" height="14" role="img" aria-label="how the runs ended">'
        f"{''.join(drawn)}</svg>"
    )


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size <= MOST:
            return np.array2string(value, precision=6, separator=", ").replace("\n", "")
        return f"array of shape {value.shape}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def show_figures() -> None:
    """Let a notebook show figures as images, if it does not yet.

    Notebooks learn that when pyplot has drawn something, which figures do not need.
    """
    if "IPython" not in sys.modules:
        return
    from matplotlib.figure import Figure

    shell: Any = importlib.import_module("IPython").get_ipython()
    if shell is None:
        return
    formatters = shell.display_formatter.formatters.values()
    if not any(Figure in formatter.type_printers for formatter in formatters):
        importlib.import_module("IPython.core.pylabtools").select_figure_formats(shell, {"png"})


class Shown:
    """A frozen dataclass of parameters that a notebook shows as a table."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        rows = [(f.name, _text(getattr(self, f.name))) for f in fields if f.repr]
        return card(type(self).__name__, rows)
