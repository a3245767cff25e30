"""Ensembles on stored tensors: gradient flow, gradient descent and Langevin dynamics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.run.told import Bar, hidden
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol import Overlap, Protocol
from validation.ensemble import Ensemble
from validation.systems.spiked.instances import Instance, check_size, draw, start
from validation.systems.spiked.stored import (
    Loss,
    Trajectory,
    driven_descent,
    gradient_descent,
    gradient_flow,
)  # fmt: skip

__all__ = [
    "METHODS",
    "MOST_REPLICAS",
    "ROOT_SEED",
    "Draws",
    "check_momentum",
    "check_stored",
    "check_times",
    "children",
    "simulate",
    "simulate_driven",
    "start_of",
    "step_error",
]  # fmt: skip

Array = NDArray[np.float64]

METHODS: dict[str, Callable[..., Trajectory]] = {
    "gradient_flow": gradient_flow,
    "gradient_descent": gradient_descent,
}
QUANTITIES = ("m", "mu", "e")
ROOT_SEED = 20190718
LATEST = 1e6
# A step forms the products of all pairs of components, one array of them for each replica.
MOST_REPLICAS = 64


class DrawOptions(TypedDict, total=False):
    """The keywords of a simulation that are fields of :class:`Draws`."""

    dtype: str
    replicas: int
    root_seed: int
    progress: bool | None


@dataclass(frozen=True)
class Draws:
    """How instances are drawn, stored and reported.

    Attributes
    ----------
    dtype : {"float32", "float64"}
        Storage of the tensors.
    replicas : int, default 1
        Starts on each instance, in [1, 64], that share each pass over memory.  They share the
        disorder, too: the run of an instance is their mean, and the first is that of one replica.
    root_seed : int
        Root of all random numbers.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.

    Raises
    ------
    ValueError
        `replicas` is out of its range.
    """

    dtype: str = "float32"
    replicas: int = 1
    root_seed: int = ROOT_SEED
    progress: bool | None = None

    def __post_init__(self) -> None:
        checks.integer("replicas", self.replicas, low=1, high=MOST_REPLICAS)


def simulate(
    model: SpikedMixture,
    *,
    n: int,
    seeds: int,
    m0: float,
    times: ArrayLike,
    method: str = "gradient_flow",
    step: float = 0.1,
    **drawing: Unpack[DrawOptions],
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
    **drawing
        dtype, replicas, root_seed, progress: the fields of :class:`Draws`.

    Raises
    ------
    ValueError
        A parameter is out of its range, or the couplings do not fit memory.
    ArithmeticError
        A run diverged: the step is too long.  The time is named.
    """
    draws = Draws(**drawing)
    times = check_stored(
        model, n=n, seeds=seeds, m0=m0, times=times, method=method, step=step, dtype=draws.dtype
    )

    def run(child: np.random.SeedSequence) -> Trajectory:
        instance = draw(model, n, m0, child, draws.dtype)
        starts, _ = _replicas(instance, m0, child, draws.replicas)
        return METHODS[method](Loss(instance), times, step, starts)

    return _ensemble(n, times, int(seeds), draws, run)


def simulate_driven(
    model: SpikedMixture,
    protocol: Protocol,
    *,
    n: int,
    seeds: int,
    times: ArrayLike,
    step: float = 0.1,
    momentum: float = 0.0,
    **drawing: Unpack[DrawOptions],
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
        Start, temperature, learning rate and variances of the loss.  After a thermal start m is the
        overlap with the start.
    n, seeds, times, step
        As in :func:`simulate`.
    momentum : float, default 0
        Momentum of the heavy ball, in [0, 1).
    **drawing
        The fields of :class:`Draws`; replicas have noise of their own.

    Raises
    ------
    ValueError
        A parameter is out of its range, or the couplings do not fit memory.
    ArithmeticError
        A run left the range of numbers: the step is too long.  The time is named.
    """
    draws = Draws(**drawing)
    m0, momentum = start_of(protocol), check_momentum(momentum, "gradient_descent")
    times = check_stored(
        model, n=n, seeds=seeds, m0=m0, times=times, method="gradient_descent", step=step,
        dtype=draws.dtype,
    )  # fmt: skip
    drive = protocol.sampled(model, float(times[-1]) + step).driving(model)
    planted = dict(zip(model.orders, map(float, drive.planted), strict=True))

    def run(child: np.random.SeedSequence) -> Trajectory:
        instance = draw(model, n, m0, child, draws.dtype, planted)
        starts, noises = _replicas(instance, m0, child, draws.replicas)
        return driven_descent(Loss(instance), times, step, drive, noises, momentum, starts)

    return _ensemble(n, times, int(seeds), draws, run)


def _ensemble(
    n: int, times: Array, seeds: int, draws: Draws,
    run: Callable[[np.random.SeedSequence], Trajectory],
) -> Ensemble:  # fmt: skip
    """Run all instances; the row of an instance is the mean over its replicas."""
    disable, rows = hidden(draws.progress), []
    spawned = children(draws.root_seed, seeds)
    with Bar(spawned, desc=f"N={n}", unit="run", total=seeds, disable=disable) as bar:
        for child in bar:
            try:
                with np.errstate(over="raise", invalid="raise"):
                    found = run(child)
            except FloatingPointError as error:
                raise ArithmeticError(
                    f"couplings leave the range of {draws.dtype} ({error})"
                ) from None
            rows.append([np.reshape(x, (len(times), -1)).mean(axis=1) for x in found[1:]])
    series = dict(zip(QUANTITIES, np.array(rows).transpose(1, 0, 2), strict=True))
    return Ensemble(int(n), times, series)


def _replicas(
    instance: Instance, m0: float, child: np.random.SeedSequence, replicas: int
) -> tuple[Array, list[np.random.Generator]]:
    """Return the starts, of shape (n,) for one replica, and the source of noise of each."""
    noises = [np.random.default_rng(seed) for seed in child.spawn(replicas)]
    if replicas == 1:
        return instance.x0, noises
    others = [start(instance.x_star, m0, rng) for rng in noises[1:]]
    return np.stack([instance.x0, *others], axis=1), noises


def start_of(protocol: Protocol) -> float:
    """Return m(0), which is 1 after a thermal start, because the start takes the signal's place."""
    return protocol.start.m0 if isinstance(protocol.start, Overlap) else 1.0


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
    times = check_stored(
        model, n=n, seeds=2, m0=m0, times=times, method=method, step=step, dtype=dtype
    )
    loss = Loss(draw(model, n, m0, np.random.SeedSequence(root_seed, spawn_key=(0,)), dtype))
    whole, half = (gradient_flow(loss, times, h) for h in (step, step / 2))
    return {name: np.abs(getattr(whole, name) - getattr(half, name)) for name in QUANTITIES}


def check_stored(
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
