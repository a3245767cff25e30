"""How the dynamics without a spike relaxes: limits and exponents of mu, e and C(t,0), with errors.

The one-step solution (threshold states) at T = 0 has, with Q, Q', Q'' at 1,

    mu = 2 sqrt(Q''),   e = -[Q'^2 + Q (Q'' - Q')]/(Q' sqrt(Q''))                            (1)

(pure models: Cugliandolo and Kurchan, arXiv:cond-mat/9303036).  Mixed models may relax to other
values: limits are fitted to a run without using (1).  All quantities are dimensionless.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.solution import SpikedSolution

__all__ = ["Limit", "OneStep", "limit", "one_step", "relaxation_table", "relaxation_tables"]

Array = NDArray[np.float64]


class OneStep(NamedTuple):
    """Lagrange multiplier and energy per spin of the threshold states."""

    mu: float
    e: float


class Limit(NamedTuple):
    """Fit ``limit + a t^(-exponent)`` to the last decades.

    The errors are the changes when the last decade is left out.
    """

    limit: float
    limit_error: float
    exponent: float
    exponent_error: float


def one_step(model: SpikedMixture) -> OneStep:
    """Return mu and e of the threshold states without a spike, eq. (1) of this module.

    Examples
    --------
    >>> import dmft
    >>> mu, e = one_step(dmft.SpikedMixture({2: 1.0, 3: 1.0}))
    >>> round(mu, 6), round(e, 6)
    (3.464102, -1.395263)
    """
    Q, dQ, root = (float(x) for x in (model.Q(1.0), model.dQ(1.0), np.sqrt(model.d2Q(1.0))))
    return OneStep(2.0 * root, -(dQ**2 + Q * (root**2 - dQ)) / (dQ * root))


def limit(t: Array, values: Array, known: float | None = None) -> Limit:
    """Return limit and exponent of ``values ~ limit + a t^(-exponent)``.

    Parameters
    ----------
    t : ndarray, shape (n,)
        Times in geometric sequence, such as decades; n >= 4.
    values : ndarray, shape (n,)
        The quantity that relaxes.
    known : float, optional
        The limit, where theory gives it: only the exponent is fitted then, to the last two values.

    Returns
    -------
    Limit
        From the last three values (Aitken); the errors are the distances to what the values
        before the last one give.  NaN where the values do not approach a limit like a power.

    Raises
    ------
    ValueError
        There are fewer than four values, or times not in geometric sequence.

    Examples
    --------
    >>> t = 10.0 ** np.arange(5)
    >>> found = limit(t, 2.0 + t ** (-2.0 / 3.0))
    >>> round(found.limit, 9), round(found.exponent, 9)
    (2.0, 0.666666667)
    """
    t, values = np.asarray(t, float), np.asarray(values, float)
    if len(t) < 4 or not np.allclose(np.diff(np.log(t), 2), 0.0, atol=1e-6):
        raise ValueError(
            f"t = {t} is not allowed: it must be four or more times in geometric ratio"
        )
    now, before = (_fit(t[:n], values[:n], known) for n in (len(t), len(t) - 1))
    return Limit(now[0], abs(now[0] - before[0]), now[1], abs(now[1] - before[1]))


def _fit(t: Array, values: Array, known: float | None) -> tuple[float, float]:
    ratio = np.log(t[-1] / t[-2])
    if known is not None:
        gaps = np.abs(values[-2:] - known)
        return known, float(np.log(gaps[0] / gaps[1]) / ratio)
    first, second = values[-2] - values[-3], values[-1] - values[-2]
    if first == 0.0 or not 0.0 < second / first < 1.0:
        return float("nan"), float("nan")
    return float(values[-1] + second**2 / (first - second)), float(np.log(first / second) / ratio)


def relaxation_table(solution: SpikedSolution) -> dict[str, NDArray[Any]]:
    """Return mu, e, their distances to the one-step values, and C(t,0), C(t,t/2) at decades.

    Parameters
    ----------
    solution : SpikedSolution
        A run with m0 = 0.

    Returns
    -------
    dict of str to ndarray
        Columns t, mu, e, mu_gap = 2 sqrt(Q'') - mu, e_gap = e - e_th, C_t_0 = C(t,0),
        C_t_half = C(t,t/2), and local exponents -d ln(.)/d ln t of the gaps and of C_t_0 over the
        decade before t (NaN at the first one).  Eq. (1) is for T = 0: gaps are NaN otherwise.

    Raises
    ------
    ValueError
        The run has m0 != 0, or ended before t = 10.
    """
    m0 = solution.protocol.start.m0
    if m0 != 0.0:
        raise ValueError(f"m0 = {m0:g} is not allowed: relaxation without a spike needs m0 = 0")
    if solution.t[-1] < 10.0:
        raise ValueError(f"t = {solution.t[-1]:g} is too early: the run must reach 10")
    t = 10.0 ** np.arange(int(np.log10(solution.t[-1]) + 1e-9) + 1)
    at = solution.at(t)
    cold = isinstance(solution.protocol.T, (int, float)) and solution.protocol.T == 0.0
    threshold = one_step(solution.model) if cold else OneStep(np.nan, np.nan)
    table: dict[str, NDArray[Any]] = {
        "t": t,
        "mu": at.mu,
        "e": at.e,
        "mu_gap": threshold.mu - at.mu,
        "e_gap": at.e - threshold.e,
        "C_t_0": solution.C(t, 0.0),
        "C_t_half": solution.C(t, 0.5 * t),
    }
    for name in ("mu_gap", "e_gap", "C_t_0"):
        with np.errstate(invalid="ignore", divide="ignore"):
            slopes = -np.diff(np.log(table[name])) / np.log(10.0)
        table[f"{name}_exponent"] = np.concatenate([[np.nan], slopes])
    return table


def relaxation_tables(solutions: Sequence[SpikedSolution]) -> dict[str, NDArray[Any]]:
    """Return the rows of :func:`relaxation_table` for several runs.

    Parameters
    ----------
    solutions : sequence of SpikedSolution
        Runs with m0 = 0.

    Returns
    -------
    dict of str to ndarray
        Columns channels (such as "2=1 3=1"), T, those of :func:`relaxation_table`, and the run's
        error estimates mu_error, e_error and C_error.

    Raises
    ------
    ValueError
        There is no run, or one of them has m0 != 0 or ended before t = 10.
    """
    if not solutions:
        raise ValueError("no run is given: one or more are needed")
    parts = []
    for s in solutions:
        table = relaxation_table(s)
        size = len(table["t"])
        first = {"channels": np.full(size, s.model.spelling), "T": np.full(size, s.protocol.T)}
        errors = {f"{q}_error": np.full(size, s.errors[q]) for q in ("mu", "e", "C")}
        parts.append(first | table | errors)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
