"""Arrays as input of the closed forms.

A parameter given as a scalar that is out of its range is an error that names the parameter, its
value and its range.  In an array the entries that are out of their range become NaN, and so does
what is computed from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.systems.spiked.model import MAX_ORDER

__all__ = ["Tensors", "broadcast", "numbers", "overlaps", "tensors"]

Array = NDArray[np.float64]

# Sums of 1/Delta_p over all orders and their product with p must stay finite.
SMALLEST, LARGEST = 1e-300, 1e300


class Tensors(NamedTuple):
    """The channels of order >= 3: two arrays of shape (n_channels, ...), broadcast together.

    `valid` has the shape without the channel axis and says where every parameter is in its range.
    Elsewhere orders and inverse are 3 and 1, so that formulas need no exception there.
    """

    orders: Array
    inverse: Array
    valid: NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result: that of the parameters broadcast together."""
        return self.inverse.shape[1:]

    def slope(self) -> Array:
        """Return ``A1 = sum_p 1/Delta_p``, the tensors' share of Q'(1)."""
        return np.asarray(np.sum(self.inverse, axis=0))

    def curvature(self) -> Array:
        """Return ``A2 = sum_p (p-1)/Delta_p``, the tensors' share of Q''(1)."""
        return np.asarray(np.sum((self.orders - 1.0) * self.inverse, axis=0))

    def excess(self) -> Array:
        """Return ``A2 - A1 = sum_p (p-2)/Delta_p > 0``, without cancellation."""
        return np.asarray(np.sum((self.orders - 2.0) * self.inverse, axis=0))

    def spread(self, shape: tuple[int, ...]) -> Tensors:
        """Return them broadcast to a result of the given shape."""
        missing = (1,) * (len(shape) - len(self.shape))
        orders, inverse = (
            np.broadcast_to(
                a.reshape(len(a), *missing, *self.shape),
                (len(a), *shape),
            )
            for a in (self.orders, self.inverse)
        )
        return Tensors(orders, inverse, np.broadcast_to(self.valid, shape))

    def answer(self, values: ArrayLike) -> Any:
        """Return `values` with NaN where a parameter is out of its range."""
        return np.where(self.valid, values, np.nan)[()]


def numbers(
    name: str, values: ArrayLike, low: float, high: float, wanted: str, *, points: int = 0
) -> Array:
    """Return `values` as a float array, NaN where an entry is not in the interval [low, high].

    Raises
    ------
    ValueError
        `values` are not real numbers, or they are a single point (at most `points` axes) outside
        the interval.
    """
    try:
        raw = np.asarray(values)
        if raw.dtype.kind not in "iufO":
            raise TypeError
        array = raw.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise _refused(name, values, wanted) from None
    inside = (array >= low) & (array <= high)
    if raw.ndim <= points and not np.all(inside):
        raise _refused(name, raw[~inside].flat[0] if raw.ndim else values, wanted)
    return np.where(inside, array, np.nan)


def overlaps(name: str, values: ArrayLike, low: float = -1.0) -> Array:
    """Return overlaps as a float array, NaN where an entry is not in [low, 1].

    Raises
    ------
    ValueError
        `values` are not real numbers, or a single number outside the interval.
    """
    if np.asarray(values, dtype=object).ndim == 0:
        return checks.array_in(name, values, low, 1.0)
    return numbers(name, values, low, 1.0, f"numbers in [{low:g}, 1]")


def tensors(
    p: ArrayLike | None,
    delta_p: ArrayLike | None,
    channels: Mapping[int, ArrayLike] | None,
) -> Tensors:
    """Return the tensor channels given either as p and delta_p or as a mapping order -> variance.

    Raises
    ------
    ValueError
        Both or neither are given, a scalar is out of its range, or shapes do not broadcast.
    """
    if channels is None:
        if p is None or delta_p is None:
            raise ValueError(
                f"p = {p!r} with delta_p = {delta_p!r} is not allowed: give both, or channels"
                " (order -> noise variance) alone"
            )
        parts = {"p": _orders(p), "delta_p": _variances("delta_p", delta_p)}
        order, variance = broadcast(parts)
        return _masked(order[np.newaxis], variance[np.newaxis])
    if p is not None or delta_p is not None:
        raise ValueError(
            f"channels = {channels!r} is not allowed together with p = {p!r},"
            f" delta_p = {delta_p!r}: give one or the other"
        )
    if not isinstance(channels, Mapping) or not channels:
        raise ValueError(
            f"channels = {channels!r} is not allowed: it must be a non-empty mapping"
            " order -> noise variance, such as {3: 1.5, 4: 2.0}"
        )
    # The matrix channel is the unknown of every line, so orders start at 3.
    keys = [checks.integer("order p in channels", k, low=3, high=MAX_ORDER) for k in channels]
    parts = {
        f"delta_{k}": _variances(f"delta_{k}", delta)
        for k, delta in zip(keys, channels.values(), strict=True)
    }
    variances = np.stack(broadcast(parts))
    orders = np.array(keys, dtype=np.float64).reshape(-1, *[1] * (variances.ndim - 1))
    return _masked(np.broadcast_to(orders, variances.shape), variances)


def _masked(orders: Array, variances: Array) -> Tensors:
    valid = np.all(~np.isnan(orders) & ~np.isnan(variances), axis=0)
    return Tensors(np.where(valid, orders, 3.0), 1.0 / np.where(valid, variances, 1.0), valid)


def broadcast(parts: Mapping[str, Array]) -> list[Array]:
    """Return the arrays broadcast together, or raise a ValueError that names them."""
    try:
        return list(np.broadcast_arrays(*parts.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in parts.items())
        raise ValueError(f"the shapes of {shapes} do not broadcast together") from None


def _refuse_nan(name: str, values: ArrayLike, wanted: str) -> None:
    """Refuse NaN, which is a number that is missing and not one out of its range."""
    if np.any(np.isnan(np.asarray(values, dtype=np.float64))):
        raise _refused(name, values, f"{wanted}, and not nan")


def _orders(p: ArrayLike) -> Array:
    wanted = f"an integer in [3, {MAX_ORDER}]"
    orders = numbers("p", p, 3, MAX_ORDER, wanted)
    _refuse_nan("p", p, wanted)
    whole = orders == np.round(orders)
    if orders.ndim == 0 and not whole:
        raise _refused("p", float(orders), wanted)
    return np.where(whole, orders, np.nan)


def _variances(name: str, values: ArrayLike) -> Array:
    wanted = f"finite and > 0 (in [{SMALLEST:g}, {LARGEST:g}])"
    found = numbers(name, values, SMALLEST, LARGEST, wanted)
    _refuse_nan(name, values, wanted)
    return found


def _refused(name: str, value: Any, wanted: str) -> ValueError:
    shown = value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value
    return ValueError(f"{name} = {shown!r} is not allowed: it must be {wanted}")
