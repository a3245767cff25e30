"""What the figures of all systems share: style, error bars, writing a file (extra `plot`).

matplotlib is imported when a figure is made, not with this module.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import extras, storage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLORS",
    "DASHES",
    "MARKS",
    "PLOTLY_DASHES",
    "check_format",
    "distinct",
    "given",
    "mathtext",
    "points",
    "save",
    "style",
    "typeset",
]

# Okabe and Ito's colours can be told apart without colour vision; lines differ in dash as well.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
PLOTLY_DASHES = (
    "solid", "dash", "dashdot", "dot", "longdash", "longdashdot", "9px,3px,2px,3px,2px,3px"
)  # fmt: skip
# Marks of points in plotly, all but the cross "x", which stands for a run that failed.
MARKS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))

# What parameters are called in figures, as in the papers.
SYMBOLS = {
    "alpha": r"\alpha", "beta": r"\beta", "delta": r"\Delta", "rho": r"\rho", "sigma": r"\sigma",
    "ridge": r"\lambda", "learning_rate": r"\eta", "second_learning_rate": r"\eta_v",
    "weight_decay": r"\kappa", "m0": "m_0", "q0": "q_0", "eg(0)": r"\epsilon_g(0)",
    **{name: name for name in ("K", "M", "T", "a")},
}  # fmt: skip
_GIVEN = re.compile(
    rf"(?<!\w)({'|'.join(re.escape(name) for name in sorted(SYMBOLS, key=len, reverse=True))})"
    r" ?= ?([-+]?[\d.]+(?:e[-+]?\d+)?(?![\w.]))?"
)


@contextmanager
def style() -> Iterator[None]:
    """Use a style fit for a two-column paper (axes 3.4 in wide, 8 pt).

    Examples
    --------
    >>> import matplotlib as mpl
    >>> with style():
    ...     mpl.rcParams["font.size"]
    8.0
    """
    extras.require("matplotlib", what="figures")
    import matplotlib as mpl
    from cycler import cycler

    settings: dict[Any, Any] = {
        "figure.figsize": (3.4, 2.6),
        "figure.dpi": 150,
        "savefig.dpi": 300,
        "font.size": 8,
        "axes.labelsize": 8,
        "legend.fontsize": 7,
        "legend.frameon": False,
        "axes.prop_cycle": cycler(color=COLORS) + cycler(linestyle=DASHES),
        "lines.linewidth": 1.2,
    }
    with mpl.rc_context(settings):
        yield


def points(ax: Axes, t: ArrayLike, mean: ArrayLike, error: ArrayLike, **marks: Any) -> Axes:
    """Draw simulated means with error bars of one standard error.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    t, mean, error : array_like, shape (n,)
        Abscissa, mean and its standard error.
    **marks
        Passed to ``ax.errorbar``.

    Returns
    -------
    Axes
        `ax`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> len(points(Figure().subplots(), [1.0, 2.0], [0.5, 0.6], [0.1, 0.1]).containers)
    1
    """
    ax.errorbar(
        np.asarray(t), np.asarray(mean), yerr=np.asarray(error),
        **{"fmt": "o", "markersize": 3, "capsize": 2, "linewidth": 1, **marks},
    )  # fmt: skip
    return ax


def mathtext(number: float) -> str:
    r"""Return a number in mathtext, 1e6 as a power of ten.

    Examples
    --------
    >>> print(mathtext(2.5e6), mathtext(1e6), mathtext(30.0))
    2.5\times10^{6} 10^{6} 30
    """
    mantissa, _, exponent = f"{number:.4g}".partition("e")
    if not exponent:
        return mantissa
    power = f"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else rf"{mantissa}\times{power}"


def typeset(text: str) -> str:
    r"""Return a text with parameters such as ``alpha = 4.0`` in mathtext.

    Examples
    --------
    >>> print(typeset("alpha = 4.0, eg(0) = 0.5, step = 0.1, T=1e-3"))
    $\alpha=4$, $\epsilon_g(0)=0.5$, step = 0.1, $T=0.001$
    """

    def symbol(found: re.Match[str]) -> str:
        name, value = SYMBOLS[found[1]], found[2]
        return f"${name}=$" if value is None else f"${name}={mathtext(float(value))}$"

    return _GIVEN.sub(symbol, text)


def given(model: Any) -> str:
    """Return the parameters of a model (a dataclass) in words; what is None is left out.

    Examples
    --------
    >>> import dmft
    >>> given(dmft.GaussianMixture(2.0, 0.5))
    'alpha = 2, delta = 0.5, logistic loss, ridge = 0.1, rho = 0.5, bias = False'
    """
    parts = []
    for one in dataclasses.fields(model):
        value = getattr(model, one.name)
        if not one.repr or value is None:
            continue
        if isinstance(value, str):
            parts.append(f"{value} {one.name}")
        else:
            number = f"{value:.4g}" if isinstance(value, float) else value
            parts.append(f"{one.name} = {number}")
    return ", ".join(parts)


def distinct(curves: Mapping[str, NDArray[Any]]) -> list[tuple[list[str], NDArray[Any]]]:
    """Return curves with their labels; those that coincide, to 1e-3 of the height, are one.

    Examples
    --------
    >>> one, two = np.ones(3), np.array([1.0, 2.0, 3.0])
    >>> [labels for labels, _ in distinct({"a": one, "b": two, "c": one})]
    [['a', 'c'], ['b']]
    """
    found: list[tuple[list[str], NDArray[Any]]] = []
    for label, line in curves.items():
        for labels, other in found:
            off = 1e-3 * np.nanmax(np.abs(other), initial=0.0)
            if np.allclose(line, other, rtol=0.0, atol=off, equal_nan=True):
                labels.append(label)
                break
        else:
            found.append(([label], line))
    return found


def check_format(path: str | os.PathLike[str], name: str = "plot") -> str:
    """Return the format of a figure's file, or raise ValueError if matplotlib knows none.

    Parameters
    ----------
    path : path
        File of a figure.
    name : str
        What the sentence calls it.

    Returns
    -------
    str
        The format: the suffix without its dot, png without one.

    Raises
    ------
    dmft.extras.MissingExtraError
        An ImportError: matplotlib is not installed; it says how to install it.
    ValueError
        matplotlib knows no such format.

    Examples
    --------
    >>> check_format("figure.pdf")
    'pdf'
    """
    extras.require("matplotlib", what="figures")
    from matplotlib.backend_bases import FigureCanvasBase

    suffix = os.path.splitext(path)[1].lstrip(".").lower() or "png"
    if suffix not in FigureCanvasBase.get_supported_filetypes():
        raise ValueError(
            f"{name} = {str(path)!r} is not allowed: unknown format .{suffix}; a figure ends"
            " in .png, .pdf or .svg, and a table is another option or command"
        )
    return suffix


def save(figure: Figure, path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write a figure atomically; the suffix gives the format, png without one.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    path : path
        Where to write it.
    force : bool, default False
        Overwrite an existing file.

    Raises
    ------
    dmft.storage.FileError
        A ValueError: as :func:`dmft.storage.check_target`.
    ValueError
        matplotlib knows no format of that suffix.
    """
    target, suffix = storage.check_target(path, force=force), check_format(path)
    with storage.replacing(target) as temporary:
        figure.savefig(temporary, format=suffix)
