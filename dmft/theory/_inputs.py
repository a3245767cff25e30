"""Arrays as input of the closed forms: every error names the parameter, its value and its range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.model import MAX_ORDER

__all__ = ["Tensors", "broadcast", "numbers", "tensors"]

Array = NDArray[np.float64]

# Sums of 1/Delta_p over all orders and their product with p must stay finite.
SMALLEST, LARGEST = 1e-300, 1e300


class Tensors(NamedTuple):
    """The channels of order >= 3: two arrays of shape (n_channels, ...), broadcast together."""

    orders: Array
    inverse: Array

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

    def aligned(self, ndim: int) -> Tensors:
        """Return them with axes of length 1 put after the channel axis, for results of `ndim`."""
        missing = (1,) * (ndim - len(self.shape))
        shape = (len(self.inverse), *missing, *self.shape)
        return Tensors(self.orders.reshape(shape), self.inverse.reshape(shape))


def numbers(name: str, values: ArrayLike, low: float, high: float, wanted: str) -> Array:
    """Return `values` as a float array with every entry in the closed interval [low, high].

    Raises
    ------
    ValueError
        An entry is outside (NaN always is), or `values` are not real numbers.
    """
    try:
        raw = np.asarray(values)
        if raw.dtype.kind not in "iufO":
            raise TypeError
        array = raw.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise _refused(name, values, wanted) from None
    inside = (array >= low) & (array <= high)
    if not np.all(inside):
        raise _refused(name, raw[~inside].flat[0] if raw.ndim else values, wanted)
    return array


def tensors(
    p: ArrayLike | None,
    delta_p: ArrayLike | None,
    channels: Mapping[int, ArrayLike] | None,
) -> Tensors:
    """Return the tensor channels given either as p and delta_p or as a mapping order -> variance.

    Raises
    ------
    ValueError
        Both or neither are given, a parameter is out of its range, or shapes do not broadcast.
    """
    if channels is None:
        if p is None or delta_p is None:
            raise ValueError(
                f"p = {p!r} with delta_p = {delta_p!r} is not allowed: give both, or channels"
                " (order -> noise variance) alone"
            )
        parts = {"p": _orders(p), "delta_p": _variances("delta_p", delta_p)}
        order, variance = broadcast(parts)
        return Tensors(order[np.newaxis], 1.0 / variance[np.newaxis])
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
    return Tensors(np.broadcast_to(orders, variances.shape), 1.0 / variances)


def broadcast(parts: Mapping[str, Array]) -> list[Array]:
    """Return the arrays broadcast together, or raise a ValueError that names them."""
    try:
        return list(np.broadcast_arrays(*parts.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in parts.items())
        raise ValueError(f"the shapes of {shapes} do not broadcast together") from None


def _orders(p: ArrayLike) -> Array:
    wanted = f"an integer in [3, {MAX_ORDER}]"
    orders = numbers("p", p, 3, MAX_ORDER, wanted)
    fractional = orders != np.round(orders)
    if np.any(fractional):
        raise _refused("p", float(orders[fractional].flat[0]), wanted)
    return orders


def _variances(name: str, values: ArrayLike) -> Array:
    wanted = f"finite and > 0 (in [{SMALLEST:g}, {LARGEST:g}])"
    return numbers(name, values, SMALLEST, LARGEST, wanted)


def _refused(name: str, value: Any, wanted: str) -> ValueError:
    shown = value.item() if isinstance(value, np.generic) else value
    return ValueError(f"{name} = {shown!r} is not allowed: it must be {wanted}")
