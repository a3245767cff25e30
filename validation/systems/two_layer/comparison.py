"""Simulations at several input dimensions against the order parameters at N = infinity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.systems.two_layer.learning import OnlineLearning
from dmft.systems.two_layer.model import TwoLayerNetwork
from dmft.systems.two_layer.solver import TwoLayerSolver
from validation.systems.two_layer.simulate import Runs, simulate

__all__ = ["Comparison", "compare", "observables"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Means of simulations, their standard errors, and theory, per observable and time.

    Arrays are of shape (sizes, observables, times) or (observables, times).  `slope` is the
    coefficient a of the finite-size term a/N, fitted to all sizes with the theory as the limit; `z`
    are the standardised residuals of the fit, N(0, 1) where the theory holds and higher
    orders of 1/N are small.
    """

    sizes: tuple[int, ...]
    names: tuple[str, ...]
    t: Array
    mean: Array
    standard_error: Array
    theory: Array
    slope: Array
    z: Array

    def z_at(self, n: int) -> Array:
        """Return the residuals at one input dimension, shape (observables, times)."""
        return np.asarray(self.z[self.sizes.index(n)])


def observables(
    net: TwoLayerNetwork, Q: Array, R: Array, v: Array, eg: Array, *, with_v: bool
) -> tuple[tuple[str, ...], Array]:
    """Return names, and values of shape (..., observables): eg, Q_ik for i <= k, R_in, v_i."""
    rows, columns = np.triu_indices(net.K)
    names = ["eg", *(f"Q{i}{k}" for i, k in zip(rows, columns, strict=True))]
    names += [f"R{i}{m}" for i in range(net.K) for m in range(net.M)]
    parts = [eg[..., None], Q[..., rows, columns], R.reshape(*R.shape[:-2], -1)]
    if with_v:
        names += [f"v{i}" for i in range(net.K)]
        parts.append(v)
    return tuple(names), np.concatenate(parts, axis=-1)


def compare(
    net: TwoLayerNetwork,
    how: OnlineLearning,
    times: ArrayLike,
    *,
    runs: Mapping[int, int],
    seed: int,
) -> Comparison:
    """Return simulations of several sizes beside the solution of the equations.

    Parameters
    ----------
    net : TwoLayerNetwork
        Student and teacher.
    how : OnlineLearning
        Start and learning rates.
    times : array_like
        Times > 0 to compare at; times * N must be integers.
    runs : mapping of int to int
        Input dimension N -> number of runs, >= 2 each.
    seed : int
        Seed of the simulations.

    Returns
    -------
    Comparison
        Means, standard errors, theory, 1/N terms and standardised residuals.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    RuntimeError
        The equations could not be integrated to the last time.

    Notes
    -----
    The variance of an observable is proportional to 1/N, so that one variance per observable and
    time is estimated from the runs of all sizes together: ``z`` then has nearly Gaussian tails.
    """
    t = np.asarray(times, dtype=np.float64)
    solver = TwoLayerSolver(net, float(t[-1]), how)
    while not solver.finished:
        outcome = solver.advance()
        if not outcome.ok:
            raise RuntimeError(f"at t = {solver.t:g}: {outcome.message}")
    exact = solver.series(t)
    names, theory = observables(
        net, exact["Q"], exact["R"], exact["v"], exact["eg"], with_v=how.trains_both
    )
    samples = {
        n: _values(net, simulate(net, how, t, n=n, runs=number, seed=seed), how.trains_both)
        for n, number in runs.items()
    }
    return _fitted(names, t, theory.T, samples)


def _values(net: TwoLayerNetwork, found: Runs, with_v: bool) -> Array:
    """Return values of shape (runs, observables, times)."""
    values = observables(net, found.Q, found.R, found.v, found.eg, with_v=with_v)[1]
    return np.swapaxes(values, 1, 2)


def _fitted(
    names: tuple[str, ...], t: Array, theory: Array, samples: Mapping[int, Array]
) -> Comparison:
    sizes = tuple(samples)
    mean = np.array([values.mean(axis=0) for values in samples.values()])
    squares = [n * ((x - x.mean(axis=0)) ** 2).sum(axis=0) for n, x in samples.items()]
    variance = np.sum(squares, axis=0) / sum(len(x) - 1 for x in samples.values())
    error2 = np.array([variance / (n * len(x)) for n, x in samples.items()])
    inverse = (1.0 / np.array(sizes))[:, None, None]
    information = np.sum(inverse**2 / error2, axis=0)
    slope = np.sum(inverse * (mean - theory) / error2, axis=0) / information
    left = mean - theory - slope * inverse
    z = left / np.sqrt(error2 - inverse**2 / information)
    return Comparison(sizes, names, t, mean, np.sqrt(error2), theory, slope, z)
