"""Approximate message passing on one instance (arXiv:1806.05451, Algorithm 1).

With inputs X (M x N), estimates w_hat (N x K) and the mean posterior covariance V of a site,

    omega = X w_hat/sqrt(N) - g V,      g = d ln Z_y(omega, V)/d omega,
    A = g' g/N,                         B = X' g/sqrt(N) + w_hat A,
    w_hat = E[w | A, B],                V = mean over sites of Cov[w | A, B],

where A takes the Bayes-optimal form.  As N grows, ``w_hat' W*/N`` and ``w_hat' w_hat/N`` both
follow state evolution.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr, owens_t

from dmft.systems.committee import _overlaps, _prior
from dmft.systems.committee.model import CommitteeMachine
from validation.systems.committee.instances import Instance

__all__ = ["Run", "aligned", "run"]

Array = NDArray[np.float64]

ROOT_2PI = math.sqrt(2.0 * math.pi)
# Labels less likely than this are rounding errors of the probability of a label.
LEAST_LIKELY = 1e-13


class Run(NamedTuple):
    """Overlaps of one run, each of shape (steps + 1, K, K).

    Attributes
    ----------
    teacher : ndarray
        ``w_hat' W*/N`` with the student's units in the teacher's order, see :func:`aligned`.
    own : ndarray
        ``w_hat' w_hat/N``, permuted in the same way.
    """

    teacher: Array
    own: Array


def run(machine: CommitteeMachine, instance: Instance, q0: ArrayLike, steps: int, seed: int) -> Run:
    """Run message passing from a start that is informed with the overlap matrix q0.

    The start is the posterior mean of the weights, seen through as much Gaussian noise as gives the
    overlap q0; so it follows state evolution from q0 on, from the first iteration.

    Parameters
    ----------
    machine : CommitteeMachine
        Number of hidden units and prior.
    instance : Instance
        Inputs, labels and the teacher.
    q0 : array_like, shape (K, K)
        Overlap matrix of the start; a number s stands for s times the identity.
    steps : int
        Number of iterations.
    seed : int
        Of the noise in the start.

    Returns
    -------
    Run
        Overlaps after 0, 1, ..., steps iterations.

    Raises
    ------
    ValueError
        q0 is no valid overlap matrix.
    """
    X, y, W = instance
    root_n = math.sqrt(len(W))
    A = _overlaps.matrix(_prior.inverse(machine.prior, _overlaps.start(machine, "q0", q0)))
    noise = np.random.default_rng([seed, 1]).standard_normal(W.shape)
    estimate, V = _weights(machine, A, W @ A + noise @ _root(A))
    g = np.zeros((len(y), machine.K))
    overlaps = [(estimate.T @ W / len(W), estimate.T @ estimate / len(W))]
    for _ in range(steps):
        # A product of single and double precision would copy all of X to double each time.
        omega = (X @ estimate.astype(np.float32)).astype(np.float64) / root_n - g @ V
        g = _labels(y, omega, V)
        A = g.T @ g / len(W)
        B = (X.T @ g.astype(np.float32)).astype(np.float64) / root_n + estimate @ A
        estimate, V = _weights(machine, A, B)
        overlaps.append((estimate.T @ W / len(W), estimate.T @ estimate / len(W)))
    teacher, own = (np.stack(part) for part in zip(*overlaps, strict=True))
    return aligned(Run(teacher, own))


def aligned(one: Run) -> Run:
    """Return the run with the student's units in the order with the largest sum of the diagonals.

    The sum is over all iterations: in a state with a = b the last overlap alone would decide by
    chance, and permute a start that was in the teacher's order.
    """
    K = one.teacher.shape[-1]
    best = max(
        itertools.permutations(range(K)),
        key=lambda order: float(np.trace(one.teacher.sum(axis=0)[list(order)])),
    )
    order = list(best)
    return Run(one.teacher[:, order, :], one.own[:, order, :][:, :, order])


def _root(A: Array) -> Array:
    values, vectors = np.linalg.eigh(A)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T)


def _weights(machine: CommitteeMachine, A: Array, B: Array) -> tuple[Array, Array]:
    """Return posterior means, shape (N, K), and the mean of the posterior covariances."""
    K = machine.K
    if machine.prior == "gaussian":
        V = np.asarray(np.linalg.inv(np.eye(K) + A), dtype=np.float64)
        return np.asarray(B @ V), V
    states = np.array(list(itertools.product([1.0, -1.0], repeat=K)))
    log = B @ states.T - 0.5 * np.einsum("si,ij,sj->s", states, A, states)
    posterior = np.exp(log - log.max(axis=1, keepdims=True))
    posterior /= posterior.sum(axis=1, keepdims=True)
    mean = posterior @ states
    second = np.einsum("s,si,sj->ij", posterior.mean(axis=0), states, states)
    return mean, _at_least(second - mean.T @ mean / len(mean), 4.0 / len(mean))


def _at_least(V: Array, floor: float) -> Array:
    """Return V with its eigenvalues raised to `floor`.

    One binary weight of N that is wrong shifts the fields by 2/sqrt(N).  With a smaller width than
    that, a label that contradicts the estimate has no weight but an unbounded gradient, and runs
    that have come to almost perfect overlaps leave them again.
    """
    values, vectors = np.linalg.eigh(V)
    return np.asarray(vectors * np.maximum(values, floor) @ vectors.T)


def _labels(y: NDArray[np.int64], omega: Array, V: Array) -> Array:
    """Return g = d ln Z_y/d omega, shape (M, K), for fields of mean omega and covariance V."""
    width = np.sqrt(np.diag(V))
    h = omega / width
    if h.shape[1] == 1:
        sign = y[:, None].astype(np.float64)
        log_ratio = -0.5 * h * h - math.log(ROOT_2PI) - log_ndtr(sign * h)
        return np.asarray(sign * np.exp(log_ratio) / width)
    r = float(np.clip(V[0, 1] / (width[0] * width[1]), -1.0 + 1e-12, 1.0 - 1e-12))
    s = math.sqrt(1.0 - r * r)
    Z = _pair_probability(y, h, r, s)
    gradient = np.empty_like(h)
    for k in range(2):
        x = (h[:, 1 - k] - r * h[:, k]) / s
        above, below = ndtr(x), ndtr(-x)
        change = np.where(y > 0, above, np.where(y < 0, -below, below - above))
        gradient[:, k] = np.exp(-0.5 * h[:, k] ** 2) / ROOT_2PI / width[k] * change
    return gradient / np.maximum(Z, LEAST_LIKELY)[:, None]


def _pair_probability(y: NDArray[np.int64], h: Array, r: float, s: float) -> Array:
    """Return Z_y for K = 2 in Owen's T."""
    first, second = (np.where(x == 0.0, 1e-300, x) for x in h.T)
    both = owens_t(first, (second / first - r) / s) + owens_t(second, (first / second - r) / s)
    opposite = np.where(first * second < 0.0, 1.0, 0.0)
    up = 0.5 * (ndtr(first) + ndtr(second) - opposite) - both
    down = 0.5 * (ndtr(-first) + ndtr(-second) - opposite) - both
    return np.asarray(np.where(y > 0, up, np.where(y < 0, down, opposite + 2.0 * both)))
