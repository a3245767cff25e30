"""Runs over many seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from dmft import checks
from dmft.model import SpikedMixture
from dmft.protocol import Overlap, Protocol
from validation.instances import check_size, draw
from validation.statistics import QUANTITIES, Ensemble
from validation.stored import (
    Loss,
    Trajectory,
    driven_descent,
    gradient_descent,
    gradient_flow,
)  # fmt: skip

__all__ = [
    "METHODS", "check", "check_momentum", "check_times", "children", "simulate", "simulate_driven",
    "start_of", "step_error",
]  # fmt: skip

Array = NDArray[np.float64]

METHODS: dict[str, Callable[..., Trajectory]] = {
    "gradient_flow": gradient_flow,
    "gradient_descent": gradient_descent,
}
ROOT_SEED = 20190718
LATEST = 1e6


def simulate(
    model: SpikedMixture,
    *,
    n: int,
    seeds: int,
    m0: float,
    times: ArrayLike,
    method: str = "gradient_flow",
    step: float = 0.1,
    dtype: str = "float32",
    root_seed: int = ROOT_SEED,
    progress: bool | None = None,
) -> Ensemble:
    """Run gradient flow or descent on `seeds` independent instances.

    Run k has the k-th child of ``SeedSequence(root_seed)``, so that more seeds extend an ensemble
    and any run can be repeated alone.

    Parameters
    ----------
    model : SpikedMixture
        Orders 2, 3, 4, together or alone.
    n, seeds : int
        Number of components (>= 10) and of instances (>= 2).
    m0 : float
        Overlap at t = 0, in [-1, 1].
    times : array_like
        Ascending times >= 0, whole multiples of `step`.
    method : {"gradient_flow", "gradient_descent"}
        Continuous time (Runge-Kutta with `step`), or discrete steps.
    step : float, default 0.1
        Step of the integrator or of the descent.
    dtype : {"float32", "float64"}
        Storage of the tensors.
    root_seed : int
        Root of all random numbers.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.

    Raises
    ------
    ValueError
        A parameter is out of its range, or the couplings do not fit memory.
    ArithmeticError
        A run left the range of numbers: the step is too long.
    """
    times = check(
        model, n=n, seeds=seeds, m0=m0, times=times, method=method, step=step, dtype=dtype
    )
    disable = None if progress is None else not progress
    spawned = children(root_seed, int(seeds))
    with tqdm(spawned, desc=f"N={n}", unit="run", total=int(seeds), disable=disable) as bar:
        runs = [_run(model, n, m0, child, times, method, step, dtype) for child in bar]
    m, mu, e = (np.array([getattr(run, name) for run in runs]) for name in ("m", "mu", "e"))
    return Ensemble(int(n), times, m, mu, e)


def simulate_driven(
    model: SpikedMixture,
    protocol: Protocol,
    *,
    n: int,
    seeds: int,
    times: ArrayLike,
    step: float = 0.1,
    momentum: float = 0.0,
    dtype: str = "float32",
    root_seed: int = ROOT_SEED,
    progress: bool | None = None,
) -> Ensemble:
    """Run discrete gradient descent or Langevin under a protocol on `seeds` instances.

    The theory of these runs is ``dmft.solve(..., method="gradient_descent")`` with the same
    protocol and ``GradientDescentOptions(step, momentum=momentum)``.  Run k has the instance of run
    k of :func:`simulate`.

    Parameters
    ----------
    model : SpikedMixture
        Orders 2, 3, 4, together or alone.
    protocol : Protocol
        Start overlap, temperature, learning rate and variances of the loss.
    momentum : float, default 0
        Of the heavy ball, in [0, 1).
    n, seeds, times, step, dtype, root_seed, progress
        As in :func:`simulate`.

    Raises
    ------
    ValueError
        A parameter is out of its range, the start is thermal, or the couplings do not fit memory.
    ArithmeticError
        A run left the range of numbers: the step is too long.
    """
    m0, momentum = start_of(protocol), check_momentum(momentum, "gradient_descent")
    times = check(
        model, n=n, seeds=seeds, m0=m0, times=times, method="gradient_descent", step=step,
        dtype=dtype,
    )  # fmt: skip
    drive = protocol.sampled(model, float(times[-1]) + step).driving(model)
    runs = []
    disable = None if progress is None else not progress
    spawned = children(root_seed, int(seeds))
    with tqdm(spawned, desc=f"N={n}", unit="run", total=int(seeds), disable=disable) as bar:
        for child in bar:
            loss, noise = Loss(draw(model, n, m0, child, dtype)), child.spawn(1)[0]
            with _in_range("gradient_descent", step, dtype):
                rng = np.random.default_rng(noise)
                runs.append(driven_descent(loss, times, step, drive, rng, momentum))
    m, mu, e = (np.array([getattr(run, name) for run in runs]) for name in ("m", "mu", "e"))
    return Ensemble(int(n), times, m, mu, e)


def start_of(protocol: Protocol) -> float:
    """Return m(0), or raise ValueError where the start is thermal."""
    if not isinstance(protocol.start, Overlap):
        raise ValueError(f"start = {protocol.start!r} is not allowed: it must be an Overlap(m0)")
    return protocol.start.m0


def check_momentum(momentum: float, method: str) -> float:
    """Return the momentum of discrete steps, or raise ValueError."""
    wanted, below_1 = "a number in [0, 1)", math.nextafter(1.0, 0.0)
    momentum = checks.finite_number("momentum", momentum, low=0.0, high=below_1, wanted=wanted)
    if momentum and method != "gradient_descent":
        raise ValueError(f"momentum is for method 'gradient_descent' only, not for {method!r}")
    return momentum


def children(root: int | Sequence[int], seeds: int) -> Iterator[np.random.SeedSequence]:
    """Yield the children that ``SeedSequence(root).spawn(seeds)`` gives, one at a time."""
    return (np.random.SeedSequence(root, spawn_key=(k,)) for k in range(seeds))


def step_error(
    model: SpikedMixture,
    *,
    n: int,
    m0: float,
    times: ArrayLike,
    step: float,
    dtype: str = "float32",
    root_seed: int = ROOT_SEED,
) -> dict[str, Array]:
    """Return by how much halving the step of gradient flow changes m, mu, e of the first run.

    The integrator is of order 4, so that this is 15/16 of its error.  Parameters and errors as in
    :func:`simulate`.
    """
    method = "gradient_flow"
    times = check(model, n=n, seeds=2, m0=m0, times=times, method=method, step=step, dtype=dtype)
    loss = Loss(draw(model, n, m0, np.random.SeedSequence(root_seed, spawn_key=(0,)), dtype))
    whole, half = (gradient_flow(loss, times, h) for h in (step, step / 2))
    return {name: np.abs(getattr(whole, name) - getattr(half, name)) for name in QUANTITIES}


def check(
    model: SpikedMixture,
    *,
    n: int,
    seeds: int,
    m0: float,
    times: ArrayLike,
    method: str,
    step: float,
    dtype: str = "float32",
) -> Array:
    """Return the times as an array, or raise ValueError where :func:`simulate` would."""
    if method not in METHODS:
        raise ValueError(f"method = {method!r} is not allowed: it must be one of {tuple(METHODS)}")
    check_size(model, n, dtype)
    Overlap(m0)
    checks.integer("seeds", seeds, low=2)
    return check_times(times, step)


def check_times(times: ArrayLike, step: float) -> Array:
    """Return the times as an array: ascending, >= 0, whole multiples of the step; or ValueError."""
    step = checks.positive_number("step", step)
    times = np.atleast_1d(checks.array_in("times", times, 0.0, LATEST))
    if np.any(np.diff(times) <= 0.0):
        raise ValueError(f"times = {times.tolist()} is not allowed: they must be ascending")
    off = np.abs(times / step - np.rint(times / step)) > 1e-9 * (1.0 + times / step)
    if np.any(off):
        raise ValueError(
            f"times = {times[off][0]:g} is not allowed: it must be a whole multiple of"
            f" step = {step:g}"
        )
    return times


def _run(
    model: SpikedMixture,
    n: int,
    m0: float,
    seed: np.random.SeedSequence,
    times: Array,
    method: str,
    step: float,
    dtype: str,
) -> Trajectory:
    with _in_range(method, step, dtype):
        return METHODS[method](Loss(draw(model, n, m0, seed, dtype)), times, step)


@contextmanager
def _in_range(method: str, step: float, dtype: str) -> Iterator[None]:
    try:
        with np.errstate(over="raise", invalid="raise"):
            yield
    except FloatingPointError as error:
        raise ArithmeticError(
            f"{method} with step = {step:g} left the range of {dtype} ({error}): lower the step"
        ) from None
