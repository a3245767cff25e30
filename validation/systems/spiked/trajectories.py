"""Ensembles at any N on revealed tensors: gradient descent, gradient flow and Langevin.

Gradient descent is ``x <- x - h grad H + sqrt(2Th) xi``, scaled back onto the sphere; T > 0 is
discrete Langevin.  Gradient flow (T = 0) takes classical Runge-Kutta steps.  Under a protocol the
step, the noise and the loss are those of step k; momentum adds ``momentum (x_k - x_(k-1))``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.run.told import Bar, hidden
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol import Overlap, Protocol
from validation.ensemble import Ensemble
from validation.systems.spiked.limit import LimitField, StepLoss, TimeFunctions, steps_of
from validation.systems.spiked.revealed import RevealedField, check_memory
from validation.systems.spiked.simulate import (
    ROOT_SEED,
    check_momentum,
    check_times,
    children,
    start_of,
)
from validation.systems.spiked.stored import diverged, falling

__all__ = [
    "QUERIES",
    "RevealedRun",
    "check_revealed",
    "flow_at_any_n",
    "flow_step_error",
    "follow",
    "simulate_revealed",
]

Array = NDArray[np.float64]
# Takes a point, and a StepLoss where the loss changes; returns the force there (in growing
# coordinates), e, and x.grad H/N.
Query = Callable[..., tuple[Array, float, float]]

# How often a step of each method queries the field.
QUERIES = {"gradient_descent": 1, "gradient_flow": 4}
# The parameters of `Gram` (limit.py) at T = 0, in units of sqrt(Q'(1)): larger values reveal fewer
# directions, which is cheaper, and the error of m stays below KNOWN (measured in test_limit.py).
KNOWN, NUGGET = 1e-6, 1e-7
# Up to this N the scatter of m, about 7 N^(-1/2), is above rounding, and at T = 0 above the error
# that KNOWN allows.
LARGEST_N, LARGEST_N_WITHOUT_NOISE = 10**15, 10**12
# Largest number of directions at T = 0, where most queries reveal none.
ROOM = 2000


class RevealedRun(NamedTuple):
    """m, mu, e at the times t, each of shape (n_times,), and C of shape (n_times, n_times)."""

    t: Array
    m: Array
    mu: Array
    e: Array
    C: Array


def follow(
    query: Query,
    c: Array,
    times: Array,
    step: float,
    method: str,
    *,
    T: float = 0.0,
    momentum: float = 0.0,
    driven: tuple[Array, Array, list[StepLoss]] | None = None,
) -> RevealedRun:
    """Start at c and observe at each of the times, whole multiples of the step.

    Parameters
    ----------
    query : callable
        The field, as `RevealedField.query` in revealed.py; with T > 0 its force has noise.
    c : ndarray
        The start in growing coordinates.
    times : ndarray
        Ascending, >= 0.
    step : float
        Step h > 0.
    method : {"gradient_descent", "gradient_flow"}
        Discrete steps, or Runge-Kutta of order 4.
    T : float, default 0
        Temperature; it enters mu = T - x.grad H/N only.
    momentum : float, default 0
        Momentum of the heavy ball, for discrete steps.
    driven : tuple, optional
        h_k, T_k and the loss of each discrete step, instead of `step` and `T`.

    Raises
    ------
    ArithmeticError
        The energy of gradient flow rises: the step is too long.  The time is named.
    """
    rows, points, last = [], [], c
    wanted = set(np.rint(times / step).astype(int).tolist())
    watch = falling(method, step)
    for k in range(max(wanted) + 1):
        h, T_k = step, T
        try:
            if driven is None:
                force, e, slope = query(c)
            else:
                h, T_k = float(driven[0][k]), float(driven[1][k])
                force, e, slope = query(c, driven[2][k])
            if k in wanted:
                rows.append((c[0], T_k - slope, e))
                points.append(c)
            if method == "gradient_descent":
                c, last = c + momentum * (c - last) + h * force, c
            else:
                watch(k, e)
                c = c + step * _runge_kutta(query, c, force, step)
            c = c / float(np.linalg.norm(c))
        except FloatingPointError as error:
            raise diverged(method, step, k * step, str(error)) from None
    m, mu, energy = np.array(rows).T
    at = np.array(points)
    return RevealedRun(times, m, mu, energy, at @ at.T)


def _tangent(force: Array, c: Array) -> Array:
    # The stages of the method are off the sphere, so that c.c is not 1.
    return force - (float(force @ c) / float(c @ c)) * c


def _runge_kutta(query: Query, c: Array, force: Array, step: float) -> Array:
    """Return the mean rate over one classical Runge-Kutta step, given the force at its start."""
    rates = [_tangent(force, c)]
    for part in (0.5, 0.5, 1.0):
        stage = c + part * step * rates[-1]
        rates.append(_tangent(query(stage)[0], stage))
    return np.asarray((rates[0] + 2.0 * rates[1] + 2.0 * rates[2] + rates[3]) / 6.0)


class StartOptions(TypedDict, total=False):
    """The keywords of :func:`simulate_revealed` that are fields of :class:`Start`."""

    m0: float | None
    T: float
    protocol: Protocol | None
    root_seed: int
    progress: bool | None


@dataclass(frozen=True)
class Start:
    """Where and how runs on revealed tensors begin.

    Attributes
    ----------
    m0 : float
        Overlap at t = 0, in [-1, 1]; required without `protocol`.
    T : float, default 0
        Temperature >= 0.
    protocol : Protocol
        Start, temperature, learning rate and loss of discrete steps, instead of `m0` and `T`.
        After a thermal start m is the overlap with the start.
    root_seed : int
        Root of all random numbers.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.
    """

    m0: float | None = None
    T: float = 0.0
    protocol: Protocol | None = None
    root_seed: int = ROOT_SEED
    progress: bool | None = None


def simulate_revealed(
    model: SpikedMixture,
    *,
    n: float,
    seeds: int,
    times: ArrayLike,
    method: str = "gradient_descent",
    step: float = 0.1,
    momentum: float = 0.0,
    **start: Unpack[StartOptions],
) -> Ensemble:
    """Run `seeds` independent instances of N components, each with its own hidden vector and noise.

    Run k has the k-th child of ``SeedSequence((root_seed, n))``: more seeds extend an ensemble, any
    run can be repeated alone, and runs of different N are independent.

    Parameters
    ----------
    model : SpikedMixture
        Any mixture.
    n : float
        Number of components, a whole number in [10, 1e15], up to 1e12 for T = 0; it does not
        change the cost.
    seeds : int
        Number of instances, >= 2.
    times : array_like
        Ascending times >= 0, whole multiples of `step`; C is recorded between all of them.
    method : {"gradient_descent", "gradient_flow"}
        Discrete steps, or continuous time (T = 0 only).
    step : float, default 0.1
        Step of the descent or of the integrator.
    momentum : float, default 0
        Momentum of the heavy ball, in [0, 1), for discrete steps.
    **start
        m0 and T, or protocol; root_seed, progress: the fields of :class:`Start`.

    Raises
    ------
    ValueError
        A parameter is out of its range, or the restricted tensors do not fit memory.
    ArithmeticError
        The conditioning failed, or a run diverged: the step is too long, and the time is named.
    MemoryError
        At T = 0: so many directions were revealed that the tensors do not fit memory.
    """
    begin, momentum = Start(**start), check_momentum(momentum, method)
    m0, largest_T, drive = _driving(model, begin, method, times, step)
    times = check_revealed(
        model, n=n, seeds=seeds, m0=m0, times=times, method=method, step=step, T=largest_T
    )
    nugget2, known = (2.0 * begin.T / step, 0.0) if largest_T > 0.0 else (_nugget2(model), KNOWN)
    driven = None
    if drive is not None:
        driven = _driven(model, drive, step, round(float(times[-1]) / step))
        # T may fall to 0, and then queries whose answer is known must not reveal a direction.
        nugget2, known = _nugget2(model), KNOWN
    room = _room(times, step, method, largest_T)
    disable, paths = hidden(begin.progress), []
    with Bar(total=int(seeds), desc=f"N={n:g}", unit="run", disable=disable) as bar:
        # N is part of the root: with the same root runs of different N would be alike.
        for seed in children((begin.root_seed, int(n)), int(seeds)):
            field = RevealedField(model, n, nugget2, known, room, np.random.default_rng(seed))
            with np.errstate(over="raise", invalid="raise"):
                path = follow(
                    field.query, field.start(m0), times, step, method,
                    T=begin.T, momentum=momentum, driven=driven,
                )  # fmt: skip
            paths.append(path)
            bar.update()
    m, mu, e, C = (np.array(values) for values in list(zip(*paths, strict=True))[1:])
    return Ensemble(n, times, {"m": m, "mu": mu, "e": e}, {"C": C})


def flow_at_any_n(
    model: SpikedMixture, *, n: float, seeds: int, m0: float, times: ArrayLike, step: float,
    root_seed: int,
) -> Ensemble:  # fmt: skip
    """Run gradient flow on revealed tensors, as the main job asks for it."""
    return simulate_revealed(
        model, n=n, seeds=seeds, times=times, method="gradient_flow", step=step, m0=m0,
        root_seed=root_seed, progress=False,
    )  # fmt: skip


def _driving(
    model: SpikedMixture, begin: Start, method: str, times: ArrayLike, step: float
) -> tuple[float, float, TimeFunctions | None]:
    """Return the overlap at the start, the largest temperature, and the drive of a protocol."""
    m0, T, protocol = begin.m0, begin.T, begin.protocol
    if protocol is None:
        if m0 is None:
            raise ValueError("m0 is missing: give the overlap at t = 0 in [-1, 1], or a protocol")
        return m0, T, None
    if m0 is not None or T != 0.0:
        raise ValueError("m0 and T are shorthand for a protocol: give them or protocol, not both")
    if method != "gradient_descent":
        raise ValueError(f"a protocol is for method 'gradient_descent' only, not for {method!r}")
    start = start_of(protocol)
    end = float(check_times(times, step)[-1])
    drive = protocol.sampled(model, end + step).driving(model)
    steps = step * np.arange(round(end / step) + 1)
    return start, float(np.max(drive.temperature(steps))), drive


def _driven(
    model: SpikedMixture, drive: TimeFunctions, step: float, steps: int
) -> tuple[Array, Array, list[StepLoss]]:
    """Return h_k, T_k and the losses, with a nugget where T, and so the noise, vanishes."""
    h, T, losses = steps_of(drive, step, steps)
    deltas = np.array(model.deltas)
    least = [NUGGET**2 * float(deltas @ s.weights**2) for s in losses]
    pairs = zip(losses, least, strict=True)
    return h, T, [s._replace(nugget2=max(s.nugget2, low)) for s, low in pairs]


def check_revealed(
    model: SpikedMixture,
    *,
    n: float,
    seeds: int,
    m0: float,
    times: ArrayLike,
    method: str,
    step: float,
    T: float,
) -> Array:
    """Return the times as an array, or raise ValueError where :func:`simulate_revealed` would."""
    if method not in QUERIES:
        raise ValueError(f"method = {method!r} is not allowed: it must be one of {tuple(QUERIES)}")
    Overlap(m0)
    checks.integer("seeds", seeds, low=2)
    T = checks.finite_number("T", T, low=0.0, wanted="a finite number >= 0 (temperature)")
    checks.integer("n", n, low=10, high=LARGEST_N if T > 0.0 else LARGEST_N_WITHOUT_NOISE)
    if T > 0.0 and method == "gradient_flow":
        raise ValueError(
            f"T = {T:g} is not allowed with method 'gradient_flow': take 'gradient_descent' with a"
            " small step"
        )
    times = check_times(times, step)
    # At T = 0 most queries reveal no direction, and how many do is known on the way only.
    directions = 2 if T == 0.0 else min(_room(times, step, method, T) + 2, int(n))
    try:
        check_memory(model, directions)
    except MemoryError as error:
        raise ValueError(f"step = {step:g} is not allowed: {error}") from None
    return times


def _nugget2(model: SpikedMixture) -> float:
    return NUGGET**2 * float(model.dQ(1.0))


def _room(times: Array, step: float, method: str, T: float) -> int:
    """Return the largest number of queries that may reveal a direction."""
    queries = QUERIES[method] * (round(float(times[-1]) / step) + 1)
    return queries if T > 0.0 else min(queries, ROOM)


def flow_step_error(
    model: SpikedMixture, *, m0: float, times: ArrayLike, step: float
) -> dict[str, Array]:
    """Return by how much halving the step changes m, mu, e, C of gradient flow at N = infinity.

    Nothing scatters there.  The integrator is of order 4, so that this is 15/16 of its error.  The
    shape of C is (n_times, n_times), that of the others (n_times,).
    """
    times = check_times(times, step)
    paths = []
    for h in (step, step / 2):
        field = LimitField(model, _nugget2(model), KNOWN, _room(times, h, "gradient_flow", 0.0))

        def query(c: Array, field: LimitField = field) -> tuple[Array, float, float]:
            force, e = field.query(c)
            return force, e, -float(force @ c)

        paths.append(follow(query, field.start(m0), times, h, "gradient_flow"))
    whole, half = paths
    return {
        name: np.abs(getattr(whole, name) - getattr(half, name)) for name in RevealedRun._fields[1:]
    }
