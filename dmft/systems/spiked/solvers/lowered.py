"""From a problem to the arrays that the kernels of `dense` and `gradient_descent` take."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.protocol import Drive
from dmft.systems.spiked.protocol.drive import Side
from dmft.systems.spiked.solvers._triangle_kernels import Equations
from dmft.systems.spiked.solvers.problem import Problem

__all__ = ["driven_equations", "steady_equations"]

Array = NDArray[np.float64]
SIDES: tuple[Side, Side] = ("before", "after")


def steady_equations(problem: Problem, half: Array) -> Equations:
    """Return the equations of a problem without a drive on nodes with the given weights."""
    orders, signal, noise = problem.coefficients
    nodes = half.shape[1]
    T, W = np.full((2, nodes), problem.T), np.ones((2, nodes, len(orders)))
    jump = np.zeros(nodes, dtype=bool)
    polynomials = problem.coefficients.polynomials()
    return Equations(True, jump, T, W, W * signal, half, orders, noise, *polynomials)


def driven_equations(
    drive: Drive,
    t: Array,
    half: Array,
    jump: NDArray[np.bool_],
    sides: tuple[Side, Side] = SIDES,
) -> Equations:
    """Return the equations of a drive at nodes t; `half` are the weights at learning rate 1.

    `sides` are those that the first axis of the arrays stands for.
    """
    rates = np.array([drive.rate(t, side) for side in sides])
    T = np.array([drive.temperature(t, side) for side in sides])
    W = np.array([drive.weights(t, side) for side in sides])
    none = np.empty(0)
    return Equations(
        False, jump, T, W, W * drive.planted, half * rates, drive.orders, drive.noise,
        none, none, none,
    )  # fmt: skip
