"""Ensembles at any N on revealed tensors: gradient descent, gradient flow and Langevin.

Gradient descent is ``x <- x - h grad H + sqrt(2Th) xi``, scaled back onto the sphere; T > 0 is
discrete Langevin.  Gradient flow (T = 0) takes classical Runge-Kutta steps.  Under a protocol the
step, the noise and the loss are those of step k; momentum adds ``momentum (x_k - x_(k-1))``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from dmft import checks
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol import Overlap, Protocol
from validation.ensemble import Ensemble
from validation.systems.spiked.limit import Driving, Field, Setting, steps_of
from validation.systems.spiked.revealed import Revealed, check_memory
from validation.systems.spiked.simulate import (
    ROOT_SEED,
    check_momentum,
    check_times,
    children,
    start_of,
)
from validation.systems.spiked.stored import diverged, falling

__all__ = ["QUERIES", "Path", "check_revealed", "flow_step_error", "follow", "simulate_revealed"]

Array = NDArray[np.float64]
# A point (and a Setting) -> the force there (in growing coordinates), e, and x.grad H/N.
Query = Callable[..., tuple[Array, float, float]]

# Queries of one step.
QUERIES = {"gradient_descent": 1, "gradient_flow": 4}
# At T = 0, in units of sqrt(Q'(1)) (see `Gram` in limit.py): the error of m is below KNOWN.
KNOWN, NUGGET = 1e-6, 1e-7
# Scatter like 7 N^(-1/2) stays above rounding, and at T = 0 above what KNOWN leaves out.
LARGEST_N, LARGEST_N_WITHOUT_NOISE = 10**15, 10**12
# Directions at T = 0: far fewer queries than are asked reveal one.
ROOM = 2000


class Path(NamedTuple):
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
    driven: tuple[Array, Array, list[Setting]] | None = None,
) -> Path:
    """Start at c and observe at each of the times, whole multiples of the step.

    Parameters
    ----------
    query : callable
        The field, as `Revealed.query` in revealed.py; with T > 0 its force has noise.
    c : ndarray
        Start, in growing coordinates.
    times : ndarray
        Ascending, >= 0.
    step : float
        Step h > 0.
    method : {"gradient_descent", "gradient_flow"}
        Discrete steps, or Runge-Kutta of order 4.
    T : float, default 0
        Temperature; it only enters mu = T - x.grad H/N.
    momentum : float, default 0
        Of the heavy ball, for discrete steps.
    driven : tuple, optional
        h_k, T_k and the settings of each discrete step, instead of `step` and `T`.

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
    return Path(times, m, mu, energy, at @ at.T)


def _tangent(force: Array, c: Array) -> Array:
    # c.c and not 1: the stages of the method are off the sphere.
    return force - (float(force @ c) / float(c @ c)) * c


def _runge_kutta(query: Query, c: Array, force: Array, step: float) -> Array:
    """Return the mean rate over one classical Runge-Kutta step, given the force at its start."""
    rates = [_tangent(force, c)]
    for part in (0.5, 0.5, 1.0):
        stage = c + part * step * rates[-1]
        rates.append(_tangent(query(stage)[0], stage))
    return np.asarray((rates[0] + 2.0 * rates[1] + 2.0 * rates[2] + rates[3]) / 6.0)


def simulate_revealed(
    model: SpikedMixture,
    *,
    n: float,
    seeds: int,
    m0: float | None = None,
    times: ArrayLike,
    method: str = "gradient_descent",
    step: float = 0.1,
    T: float = 0.0,
    protocol: Protocol | None = None,
    momentum: float = 0.0,
    root_seed: int = ROOT_SEED,
    progress: bool | None = None,
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
    m0 : float, optional
        Overlap at t = 0, in [-1, 1]; required without `protocol`.
    times : array_like
        Ascending times >= 0, whole multiples of `step`; C is recorded between all of them.
    method : {"gradient_descent", "gradient_flow"}
        Discrete steps, or continuous time (T = 0 only).
    step : float, default 0.1
        Step of the descent or of the integrator.
    T : float, default 0
        Temperature >= 0.
    protocol : Protocol, optional
        Start, temperature, learning rate and loss of discrete steps, instead of `m0` and `T`.
        After a thermal start m is the overlap with the start.
    momentum : float, default 0
        Of the heavy ball, in [0, 1), for discrete steps.
    root_seed : int
        Root of all random numbers.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.

    Raises
    ------
    ValueError
        A parameter is out of its range, or the restricted tensors do not fit memory.
    ArithmeticError
        The conditioning failed, or a run diverged: the step is too long, and the time is named.
    MemoryError
        At T = 0: so many directions were revealed that the tensors do not fit memory.
    """
    m0, largest_T, drive = _driving(model, m0, T, protocol, method, momentum, times, step)
    times = check_revealed(
        model, n=n, seeds=seeds, m0=m0, times=times, method=method, step=step, T=largest_T
    )
    nugget2, known = (2.0 * T / step, 0.0) if largest_T > 0.0 else (_nugget2(model), KNOWN)
    driven = None
    if drive is not None:
        driven = _driven(model, drive, step, round(float(times[-1]) / step))
        # Where T falls to 0 what is known already reveals no direction.
        nugget2, known = _nugget2(model), KNOWN
    room = _room(times, step, method, largest_T)
    disable = None if progress is None else not progress
    paths = []
    with tqdm(total=int(seeds), desc=f"N={n:g}", unit="run", disable=disable) as bar:
        # N in the root: one that is the same would make runs of different N alike.
        for seed in children((root_seed, int(n)), int(seeds)):
            field = Revealed(model, n, nugget2, known, room, np.random.default_rng(seed))
            with np.errstate(over="raise", invalid="raise"):
                path = follow(
                    field.query, field.start(m0), times, step, method,
                    T=T, momentum=momentum, driven=driven,
                )  # fmt: skip
            paths.append(path)
            bar.update()
    found = {name: np.array([getattr(path, name) for path in paths]) for name in Path._fields[1:]}
    return Ensemble(n, times, found, {"C": found.pop("C")})


def _driving(
    model: SpikedMixture, m0: float | None, T: float, protocol: Protocol | None, method: str,
    momentum: float, times: ArrayLike, step: float,
) -> tuple[float, float, Driving | None]:  # fmt: skip
    """Return the overlap at the start, the largest temperature, and the drive of a protocol."""
    momentum = check_momentum(momentum, method)
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
    model: SpikedMixture, drive: Driving, step: float, steps: int
) -> tuple[Array, Array, list[Setting]]:
    """Return h_k, T_k and the settings, whose noise does not vanish with T."""
    h, T, settings = steps_of(drive, step, steps)
    deltas = np.array(model.deltas)
    least = [NUGGET**2 * float(deltas @ s.weights**2) for s in settings]
    pairs = zip(settings, least, strict=True)
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
    # At T = 0 most queries reveal nothing: what is needed is only known on the way.
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

    There it has no scatter.  The integrator is of order 4: this is 15/16 of its error.  C has
    shape (n_times, n_times), the others (n_times,).
    """
    times = check_times(times, step)
    paths = []
    for h in (step, step / 2):
        field = Field(model, _nugget2(model), KNOWN, _room(times, h, "gradient_flow", 0.0))

        def query(c: Array, field: Field = field) -> tuple[Array, float, float]:
            force, e = field.query(c)
            return force, e, -float(force @ c)

        paths.append(follow(query, field.start(m0), times, h, "gradient_flow"))
    whole, half = paths
    return {name: np.abs(getattr(whole, name) - getattr(half, name)) for name in Path._fields[1:]}
