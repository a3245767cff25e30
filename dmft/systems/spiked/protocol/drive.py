"""What a protocol is to a solver: functions of time, smooth between known jumps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.schedules import Schedule, evaluate
from dmft.systems.spiked.equations import DrivenCoefficients
from dmft.systems.spiked.model import Coefficients

__all__ = ["Drive", "Piece", "Side"]

Array = NDArray[np.float64]
# At the time of a jump: the value just before it, or just after it.
Side = Literal["before", "after"]


class Piece(NamedTuple):
    """Settings between two jumps: schedules without switches, and the stage they belong to."""

    stage: int
    T: Schedule
    rate: Schedule
    deltas: tuple[Schedule, ...]


@dataclass(frozen=True, eq=False)
class Drive:
    """Temperature, learning rate and weights of the loss as functions of time.

    All methods take times of any shape, >= 0, and a side: at a jump the values "after" it, or
    "before" it.  With ``w_p(t) = weights``, ``a_p(t) = signal`` and ``Delta_p = noise``:

        S(t, m) = sum_p a_p(t) m^(p-1),   K1(t, s, c) = sum_p Delta_p w_p(t) w_p(s) c^(p-1)

    Parameters
    ----------
    starts : ndarray, shape (n_pieces,)
        Where the pieces begin, 0 first, strictly ascending.
    pieces : tuple of Piece
        Settings on each.
    orders : ndarray of int, shape (n_channels,)
        Orders p.
    noise : ndarray, shape (n_channels,)
        True noise variances Delta_p.
    planted : ndarray, shape (n_channels,)
        Signal over weight: 1 for a spike, ``Delta_p w_p(0)/T0`` for a thermal start.
    """

    starts: Array
    pieces: tuple[Piece, ...]
    orders: NDArray[np.int64]
    noise: Array
    planted: Array

    @property
    def breaks(self) -> Array:
        """Times of the jumps, ascending, all > 0."""
        return self.starts[1:]

    def temperature(self, t: ArrayLike, side: Side = "after") -> Array:
        """Return T(t), of the shape of t."""
        # The table of a function that touches 0 may be below it by rounding.
        return np.maximum(self._evaluate("T", t, side), 0.0)

    def rate(self, t: ArrayLike, side: Side = "after") -> Array:
        """Return the learning rate eta(t), of the shape of t."""
        return self._evaluate("rate", t, side)

    def weights(self, t: ArrayLike, side: Side = "after") -> Array:
        """Return w_p(t) = 1/Delta'_p(t), with the channels as last axis."""
        channels = [self._evaluate(k, t, side) for k in range(len(self.orders))]
        return 1.0 / np.stack(channels, axis=-1)

    def signal(self, t: ArrayLike, side: Side = "after") -> Array:
        """Return the coefficients a_p(t) of the signal, with the channels as last axis."""
        return self.weights(t, side) * self.planted

    def stage(self, t: ArrayLike, side: Side = "after") -> NDArray[np.int64]:
        """Return the number of the stage at t; 0 is what the run begins with."""
        return np.array([piece.stage for piece in self.pieces])[self._piece(t, side)]

    def coefficients(self, t: float) -> Coefficients:
        """Return the model's coefficients for a loss that stays as it is at time t."""
        w = self.weights(t)
        return Coefficients(self.orders, self.signal(t), self.noise * w * w)

    def on_grid(self, t: Array) -> DrivenCoefficients:
        """Return what the equations need at the last of the times t (n+1,), no jump in between."""
        last = t[-1]
        return DrivenCoefficients(
            self.orders, self.noise, float(self.temperature(last, "before")),
            self.signal(last, "before"), self.rate(t, "before"), self.weights(t, "before"),
        )  # fmt: skip

    def fastest(self, start: float, end: float) -> float:
        """Return the largest rate at which C begins to fall: eta (T + sqrt(K1 + K2)), C = 1.

        On [start, end] inside one piece, from values at many times.
        """
        t = start + (end - start) * np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 60)])
        t[-1] = end
        sides: tuple[tuple[Side, Array], ...] = (("after", t[:-1]), ("before", t[1:]))
        values = []
        for side, part in sides:
            w = self.weights(part, side)
            kernels = (w * w) @ (self.noise * self.orders)
            values.append(self.rate(part, side) * (self.temperature(part, side) + np.sqrt(kernels)))
        return float(np.max(values))

    def _piece(self, t: ArrayLike, side: Side) -> NDArray[np.int64]:
        where: Literal["left", "right"] = "right" if side == "after" else "left"
        return np.maximum(np.searchsorted(self.starts, np.asarray(t, float), side=where) - 1, 0)

    def _evaluate(self, what: str | int, t: ArrayLike, side: Side) -> Array:
        """Return the values of "T", of "rate", or of Delta' of a channel by its index."""
        t = np.asarray(t, dtype=np.float64)
        piece, out = self._piece(t, side), np.empty(t.shape)
        for k in np.unique(piece):
            at, chosen = piece == k, self.pieces[k]
            schedule = chosen.deltas[what] if isinstance(what, int) else getattr(chosen, what)
            out[at] = evaluate(schedule, t[at])
        return out
