"""From the model's objects to the flat arrays of the integrators, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_legendre

from dmft.systems.two_layer import _integrals
from dmft.systems.two_layer.equations import error_of
from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork

__all__ = ["Layout", "errors_of", "flow_of", "legendre_rules"]

Array = NDArray[np.float64]


@cache
def legendre_rules() -> Array:
    """Return Gauss-Legendre rules on [0, 1], shape (19, 2, 76): row r has 4 (r + 1) nodes."""
    rules = np.zeros((19, 2, 76))
    for row in range(19):
        nodes, weights = roots_legendre(4 * (row + 1))
        rules[row, 0, : len(nodes)] = 0.5 * (nodes + 1.0)
        rules[row, 1, : len(nodes)] = 0.5 * weights
    rules.flags.writeable = False
    return rules


class Layout(NamedTuple):
    """Where Q (upper triangle, by rows), R (by rows) and v stand in the packed state."""

    K: int
    M: int

    @classmethod
    def of(cls, net: TwoLayerNetwork) -> Layout:
        return cls(net.K, net.M)

    @property
    def size(self) -> int:
        return self.K * (self.K + 1) // 2 + self.K * self.M + self.K

    def pack(self, state: OrderParameters) -> Array:
        upper = state.Q[np.triu_indices(self.K)]
        return np.concatenate([upper, state.R.ravel(), state.v])

    def Q(self, y: Array) -> Array:
        """Return Q, shape (..., K, K), of states of shape (..., size)."""
        rows, columns = np.triu_indices(self.K)
        out = np.empty((*y.shape[:-1], self.K, self.K))
        out[..., rows, columns] = out[..., columns, rows] = y[..., : len(rows)]
        return out

    def R(self, y: Array) -> Array:
        """Return R, shape (..., K, M)."""
        begin = self.K * (self.K + 1) // 2
        return y[..., begin : begin + self.K * self.M].reshape(*y.shape[:-1], self.K, self.M)

    def v(self, y: Array) -> Array:
        """Return v, shape (..., K)."""
        return y[..., self.size - self.K :]

    def covariance(self, y: Array, T: Array) -> Array:
        """Return [[Q, R], [R', T]], shape (..., K + M, K + M)."""
        R = self.R(y)
        lower = np.broadcast_to(T, (*y.shape[:-1], self.M, self.M))
        top = np.concatenate([self.Q(y), R], axis=-1)
        bottom = np.concatenate([np.swapaxes(R, -1, -2), lower], axis=-1)
        return np.concatenate([top, bottom], axis=-2)

    def state(self, y: Array) -> OrderParameters:
        """Return one packed state as order parameters."""
        return OrderParameters(self.Q(y), self.R(y), self.v(y))


def flow_of(net: TwoLayerNetwork) -> Callable[[Array, Array], Array]:
    """Return dy/dt as a function of the packed state and of rates.

    rates = (eta, eta_v, kappa, kappa of v, sigma^2, eta^2); a last entry 0 drops the noise of SGD,
    which leaves gradient flow, the limit of small learning rates.
    """
    rhs, rules = _integrals.rhs, legendre_rules()
    # Copies are writeable.  Those of the network are not, but become so on the way to another
    # process, and numba would compile everything a second time for them.
    K, T, v_teacher, code = net.K, net.T.copy(), net.v_teacher.copy(), net.code
    return lambda y, rates: rhs(y, K, T, v_teacher, code, rates, rules)


def errors_of(net: TwoLayerNetwork, y: Array) -> Array:
    """Return the generalisation error eg of packed states, shape (...)."""
    layout = Layout.of(net)
    teacher = np.broadcast_to(net.v_teacher, (*y.shape[:-1], net.M))
    c = np.concatenate([-layout.v(y), teacher], axis=-1)
    return error_of(net.activation, layout.covariance(y, net.T), c)
