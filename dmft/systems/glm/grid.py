"""C and R of a run at its steps, as packed lower triangles, and values between the steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.two_time import TriangularGrid, interpolate_uniform

__all__ = ["DEGREE", "FlowGrid", "LogMap", "StepGrid", "packed"]

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


@dataclass(frozen=True)
class LogMap:
    """Times ``t(k) = scale ((1 + growth)^k - 1)``: steps that grow like t."""

    growth: float
    scale: float

    def t(self, s: ArrayLike) -> Array:
        """Return t(s)."""
        return np.asarray(self.scale * np.expm1(np.log1p(self.growth) * np.asarray(s, float)))

    def s(self, t: ArrayLike) -> Array:
        """Return s(t)."""
        return np.asarray(np.log1p(np.asarray(t, float) / self.scale) / np.log1p(self.growth))


class FlowGrid(StepGrid):
    """C and R at the ends of steps that grow like t."""

    kind = "flow"

    def attributes(self) -> dict[str, Any]:
        """Return the scalars that belong to the variables."""
        own: Any = self.time_map
        return {"grid_growth": own.growth, "grid_scale": own.scale}

    @classmethod
    def restore(cls, values: dict[str, NDArray[Any]], attributes: dict[str, Any]) -> FlowGrid:
        """Rebuild the grid from :meth:`variables` and :meth:`attributes`."""
        own: Any = LogMap(float(attributes["grid_growth"]), float(attributes["grid_scale"]))
        return cls(1.0, own, values["C"], values["R"])
