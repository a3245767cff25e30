"""Observables of a run: response, fluctuation-dissipation, aging, times, loss and Hessian.

All functions take a :class:`dmft.Solution`; all quantities are dimensionless.  With a learning rate
eta, R of a solution is the response to a field added to dx/dt, which eta does not multiply.  chi
below is the response to a field h in the loss, H - h.x, and therefore contains eta.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.numerics.crossing import first_crossing
from dmft.numerics.sampling import refined
from dmft.systems.spiked.protocol import Thermal
from dmft.systems.spiked.response import (
    chi_C,
    fdt_ratio,
    integrated_response,
    inverse_effective_temperature,
)
from dmft.systems.spiked.solution import SpikedSolution

__all__ = [
    "aging",
    "chi_C",
    "escape_time",
    "fdt_ratio",
    "integrated_response",
    "inverse_effective_temperature",
    "mean_square_error",
    "observable_table",
    "relaxation_time",
    "smallest_eigenvalue",
    "training_loss",
]

Array = NDArray[np.float64]


def aging(solution: SpikedSolution, t_w: ArrayLike, ratios: ArrayLike, mu: float = 1.0) -> Array:
    """Return ``C(t_w + x t_w^mu, t_w)``: one row for each t_w, one column for each ratio x.

    If the rows coincide, the run ages with that exponent mu (mu = 1: simple aging).

    Parameters
    ----------
    solution : SpikedSolution
        Any run.
    t_w : array_like, shape (n,) or ()
        Waiting times, >= 0 (dimensionless, like all times).
    ratios : array_like, shape (k,) or ()
        The x, >= 0.
    mu : float, default 1
        Exponent of the waiting time.

    Returns
    -------
    ndarray, shape (n, k)
        C at these pairs of times, in [-1, 1].

    Raises
    ------
    ValueError
        A time is outside [0, time reached].

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 1.0})
    >>> run = dmft.solve(model, 2.0, m0=0.2, method="gradient_descent", step=0.1)
    >>> aging(run, [0.5], [0.0, 1.0]).round(4).tolist()
    [[1.0, 0.9515]]
    """
    t_w = np.atleast_1d(np.asarray(t_w, float))[:, None]
    return solution.C(t_w + np.atleast_1d(np.asarray(ratios, float)) * t_w**mu, t_w)


def escape_time(solution: SpikedSolution, level: float = 0.1) -> float:
    """Return the first time at which \\|m\\| reaches the level; NaN if it does not.

    Parameters
    ----------
    solution : SpikedSolution
        Any run.
    level : float, default 0.1
        The level, in (0, 1).

    Returns
    -------
    float
        The time (dimensionless), or NaN.

    Raises
    ------
    ValueError
        The level is not in (0, 1).

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMatrixTensor(p=3, delta_2=0.4, delta_p=4.0)
    >>> run = dmft.solve(model, 20.0, m0=0.05, preset="loose")
    >>> round(escape_time(run, 0.5), 1)
    2.6
    """
    return first_crossing(
        solution.t, np.abs(solution.m), _level(level), lambda t: abs(float(solution.at(t).m))
    )


def relaxation_time(solution: SpikedSolution, t_w: float, level: float = math.exp(-1.0)) -> float:
    """Return the first tau at which ``C(t_w + tau, t_w)`` has fallen to the level.

    It is NaN if the run ends before.

    Parameters
    ----------
    solution : SpikedSolution
        Any run.
    t_w : float
        Waiting time, in [0, time reached].
    level : float, default 1/e
        The level of C, in (0, 1).

    Returns
    -------
    float
        tau (dimensionless), or NaN.

    Raises
    ------
    ValueError
        t_w is outside [0, time reached], or the level not in (0, 1).

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 1.0})
    >>> run = dmft.solve(model, 2.0, m0=0.2, method="gradient_descent", step=0.1)
    >>> round(relaxation_time(run, 0.5, 0.97), 2)
    0.37
    """
    level, end = _level(level), float(solution.t[-1])
    wanted = f"a time in [0, {end:g}], which the run reached"
    t_w = checks.finite_number("t_w", t_w, low=0.0, high=end, wanted=wanted)
    if end == t_w:
        return math.nan
    tau = np.concatenate([[0.0], np.geomspace(1e-3 * min(1.0, end - t_w), end - t_w, 400)])

    # C falls: minus C rises to minus the level.
    def fallen(x: ArrayLike) -> Array:
        return -solution.C(np.minimum(t_w + np.asarray(x), end), t_w)

    return first_crossing(tau, fallen(tau), -level, lambda x: float(fallen(x)))


def training_loss(solution: SpikedSolution, t: ArrayLike) -> Array:
    """Return how far the training loss lies above that of the signal, per channel and spin.

    The loss is ``sum_p sum_i1<..<ip (T_p - x_i1..x_ip/scale)^2/(2 Delta'_p)`` (arXiv:1907.08226).
    On the sphere its p-th part differs from that at x* by ``N (e_p + w_p/p)``, w_p = 1/Delta'_p.
    This is negative where x fits the noise better than the signal does.

    Parameters
    ----------
    solution : SpikedSolution
        A run that starts from an overlap.
    t : array_like
        Times in [0, time reached].

    Returns
    -------
    ndarray, shape (\\*t.shape, n_channels)
        The difference for each channel; their sum, e(t) + sum_p w_p/p, is that of the whole loss.

    Raises
    ------
    ValueError
        A time is outside its range, or the start is thermal: there is no signal.

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 1.0})
    >>> run = dmft.solve(model, 2.0, m0=0.2, method="gradient_descent", step=0.1)
    >>> training_loss(run, 0.0).round(12).tolist()
    [0.48]
    """
    _spiked(solution, "training_loss")
    weights = solution.protocol.driving(solution.model).weights(t)
    return np.asarray(solution.at(t).e_p + weights / np.array(solution.model.orders))


def mean_square_error(
    solution: SpikedSolution, t: ArrayLike, *, posterior_mean: bool = False
) -> Array:
    """Return ``|x - x*|^2/N = 2 (1 - m)``; for the mean of the Bayes posterior (T = 1) ``1 - m``.

    Parameters
    ----------
    solution : SpikedSolution
        Any run.
    t : array_like
        Times in [0, time reached].
    posterior_mean : bool, default False
        Of the posterior mean, in equilibrium at T = 1, instead of x.

    Returns
    -------
    ndarray
        Of the shape of t, per component of x (dimensionless).

    Raises
    ------
    ValueError
        A time is outside [0, time reached], or the start is thermal: there is no signal.

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 1.0})
    >>> run = dmft.solve(model, 2.0, m0=0.2, method="gradient_descent", step=0.1)
    >>> float(mean_square_error(run, 0.0))
    1.6
    """
    _spiked(solution, "mean_square_error")
    return np.asarray((1.0 if posterior_mean else 2.0) * (1.0 - solution.at(t).m))


def _spiked(solution: SpikedSolution, name: str) -> None:
    if isinstance(solution.protocol.start, Thermal):
        raise ValueError(
            f"{name} is not defined for a thermal start: there is no signal, m is C(t, 0)"
        )


def smallest_eigenvalue(solution: SpikedSolution, t: ArrayLike) -> Array:
    """Return the smallest eigenvalue of the Hessian along a run.

    It is the lower end of the bulk, or the isolated eigenvalue below it
    (:mod:`dmft.systems.spiked.theory.hessian`),

        -sum_p p e_p(t) - sqrt(K2) (theta + 1/theta),    theta = max(1, S'(m) (1-m^2)/sqrt(K2)),

    with S and K2 (:mod:`dmft.systems.spiked.equations`) at C = 1 of the loss at time t.  For the
    model's own loss S' = Q''(m) and K2 = Q''(1); for a thermal start the signal is x(0) with
    strength 1/T0.

    Parameters
    ----------
    solution : SpikedSolution
        Any run.
    t : array_like
        Times in [0, time reached].

    Returns
    -------
    ndarray
        Of the shape of t (dimensionless).

    Raises
    ------
    ValueError
        A time is outside [0, time reached].

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 1.0})
    >>> run = dmft.solve(model, 2.0, m0=0.2, method="gradient_descent", step=0.1)

    At t = 0 the isolated eigenvalue has not left the bulk, whose edge is m0^2 - 2:

    >>> round(float(smallest_eigenvalue(run, 0.0)), 12)
    -1.96
    """
    at, drive = solution.at(t), solution.protocol.driving(solution.model)
    p, m, w = drive.orders, np.asarray(at.m)[..., None], drive.weights(t)
    edge = np.sqrt(np.sum((p - 1) * drive.noise * w * w, axis=-1))
    signal = np.sum((p - 1) * drive.signal(t) * m ** (p - 2), axis=-1)
    theta = np.maximum(signal * (1.0 - at.m) * (1.0 + at.m) / edge, 1.0)
    return np.asarray(-np.asarray(at.e_p) @ p - edge * (theta + 1.0 / theta))


NAMES = ("aging", "chi-C", "fdt", "hessian", "loss", "mse")
# Ratios tau/t_w of the aging table.
RATIOS = np.geomspace(1e-2, 1e2, 41)


def observable_table(
    solution: SpikedSolution, name: str, times: ArrayLike | None = None
) -> dict[str, NDArray[Any]]:
    """Return an observable as columns.

    Parameters
    ----------
    solution : SpikedSolution
        Any run.
    name : {"aging", "chi-C", "fdt", "hessian", "loss", "mse"}
        At each time t, without times at the last one: "chi-C", the parametric curve chi(C) (columns
        t, t_prime, C, chi); "fdt", its slope (t, t_prime, C, X, inverse_effective_temperature).
        "aging": C(t_w + tau, t_w) for tau/t_w in 0.01 ... 100 (t_w, ratio, C), with more rows where
        it bends, at each of the times t_w, without times at decades.  Against t, without times at
        all accepted ones: "hessian" (smallest eigenvalue), "loss" (sum of :func:`training_loss`),
        "mse" (2 (1 - m)).
    times : array_like, optional
        Times.

    Returns
    -------
    dict of str to ndarray
        Columns of equal length.

    Raises
    ------
    ValueError
        The name is none of these, or a time is outside its range.

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 1.0})
    >>> run = dmft.solve(model, 2.0, m0=0.2, method="gradient_descent", step=0.1)
    >>> list(observable_table(run, "mse"))
    ['t', 'mean_square_error']
    """
    if name in ("chi-C", "fdt"):
        chosen = np.atleast_1d(solution.t[-1] if times is None else np.asarray(times, float))
        parts = [(_chi_table if name == "chi-C" else _fdt_table)(solution, t) for t in chosen]
    elif name == "aging":
        parts = [_aging_table(solution, t_w) for t_w in _waiting_times(solution, times)]
    elif name in NAMES:
        t = np.atleast_1d(solution.t if times is None else np.asarray(times, float))
        column, values = {
            "hessian": ("smallest_eigenvalue", smallest_eigenvalue),
            "loss": ("training_loss", lambda s, t: training_loss(s, t).sum(axis=-1)),
            "mse": ("mean_square_error", mean_square_error),
        }[name]
        return {"t": t, column: values(solution, t)}
    else:
        raise ValueError(f"observable = {name!r} is not allowed: it must be one of {NAMES}")
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _chi_table(solution: SpikedSolution, t: float) -> dict[str, Array]:
    t_prime, C, chi = chi_C(solution, t)
    return {"t": np.full(len(C), t), "t_prime": t_prime, "C": C, "chi": chi}


def _fdt_table(solution: SpikedSolution, t: float) -> dict[str, Array]:
    t_prime = chi_C(solution, t)[0][1:-1]
    slope = inverse_effective_temperature(solution, t, t_prime)
    return {
        "t": np.full(len(t_prime), t), "t_prime": t_prime, "C": solution.C(t, t_prime),
        "X": slope * solution.protocol.driving(solution.model).temperature(t_prime),
        "inverse_effective_temperature": slope,
    }  # fmt: skip


def _waiting_times(solution: SpikedSolution, times: ArrayLike | None) -> Array:
    """Return the given times, or the decades that leave room for tau = t_w."""
    if times is not None:
        return np.atleast_1d(np.asarray(times, float))
    last = max(0, math.floor(math.log10(0.5 * float(solution.t[-1]))))
    return np.asarray(10.0 ** np.arange(last + 1))


def _aging_table(solution: SpikedSolution, t_w: float) -> dict[str, Array]:
    end = float(solution.t[-1])
    ratios = RATIOS[t_w * (1.0 + RATIOS) <= end] if 0.0 < t_w <= end else RATIOS
    if not len(ratios):
        raise ValueError(
            f"times = {t_w:g} is not allowed for aging: C(t_w + tau, t_w) is shown from tau ="
            f" {RATIOS[0]:g} t_w on, and the run has reached t = {end:g}"
        )
    ratios, C = refined(lambda x: aging(solution, t_w, x)[0], ratios)
    return {"t_w": np.full(len(ratios), t_w), "ratio": ratios, "C": C}


def _level(level: float) -> float:
    wanted = "a finite number in (0, 1)"
    level = checks.positive_number("level", level, wanted=wanted)
    return checks.finite_number("level", level, high=math.nextafter(1.0, 0.0), wanted=wanted)
