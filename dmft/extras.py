"""Packages that only some commands need: which extra of dmft installs each, and what to type.

What needs one asks for it before it computes anything.
"""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["EXTRAS", "MissingExtraError", "missing", "require"]

# Package -> the extra of pyproject.toml that installs it.
EXTRAS = {
    "matplotlib": "plot",
    "plotly": "report",
    "jinja2": "report",
    "xarray": "xarray",
    "pandas": "xarray",
    "distributed": "cluster",
}


class MissingExtraError(ImportError):
    """A package of an extra is not installed; the sentence says what to type."""


def missing(*packages: str, what: str) -> MissingExtraError:
    """Return the error that says which extras `what` needs.

    Examples
    --------
    >>> print(missing("matplotlib", what="figures"))
    figures need matplotlib, which is not installed: pip install "dmft[plot]"
    """
    extras = ",".join(dict.fromkeys(EXTRAS[name] for name in packages))
    verb, are = ("need", "is" if len(packages) == 1 else "are")
    if not what.endswith("s"):
        verb = "needs"
    return MissingExtraError(
        f"{what} {verb} {' and '.join(packages)}, which {are} not installed:"
        f' pip install "dmft[{extras}]"'
    )


def require(*packages: str, what: str) -> None:
    """Raise MissingExtraError unless all packages are installed; import none of them.

    Parameters
    ----------
    *packages : str
        Keys of `EXTRAS`.
    what : str
        What needs them, for the sentence.

    Raises
    ------
    MissingExtraError
        An ImportError: one of them is not installed.
    """
    absent = [name for name in packages if find_spec(name) is None]
    if absent:
        raise missing(*absent, what=what)
