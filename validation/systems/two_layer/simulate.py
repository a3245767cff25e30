"""Online SGD of two-layer networks at finite input dimension, with fresh inputs.

One step with a fresh input x ~ N(0, I_N) and label y (arXiv:1906.08632) is

    w_k -= (kappa/N) w_k + (eta/sqrt(N)) v_k g'(lambda_k) Delta x,
    v_k -= (kappa/N) v_k + (eta_v/N) g(lambda_k) Delta,      Delta = phi - y,   t = steps/N.

The weights at t = 0 are built so that Q, R and T are exactly those asked for: what differs from
the equations at N = infinity is then due to the dynamics alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.systems.two_layer.equations import error_of
from dmft.systems.two_layer.learning import OnlineLearning
from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork, square_root
from dmft.systems.two_layer.solution import entries
from validation.ensemble import Ensemble

__all__ = ["Runs", "ensemble", "simulate", "weights"]

Array = NDArray[np.float64]

# Numbers drawn at once: 8 MB.
BLOCK = 1_000_000


@dataclass(frozen=True, eq=False)
class Runs:
    """Order parameters of several runs at several times.

    Q (runs, times, K, K), R (runs, times, K, M), v (runs, times, K), eg (runs, times): eg is the
    average over inputs, from the order parameters by its closed form.
    """

    n: int
    t: Array
    Q: Array
    R: Array
    v: Array
    eg: Array


@njit(cache=True)
def _activation(x: float, code: int) -> float:
    if code == 0:
        return math.erf(x / math.sqrt(2.0))
    if code == 1:
        return max(x, 0.0)
    return x


@njit(cache=True)
def _slope(x: float, code: int) -> float:
    if code == 0:
        return math.sqrt(2.0 / math.pi) * math.exp(-0.5 * x * x)
    if code == 1:
        return 1.0 if x > 0.0 else 0.0
    return 1.0


@njit(cache=True)
def _descend(
    weights: Array,
    v: Array,
    teacher: Array,
    v_teacher: Array,
    inputs: Array,
    noise: Array,
    rates: Array,
    code: int,
) -> None:
    """Do len(inputs) steps in place; rates (steps, 4) = (eta, eta_v, kappa, kappa of v)."""
    K, n = weights.shape
    M = teacher.shape[0]
    root = math.sqrt(n)
    fields = np.empty(K)
    for step in range(inputs.shape[0]):
        x = inputs[step]
        delta = -noise[step]
        for m in range(M):
            # The teacher's weights are 0 beyond the first M inputs.
            field = 0.0
            for i in range(M):
                field += teacher[m, i] * x[i]
            delta -= v_teacher[m] * _activation(field / root, code)
        for k in range(K):
            fields[k] = np.dot(weights[k], x) / root
            delta += v[k] * _activation(fields[k], code)
        eta, eta_v, kappa, kappa_v = rates[step]
        for k in range(K):
            change = eta / root * v[k] * _slope(fields[k], code) * delta
            keep = 1.0 - kappa / n
            row = weights[k]
            for i in range(n):
                row[i] = keep * row[i] - change * x[i]
            v[k] -= (kappa_v * v[k] + eta_v * _activation(fields[k], code) * delta) / n


def weights(net: TwoLayerNetwork, start: OrderParameters, n: int) -> tuple[Array, Array]:
    """Return first layers of student (K, n) and teacher (M, M) with exactly these overlaps.

    The teacher lives in the first M inputs, and what the student has beyond it in the next K.
    """
    n = checks.integer("n", n, low=net.K + net.M)
    start.check(net)
    teacher = square_root(net.T) * math.sqrt(n)
    along = start.R @ np.linalg.pinv(square_root(net.T), rcond=1e-12, hermitian=True)
    student = np.zeros((net.K, n))
    student[:, : net.M] = along * math.sqrt(n)
    beyond = square_root(start.Q - along @ along.T)
    student[:, net.M : net.M + net.K] = beyond * math.sqrt(n)
    return student, teacher


def simulate(
    net: TwoLayerNetwork,
    how: OnlineLearning,
    times: ArrayLike,
    *,
    n: int,
    runs: int,
    seed: int,
) -> Runs:
    """Return order parameters of independent runs of SGD at input dimension n.

    Parameters
    ----------
    net : TwoLayerNetwork
        Student and teacher.
    how : OnlineLearning
        Start and learning rates.
    times : array_like
        Times to look at, ascending, in steps per input dimension; steps are rounded to integers.
    n : int
        Input dimension N >= K + M.
    runs : int
        Number of runs; run r draws from ``SeedSequence((seed, n, r))``.
    seed : int
        Seed, >= 0.

    Returns
    -------
    Runs
        Q, R, v and eg of every run (dimensionless).

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """
    t = np.atleast_1d(checks.array_in("times", times, 0.0, 1e9))
    if np.any(np.diff(t) < 0.0):
        raise ValueError(f"times = {t.tolist()} are not allowed: they must be ascending")
    runs = checks.integer("runs", runs, low=1)
    seed = checks.integer("seed", seed, low=0)
    shape = (runs, len(t))
    Q, R = np.empty((*shape, net.K, net.K)), np.empty((*shape, net.K, net.M))
    v = np.empty((*shape, net.K))
    for run in range(runs):
        generator = np.random.default_rng(np.random.SeedSequence((seed, n, run)))
        student, teacher = weights(net, how.start, n)
        second, done = how.start.v.copy(), 0
        for index, steps in enumerate(np.rint(t * n).astype(int)):
            _steps(net, how, (student, second, teacher), (done, steps), generator)
            done = steps
            Q[run, index] = student @ student.T / n
            R[run, index] = student[:, : net.M] @ teacher.T / n
            v[run, index] = second
    return Runs(n, t, Q, R, v, _errors(net, Q, R, v))


def ensemble(
    net: TwoLayerNetwork,
    how: OnlineLearning,
    times: ArrayLike,
    *,
    n: int,
    runs: int,
    seed: int,
) -> Ensemble:
    """Return :func:`simulate` as an ensemble, with the names that a solution gives its columns.

    A second layer that is not trained is the same in all runs, and left out.
    """
    found = simulate(net, how, times, n=n, runs=runs, seed=seed)
    series = {"eg": found.eg, **entries(found.Q, found.R, found.v)}
    if not how.trains_both:
        series = {name: values for name, values in series.items() if not name.startswith("v_")}
    return Ensemble(n, found.t, series)


def _steps(
    net: TwoLayerNetwork,
    how: OnlineLearning,
    layers: tuple[Array, Array, Array],
    span: tuple[int, int],
    generator: np.random.Generator,
) -> None:
    """Train from one step number to another, in place."""
    student, second, teacher = layers
    n = student.shape[1]
    begin, end = span
    most = max(1, BLOCK // n)
    for first in range(begin, end, most):
        number = min(most, end - first)
        rates = np.array(
            [
                how.lowered((first + step) / n, net.sigma)[:4]
                for step in range(1 if how.constant else number)
            ]
        )
        rates = np.ascontiguousarray(np.broadcast_to(rates, (number, 4)))
        inputs = generator.standard_normal((number, n))
        noise = net.sigma * generator.standard_normal(number)
        _descend(student, second, teacher, net.v_teacher, inputs, noise, rates, net.code)


def _errors(net: TwoLayerNetwork, Q: Array, R: Array, v: Array) -> Array:
    T = np.broadcast_to(net.T, (*Q.shape[:-2], net.M, net.M))
    top = np.concatenate([Q, R], axis=-1)
    C = np.concatenate([top, np.concatenate([np.swapaxes(R, -1, -2), T], axis=-1)], axis=-2)
    teacher = np.broadcast_to(net.v_teacher, (*v.shape[:-1], net.M))
    return error_of(net.activation, C, np.concatenate([-v, teacher], axis=-1))
