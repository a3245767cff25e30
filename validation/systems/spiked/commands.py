"""Commands that compare simulations of the spiked model with its theory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from dmft import checks, tables
from dmft.arguments import FAILED, OK, Number, Whole
from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.protocol import Protocol
from validation.comparison import compare
from validation.ensemble import Ensemble
from validation.systems.spiked.limit import limit_flow
from validation.systems.spiked.options import (
    PlainOptions,
    RunOptions,
    Sample,
    Times,
    solved,
    times_of,
)
from validation.systems.spiked.simulate import (
    MOST_REPLICAS,
    check_stored,
    simulate,
    simulate_driven,
    start_of,
    step_error,
)
from validation.systems.spiked.trajectories import (
    check_revealed,
    flow_step_error,
    simulate_revealed,
)

__all__ = ["gradient_descent", "gradient_flow", "limit", "revealed", "stored"]

# The solver `dense` is run with tol = 1e-8; the limit in growing coordinates is good to this.
LIMIT_ERROR = 1e-6
NOTHING = RunOptions()


def gradient_flow(options: PlainOptions) -> int:
    """Simulate gradient flow on stored tensors and compare it with `dense`."""
    return _stored(options.run("gradient_flow"), options.samples())


def gradient_descent(options: PlainOptions) -> int:
    """Simulate discrete gradient descent and compare it with its exact mean-field theory."""
    return _stored(options.run("gradient_descent"), options.samples())


def revealed(run: RunOptions = NOTHING, *, n: Whole, seeds: Whole = 40) -> int:
    """Simulate at any N, exactly, on tensors revealed on the way; compare m, mu, e and C(t,t').

    Parameters
    ----------
    n
        Number of components, 10 to 1e15 (1e12 at T = 0): it does not change the cost.
    seeds
        Number of independent instances, >= 2.
    """
    model, protocol, times = run.checked()
    root = checks.integer("root_seed", run.root_seed, low=0)
    times, plain, m0 = np.union1d([0.0], times), protocol.plain, start_of(protocol)
    T = protocol.T if plain and isinstance(protocol.T, float) else 0.0
    how: dict[str, Any] = {"method": run.method, "step": run.step}
    check_revealed(model, n=n, seeds=seeds, times=times, m0=m0, T=T, **how)
    theory = run.theory(model, protocol, float(times[-1]))
    start = {"m0": m0, "T": T} if plain else {"protocol": theory.protocol}
    ensemble = simulate_revealed(
        model, n=n, seeds=seeds, times=times, momentum=run.momentum, root_seed=root, **start, **how,
    )  # fmt: skip
    change = None
    if run.method == "gradient_flow":
        change = flow_step_error(model, m0=m0, times=times[1:], step=run.step)
        del change["C"]
    return run.finish(theory, [ensemble], compare(theory, ensemble), change, "the limit of large N")


def stored(
    run: RunOptions = NOTHING,
    *,
    n: str,
    seeds: str = "40",
    replicas: Whole = 1,
    dtype: Literal["float32", "float64"] = "float32",
) -> int:
    """Simulate on stored tensors, entries i1 < ... < ip; several N: compare their 1/N limit.

    Parameters
    ----------
    n
        Numbers of components, such as 150,300,600: up to about 1000 for p = 3, 150 for p = 4.
    seeds
        Number of instances of each n, >= 2: one number for all, or as many as n.
    replicas
        Starts and noises on each instance, whose mean is the run: they share each pass over memory.
    dtype
        Storage of the tensors.
    """
    root = checks.integer("root_seed", run.root_seed, low=0)
    sizes, counts = _whole_numbers("n", n), _whole_numbers("seeds", seeds)
    if len(counts) not in (1, len(sizes)):
        raise ValueError(f"seeds = {seeds!r} is not allowed: give one number, or one for each n")
    if len(set(sizes)) < len(sizes):
        raise ValueError(f"n = {n!r} is not allowed: the numbers must differ")
    counts = counts * len(sizes) if len(counts) == 1 else counts
    # A root of its own makes runs of different n independent.
    samples = [Sample(*pair, root + pair[0]) for pair in zip(sizes, counts, strict=True)]
    return _stored(run, samples, replicas=replicas, dtype=dtype)


def _stored(
    run: RunOptions, samples: Sequence[Sample], replicas: int = 1, dtype: str = "float32"
) -> int:
    """Simulate on stored tensors of each N, and compare with the theory."""
    model, protocol, times = run.checked()
    if len(samples) > 1 and run.runs is not None and run.runs.suffix == ".nc":
        raise ValueError(f"runs = {str(run.runs)!r} is not allowed: .nc holds one n, take .csv")
    replicas = checks.integer("replicas", replicas, low=1, high=MOST_REPLICAS)
    m0 = start_of(protocol)
    how: dict[str, Any] = {"times": times, "step": run.step, "dtype": dtype}
    for sample in samples:
        n, seeds = sample.n, sample.seeds
        check_stored(model, n=n, seeds=seeds, m0=m0, method=run.method, **how)
    theory = run.theory(model, protocol, float(times[-1]))
    ensembles = [
        _ensemble(run, model, theory.protocol, sample, {"replicas": replicas, **how})
        for sample in samples
    ]
    result, change, first = compare(theory, *ensembles), None, samples[0]
    if run.method == "gradient_flow":
        change = step_error(model, n=first.n, m0=m0, root_seed=first.root_seed, **how)
    return run.finish(theory, ensembles, result, change, f"the first run of N = {first.n}")


def _ensemble(
    run: RunOptions, model: SpikedMixture, protocol: Protocol, sample: Sample, how: dict[str, Any]
) -> Ensemble:
    each = {**sample._asdict(), **how}
    if run.method == "gradient_flow":
        return simulate(model, m0=start_of(protocol), method=run.method, **each)
    return simulate_driven(model, protocol, momentum=run.momentum, **each)


def _whole_numbers(name: str, text: str) -> list[int]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{name} = {text!r} is not allowed: it must look like 100,200") from None
    return [checks.integer(name, value, low=2) for value in values]


def limit(
    *,
    p: Whole,
    delta_2: float,
    delta_p: float,
    m0: Number,
    t_end: float = 10.0,
    times: Times = None,
) -> int:
    """Compare `dense` with gradient flow at N = infinity in growing coordinates.

    Parameters
    ----------
    p
        Order of the tensor channel, >= 3.
    delta_2
        Noise variance of the matrix channel, > 0.
    delta_p
        Noise variance of the tensor channel, > 0.
    m0
        Overlap at t = 0, in [-1, 1].
    t_end
        Last time.
    times
        Times of the table, such as 1,2,5,10.
    """
    chosen = times_of(times, t_end, None)
    model = SpikedMatrixTensor(p=p, delta_2=delta_2, delta_p=delta_p)
    theory = solved(model, float(chosen[-1]), m0=m0, method="dense", tol=1e-8)
    run, at = limit_flow(model, m0, chosen), theory.at(chosen)
    differences = {name: getattr(run, name) - getattr(at, name) for name in theory.scalars}
    tables.write_csv(sys.stdout, {"t": chosen, **{f"d{k}": v for k, v in differences.items()}})
    largest = max(float(np.max(np.abs(d))) for d in differences.values())
    # Directions that the limit takes for known leave out a force of order `known` times the
    # curvature of the loss.
    allowed = LIMIT_ERROR * max(1.0, float(model.d2Q(1.0)) / 2.0)
    agree = largest <= allowed
    print(
        f"theory and N = infinity limit {'agree' if agree else 'DISAGREE'}: largest difference"
        f" {largest:.1e}, allowed {allowed:.1e}"
    )
    return OK if agree else FAILED
