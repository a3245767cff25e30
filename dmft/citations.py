"""BibTeX entries of the package and of the methods it uses."""

from __future__ import annotations

from dmft._version import __version__
from dmft.systems import SYSTEMS

__all__ = ["bibtex"]


def bibtex() -> str:
    """Return the BibTeX entries of the package and of the papers its methods come from."""
    software = (
        "@software{dmft,\n"
        "  title   = {dmft: mean-field dynamics of learning and inference in high dimension},\n"
        "  author  = {{The dmft developers}},\n"
        f"  version = {{{__version__}}},\n"
        "  year    = {2026}\n"
        "}\n"
    )
    return "\n".join([software, *filter(None, (s.citations() for s in SYSTEMS.values()))])
