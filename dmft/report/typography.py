"""Formulas in the texts of a page: Greek letters, indices and powers of ten.

Systems write their titles, legends and hover texts in ASCII, as everywhere in the package
(``mu(t)``, ``Delta_2``, ``1e-10``); a page shows them as a paper does.
"""

from __future__ import annotations

import html
import re
from typing import Any

__all__ = ["typeset", "typeset_figure", "typeset_text"]

NAMES = (
    "alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "kappa", "lambda", "mu", "rho",
    "sigma", "tau", "phi", "chi", "psi", "omega", "Delta", "Sigma", "Lambda",
)  # fmt: skip
# plotly knows few entities by their names: the characters themselves are written.
GREEK = {name: html.unescape(f"&{name};") for name in NAMES}
# Symbols that the systems write with their index attached.
INDEXED = {"m0": "m_0", "eg": "epsilon_g"}
# A Greek letter, or any letter with an index.
_SYMBOL = re.compile(rf"(?<![\w&])({'|'.join([*INDEXED, *GREEK])}|[A-Za-z](?=_))(?:_(\w+))?(?!\w)")
# In a text, and in one that is HTML already.
_ARROW = re.compile(r"-(?:>|&gt;)")
# At most ten characters: names of runs have twelve.
_NUMBER = re.compile(r"(?<![\w.])(\d{1,6}(?:\.\d+)?)e([+-]?)0*(\d{1,3})(?!\w|\.\w)")


def typeset(text: str) -> str:
    """Return a text with Greek letters, indices and powers of ten as HTML.

    Examples
    --------
    >>> text = typeset("Delta_2, mu(t), m0 = 1e-10, 2.5e+06 steps")
    >>> print(text.encode("ascii", "xmlcharrefreplace").decode())
    &#916;<sub>2</sub>, &#956;(t), m<sub>0</sub> = 10<sup>-10</sup>, 2.5&#215;10<sup>6</sup> steps
    >>> print(typeset("N -> infinity, to 1e-5.").encode("ascii", "xmlcharrefreplace").decode())
    N &#8594; &#8734;, to 10<sup>-5</sup>.
    """
    text = _ARROW.sub("\N{RIGHTWARDS ARROW}", text)
    text = text.replace("\N{RIGHTWARDS ARROW} infinity", "\N{RIGHTWARDS ARROW} \N{INFINITY}")
    return _NUMBER.sub(_power, _SYMBOL.sub(_letter, text))


def _letter(found: re.Match[str]) -> str:
    name, index = found[1], found[2]
    if name in INDEXED and index is None:
        name, _, index = INDEXED[name].partition("_")
    letter = GREEK.get(name, name)
    return letter if index is None else f"{letter}<sub>{index.replace('_', ',')}</sub>"


def _power(found: re.Match[str]) -> str:
    mantissa, sign, exponent = found.groups()
    power = f"10<sup>{'-' if sign == '-' else ''}{exponent}</sup>"
    return power if float(mantissa) == 1.0 else f"{mantissa}\N{MULTIPLICATION SIGN}{power}"


def typeset_text(text: str) -> Any:
    """Return a plain text with its formulas typeset, safe in a page (extra `report`)."""
    from markupsafe import Markup, escape

    return Markup(typeset(str(escape(text))))


def typeset_figure(figure: Any) -> None:
    """Typeset all texts of a plotly figure: titles, axes, legends, hover texts and sliders."""
    layout = figure.layout
    if layout.title.text:
        layout.title.text = typeset(layout.title.text)
    for note in layout.annotations:
        note.text = typeset(note.text)
    for name in layout:
        if name.startswith(("xaxis", "yaxis")) and layout[name].title.text:
            layout[name].title.text = typeset(layout[name].title.text)
    for trace in figure.data:
        if trace.name:
            trace.name = typeset(trace.name)
        if isinstance(trace.text, str):
            trace.text = typeset(trace.text)
        elif trace.text is not None:
            trace.text = [typeset(one) for one in trace.text]
    for slider in layout.sliders:
        for step in slider.steps:
            shown, titles = step.args
            step.args = (shown, {name: typeset(text) for name, text in titles.items()})
