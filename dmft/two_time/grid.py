"""What every grid of two-time functions can do."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["MeasuredGrid", "TwoTimeGrid"]

Array = NDArray[np.float64]


class TwoTimeGrid(Protocol):
    """C and R on a grid in the triangle 0 <= t' <= t, and values between its nodes.

    `kind` names the class in files; a class method ``restore(values, attributes)`` rebuilds the
    grid from :meth:`variables` and :meth:`attributes`.
    """

    @property
    def kind(self) -> str: ...

    def C(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return C(t,t'); arguments are broadcast and lie in the triangle."""
        ...

    def R(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return R(t,t'); on the diagonal R(t'+,t') = 1."""
        ...

    def one_time(self, values: Array, t: ArrayLike) -> Array:
        """Interpolate a one-time function given at the times of the grid (first axis)."""
        ...

    def variables(self) -> dict[str, tuple[tuple[str, ...], NDArray[Any], str]]:
        """Return what a file has to hold: name -> dimensions, values, meaning."""
        ...

    def attributes(self) -> dict[str, Any]:
        """Return the scalars that belong to the variables."""
        ...


class MeasuredGrid(TwoTimeGrid, Protocol):
    """A grid that knows how far the interpolation between its nodes is off."""

    def interpolation_errors(self, m: Array, mu: Array, e: Array) -> dict[str, float]:
        """Estimate the interpolation error of m, mu, e, C, R from what the last degrees change."""
        ...
