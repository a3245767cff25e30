"""The generalisation error, and what is left of it after long training with noisy labels.

All quantities are dimensionless.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.systems.two_layer.equations import error_of
from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork, matrix

__all__ = ["asymptotic_error", "copies", "generalization_error"]

Array = NDArray[np.float64]


def generalization_error(
    net: TwoLayerNetwork, Q: ArrayLike, R: ArrayLike, v: ArrayLike | None = None
) -> Any:
    """Return eg = E(phi - phi*)^2/2 of a student against the teacher without noise.

    ``eg = (1/2) sum_ab c_a c_b I2(a, b)`` with ``c = (-v, v*)`` and ``I2 = E g(x_a) g(x_b)`` over
    the K + M fields of covariance ``[[Q, R], [R', T]]`` (arXiv:1906.08632, eq. 9 and supplement).

    Parameters
    ----------
    net : TwoLayerNetwork
        Student and teacher.
    Q : array_like, shape (..., K, K)
    R : array_like, shape (..., K, M)
    v : array_like, shape (..., K)
        Order parameters (dimensionless); leading axes broadcast.  v is ones by default.

    Returns
    -------
    float64 or ndarray
        eg in the shape of the leading axes.

    Raises
    ------
    ValueError
        Shapes do not fit, or a single state is not possible for this network.

    Examples
    --------
    >>> net = TwoLayerNetwork(K=1, M=1)
    >>> float(generalization_error(net, [[1.0]], [[1.0]]))
    0.0
    """
    Q, R = np.asarray(Q, dtype=np.float64), np.asarray(R, dtype=np.float64)
    v = np.ones(net.K) if v is None else np.asarray(v, dtype=np.float64)
    wanted = {"Q": (Q, (net.K, net.K)), "R": (R, (net.K, net.M)), "v": (v, (net.K,))}
    for name, (array, shape) in wanted.items():
        if array.shape[-len(shape) :] != shape:
            raise ValueError(
                f"{name} of shape {array.shape} is not allowed: K = {net.K} and M = {net.M}"
                f" need one of shape (..., {', '.join(map(str, shape))})"
            )
    if Q.ndim == 2 and R.ndim == 2 and v.ndim == 1:
        OrderParameters(Q, R, v).check(net)
    lead = np.broadcast_shapes(Q.shape[:-2], R.shape[:-2], v.shape[:-1])
    Q, R = np.broadcast_to(Q, (*lead, *Q.shape[-2:])), np.broadcast_to(R, (*lead, *R.shape[-2:]))
    T = np.broadcast_to(net.T, (*lead, net.M, net.M))
    top = np.concatenate([Q, R], axis=-1)
    C = np.concatenate([top, np.concatenate([np.swapaxes(R, -1, -2), T], axis=-1)], axis=-2)
    weights = [np.broadcast_to(-v, (*lead, net.K)), np.broadcast_to(net.v_teacher, (*lead, net.M))]
    return error_of(net.activation, C, np.concatenate(weights, axis=-1))[()]


def copies(net: TwoLayerNetwork, both_layers: bool) -> tuple[NDArray[np.int64], Array]:
    """Return which teacher unit each student unit copies (-1: none), and its second layer.

    With the first layer alone, v = v* (and 1 for further units), M units copy the teacher and
    the other L = K - M go to 0.  With both layers every teacher unit has K/M copies that share its
    weight, as equally as K allows.
    """
    K, M = net.K, net.M
    index = np.arange(K)
    if both_layers:
        owner = index % M
        number = np.bincount(owner, minlength=M)
        return owner, net.v_teacher[owner] / number[owner]
    owner = np.where(index < M, index, -1)
    v = np.ones(K)
    v[: min(K, M)] = net.v_teacher[: min(K, M)]
    return owner, v


def asymptotic_error(
    net: TwoLayerNetwork,
    learning_rate: ArrayLike,
    *,
    both_layers: bool = False,
    v: ArrayLike | None = None,
) -> Any:
    """Return the generalisation error after long training with label noise.

    At a student that represents the teacher, the noise of SGD has the covariance sigma^2 times the
    Hessian, so that to leading order in eta

        eg* = (eta sigma^2/4) sum_k v_k^2 E g'(lambda_k)^2.

    For erf units, T = I and v* = 1 this is ``eta sigma^2/(2 pi) (L + M/sqrt(3))``, L = K - M, when
    only the first layer is trained, and ``eta sigma^2 M/(2 pi sqrt(3) Z)``, Z = K/M, when both
    are (arXiv:1906.08632, eqs. 12 and 14); for ReLU units with K = M it is ``eta sigma^2 K/8``.
    For linear units it is exact at every eta with ``s = sum_k v_k^2`` fixed:
    ``eg* = eta sigma^2 s/(4 - 2 eta s)``.

    Parameters
    ----------
    net : TwoLayerNetwork
        Student with K >= M (linear units: any K) and teacher.
    learning_rate : array_like
        eta >= 0 of the first layer (dimensionless).
    both_layers : bool
        Whether the second layer is trained too, which makes each teacher unit have K/M copies.
    v : array_like, shape (K,)
        Second layer of the student, in the assignment of units described under `both_layers`;
        by default v* and ones, or v* shared by the copies.

    Returns
    -------
    float64 or ndarray
        eg*; linear units beyond eta s = 2, where the dynamics diverges: inf.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Notes
    -----
    Where K is no multiple of M, which teacher units get one copy more depends on the start; here it
    is the first ones.

    Examples
    --------
    >>> net = TwoLayerNetwork(K=2, M=2, activation="linear", sigma=0.4)
    >>> round(float(asymptotic_error(net, 0.3)), 12)
    0.034285714286
    """
    eta = checks.array_in("learning_rate", learning_rate, 0.0, np.finfo(float).max)
    owner, second = copies(net, both_layers)
    if v is not None:
        second = matrix("v", v, (net.K,))
    if net.activation == "linear":
        s = float(second @ second)
        below = 4.0 - 2.0 * eta * s
        with np.errstate(divide="ignore"):
            return np.where(below > 0.0, eta * net.sigma**2 * s / below, np.inf)[()]
    if net.K < net.M:
        raise ValueError(
            f"K = {net.K} is not allowed: a student of {net.activation} units represents"
            f" the teacher with K >= M = {net.M} only"
        )
    norms = np.where(owner >= 0, np.diag(net.T)[owner], 0.0)
    square = 2.0 / np.pi / np.sqrt(1.0 + 2.0 * norms) if net.activation == "erf" else 0.5
    return (0.25 * eta * net.sigma**2 * float(np.sum(second**2 * square)))[()]
