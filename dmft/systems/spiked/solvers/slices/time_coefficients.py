"""Temperature, signal and kernels of the equations as functions of the solver's time.

    S(t, m) = sum_p a_p(t) m^(p-1),   K1(t, s, c) = sum_p Delta_p w_p(t) w_p(s) c^(p-1)

and K2 = dK1/dc.  The learning rate enters through the clock alone (:mod:`dmft.two_time.clock`).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.systems.spiked.model import Coefficients
from dmft.systems.spiked.protocol.drive import Side
from dmft.systems.spiked.solvers.problem import Problem
from dmft.two_time.clock import Clock, clock

__all__ = ["TimeCoefficients", "derivative", "polynomial"]

Array = NDArray[np.float64]


def polynomial(c: Array, x: ArrayLike) -> Array:
    """Return polynomials with ascending coefficients (last axis of c) at x."""
    x = np.asarray(x, dtype=np.float64)
    return np.asarray(np.sum(c * x[..., None] ** np.arange(c.shape[-1]), axis=-1))


def derivative(c: Array) -> Array:
    """Return the coefficients of the derivative of polynomials."""
    return np.asarray(c[..., 1:] * np.arange(1, c.shape[-1]))


class TimeCoefficients:
    """Coefficients of the equations at any time; without a drive they are constant.

    Attributes
    ----------
    K1, K2 : ndarray, shape (powers,)
        Coefficients of the kernels by ascending powers; with a drive those at weights w = 1.
    jumps : ndarray
        Times of the jumps before the end, ascending.
    end, user_end : float
        End time of the run, and the same in the user's time.
    clock : Clock or None
        From the user's time to the solver's; None where they agree.
    """

    def __init__(self, problem: Problem) -> None:
        self.drive, self.T = problem.drive, problem.T
        self.end = self.user_end = problem.t_end
        self.clock: Clock | None = None
        self.jumps = np.empty(0)
        self.steady_T: Array | None = None
        self.steady_weights: Array | None = None
        if self.drive is None:
            self.orders = problem.coefficients.orders
            self.S, self.K1, self.K2 = problem.coefficients.polynomials()
            return
        d = self.drive
        self.orders = d.orders
        self.S, self.K1, self.K2 = Coefficients(d.orders, d.planted, d.noise).polynomials()
        self.jumps = d.breaks[d.breaks < problem.t_end]
        if any(piece.rate != 1.0 for piece in d.pieces):
            self.clock = clock(d.rate, d.starts, problem.t_end)
            self.jumps = self.clock.tau(self.jumps)
            self.end = float(self.clock.tau(problem.t_end))
        # Between jumps most protocols are constant: then no time has to be turned into the user's.
        at, pieces = d.starts, d.pieces
        if all(isinstance(piece.T, float) for piece in pieces):
            self.steady_T = d.temperature(at)
        if all(isinstance(delta, float) for piece in pieces for delta in piece.deltas):
            self.steady_weights = d.weights(at)

    def user_time(self, tau: ArrayLike) -> Array:
        """Return the user's time at the solver's."""
        return np.asarray(tau, dtype=np.float64) if self.clock is None else self.clock.t(tau)

    def own_time(self, t: ArrayLike) -> Array:
        """Return the solver's time at the user's."""
        return np.asarray(t, dtype=np.float64) if self.clock is None else self.clock.tau(t)

    def temperature(self, tau: ArrayLike, side: Side = "before") -> Array:
        """Return T, of the shape of tau."""
        if self.drive is None:
            return np.full(np.shape(tau), self.T)
        if self.steady_T is not None:
            return np.asarray(self.steady_T[self._piece(tau, side)])
        return self.drive.temperature(self.user_time(tau), side)

    def signal(self, tau: ArrayLike, side: Side = "before") -> Array:
        """Return the coefficients of S, ascending powers as last axis."""
        return self.S if self.drive is None else self.S * self.factors(tau, side)

    def factors(self, tau: ArrayLike, side: Side = "before") -> Array:
        """Return w by the power of c in K1, as last axis; empty without a drive."""
        if self.drive is None:
            return np.empty((*np.shape(tau), 0))
        by_power = np.ones((*np.shape(tau), len(self.K1)))
        if self.steady_weights is None:
            weights = self.drive.weights(self.user_time(tau), side)
        else:
            weights = self.steady_weights[self._piece(tau, side)]
        by_power[..., self.orders - 1] = weights
        return by_power

    def _piece(self, tau: ArrayLike, side: Side) -> NDArray[np.int64]:
        """Return how many jumps lie before times, or at them if the side is "after"."""
        where: Literal["left", "right"] = "right" if side == "after" else "left"
        return np.asarray(np.searchsorted(self.jumps, np.asarray(tau), side=where))

    def kernel(self, of_t: Array, of_s: Array) -> tuple[Array, Array]:
        """Return the coefficients of K1 and K2 for factors at t and at s."""
        if self.drive is None:
            return self.K1, self.K2
        both = of_t * of_s
        return self.K1 * both, self.K2[:-1] * both[..., 1:]

    @property
    def varies(self) -> bool:
        """Whether T or a variance of the loss varies between the jumps."""
        return self.drive is not None and (self.steady_T is None or self.steady_weights is None)

    def rates(self, tau: ArrayLike, side: Side = "before") -> Array:
        """Return T and the rates of the channels, last axis, whose changes C and R follow."""
        assert self.drive is not None
        t, d = self.user_time(tau), self.drive
        size = np.maximum(np.sqrt(d.noise * d.orders), d.planted)
        return np.concatenate(
            [d.temperature(t, side)[..., None], d.weights(t, side) * size], axis=-1
        )

    def energies(self, tau: float, side: Side, m: float, memory: Array) -> Array:
        """Return e_p = -a_p m^p/p - memory_p of the channels; memory by the power of C."""
        index = self.orders - 1
        signal = self.signal(tau, side)[..., index]
        return np.asarray(-signal * m**self.orders / self.orders - memory[index])

    def unit(self) -> float:
        """Return the model's fastest time t0, 1 for Q = x^3/3 at T = 0.

        C starts to fall at the rate T + sqrt(K1 + K2); close to the signal the rate S(1) may be
        larger.
        """
        if self.drive is None:
            tau = np.zeros(1)
        else:
            starts = np.append(np.concatenate([[0.0], self.jumps]), self.end)
            spread = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 60)])
            tau = (starts[:-1, None] + np.diff(starts)[:, None] * spread).ravel()
        rates = []
        sides: tuple[Side, Side] = ("before", "after")
        for side in sides:
            w = self.factors(tau, side)
            K1, K2 = self.kernel(w, w)
            kernels = np.sqrt(K1.sum(axis=-1) + K2.sum(axis=-1))
            S = self.signal(tau, side).sum(axis=-1)
            rates.append(self.temperature(tau, side) + np.maximum(kernels, S))
        return math.sqrt(3.0) / float(np.max(rates))
