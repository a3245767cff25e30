"""C and R of a run at its steps, as packed lower triangles, and values between the steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.two_time import TriangularGrid, interpolate_uniform

__all__ = ["DEGREE", "StepGrid", "packed"]

Array = NDArray[np.float64]

# Degree of the polynomials between the steps.  C and R carry sampling noise of 1e-4 that is rough
# where the algorithm is noisy; a higher degree amplifies it, a lower one misses 1e-4 at usual
# steps.
DEGREE = 3


def packed(square: Array) -> Array:
    """Return the lower triangle of a square array, row after row, with the diagonal."""
    return np.ascontiguousarray(square[np.tril_indices(len(square))])


class StepGrid(TriangularGrid):
    """C and R at t = 0, h, ..., n h; C(t,t) = q(t) is no constant here.

    R(t,t') = dw(t)/dw(t'), 1 on the diagonal: the response to a shift of the weights at t'.
    """

    kind = "steps"

    def C(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return C(t,t'); arguments are broadcast and lie in the triangle."""
        return self._values(self.C_packed, t, t_prime)

    def R(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return R(t,t'), 1 on the diagonal."""
        return self._values(self.R_packed, t, t_prime)

    def one_time(self, values: Array, t: ArrayLike) -> Array:
        """Interpolate a one-time function given at the steps."""
        return interpolate_uniform(values, self._position(t), DEGREE)

    def _values(self, triangle: Array, t: ArrayLike, t_prime: ArrayLike) -> Array:
        t, t_prime = np.broadcast_arrays(np.asarray(t, float), np.asarray(t_prime, float))
        a = self._position(t_prime.ravel())
        b = np.maximum(self._position(t.ravel()) - a, 0.0)
        return self._patch(triangle, a, b, min(DEGREE, self.n)).reshape(t.shape)
