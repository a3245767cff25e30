"""What every file tells of how its run was made: versions and date."""

from __future__ import annotations

import datetime
import platform
from importlib import metadata
from typing import Any

from dmft._version import __version__

__all__ = ["made"]

PACKAGES = ("numpy", "scipy", "numba")


def made() -> dict[str, Any]:
    """Return versions of the package and of what computes the numbers, and the date (UTC)."""
    return {
        "versions": {
            "dmft": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in PACKAGES},
        },
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
