"""Linear systems of Newton's method: most work in single precision, results in double."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve

__all__ = ["Factorised"]

Array = NDArray[np.float64]

# A solution is corrected until the correction is below EXACT times it, which two corrections do as
# a rule.  Where one is above BAD times the one before, the factors are made again in double
# precision.
EXACT, BAD = 1e-11, 0.02


class Factorised:
    """The LU factors of a matrix, whose memory must not change while they are in use.

    Factors in single precision take half the time of those in double precision, which is a fifth of
    that of a run; iterative refinement (Wilkinson) gives the digits back.
    """

    def __init__(self, J: Array, scratch: Callable[..., NDArray[Any]]) -> None:
        self.J = J
        self.single = True
        copy = scratch("single", J.shape, np.float32)
        try:
            with np.errstate(over="raise"):
                copy[...] = J
        except FloatingPointError:
            self._double()
            return
        # LAPACK takes the transpose without a copy: it is in Fortran's order.
        self.lu = lu_factor(copy.T, overwrite_a=True, check_finite=False)

    def _double(self) -> None:
        self.single = False
        self.lu = lu_factor(self.J.T, check_finite=False)

    def solve(self, F: Array) -> Array:
        """Return d with J d = F; not finite where F is not."""
        d = self._refined(F) if self.single else None
        if d is not None:
            return d
        if self.single:
            self._double()
        return np.asarray(lu_solve(self.lu, F, trans=1, check_finite=False))

    def _refined(self, F: Array) -> Array | None:
        """Return the solution by refinement, None if that does not converge."""
        d, left, last = np.zeros_like(F), F, np.inf
        while (scale := float(np.max(np.abs(left)))) > 0.0:
            part = (left / scale).astype(np.float32)
            step = scale * lu_solve(self.lu, part, trans=1, check_finite=False).astype(float)
            size = float(np.max(np.abs(step)))
            if not 0.0 < size <= BAD * last:
                return None
            d += step
            if size <= EXACT * float(np.max(np.abs(d))):
                break
            last, left = size, F - self.J @ d
        return d if np.isfinite(scale) else None
