"""The command of single runs of the spiked model: solve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from dmft.arguments import Force, Number, Whole

if TYPE_CHECKING:
    from dmft.systems.spiked.model import SpikedMixture
    from dmft.systems.spiked.solvers.gradient_descent import GradientDescentOptions

__all__ = ["model_of", "solve"]


def solve(
    *,
    t_end: float,
    output: Path | None = None,
    m0: Number | None = None,
    p: Whole | None = None,
    delta_2: float | None = None,
    delta_p: float | None = None,
    channels: str | None = None,
    temperature: str = "0",
    start: str | None = None,
    learning_rate: str = "1",
    anneal: str | None = None,
    loss_delta: str | None = None,
    stage: Annotated[list[str] | None, Parameter(negative="")] = None,
    method: Literal["slices", "dense", "gradient_descent"] = "slices",
    tol: float | None = None,
    preset: Literal["loose", "default", "tight"] | None = None,
    step: float | None = None,
    momentum: float = 0.0,
    verify: bool = False,
    stop_overlap: float | None = None,
    stop_relaxed: float | None = None,
    max_seconds: float | None = None,
    checkpoint_every: float = 60.0,
    threads: Whole | None = None,
    force: Force = False,
) -> int:
    """Integrate one run, print its summary and save it.

    While it lasts the run is saved to OUTPUT.part; `dmft resume OUTPUT` goes on from there.

    Parameters
    ----------
    t_end
        Time to reach, > 0.
    output
        File to write (NetCDF-4); without it the summary is printed and nothing is saved.
    m0
        Overlap with the signal at t = 0, in [-1, 1]; 0 means no spike.
    p
        Order of the tensor channel, >= 3.
    delta_2
        Noise variance of the matrix channel, > 0.
    delta_p
        Noise variance of the tensor channel, > 0.
    channels
        Any mixture instead of p, delta_2, delta_p: 2=0.9,3=1.5,4=2.0
    temperature
        T >= 0: 0 is gradient flow, 1 samples the Bayes posterior; VALUE,TAU,EXPONENT is the
        schedule VALUE (1 + t/TAU)^-EXPONENT.
    start
        thermal:T0 instead of m0: equilibrium without a spike at T0, not below T_K.
    learning_rate
        Learning rate > 0, a number or a schedule as for the temperature.
    anneal
        C,TAU: Delta'_p(t) = Delta_p + C exp(-t/TAU) in the loss, for all channels p > 2.
    loss_delta
        Variances in the loss where they are not the true ones: 2=1.5,3=0.6
    stage
        What changes at a later time, TIME:KEY=VALUE;... with the keys temperature, learning-rate
        and loss-delta, such as 10:temperature=0; may be given several times, in ascending time.
        m=OVERLAP in place of TIME: once |m| reaches it.
    method
        slices (continuous time, cost grows like log t), dense (the same, t up to about 100) or
        gradient_descent (discrete steps).
    tol
        Error aimed at, 1e-6 unless given; in [1e-10, 0.1], for dense [1e-12, 0.1].
    preset
        Tolerance and grid of slices: loose (sweeps), default, tight (C at late times).
    step
        Step of gradient_descent, > 0.
    momentum
        Momentum of the heavy ball in [0, 1), for gradient_descent.
    verify
        Measure the errors by a second, coarser run (slices).
    stop_overlap
        Stop once |m| reaches this, in (0, 1).
    stop_relaxed
        Stop once m and mu, having moved, changed by less than this since t/2.
    max_seconds
        Stop after this many seconds; go on with `dmft resume`.
    checkpoint_every
        Seconds between two checkpoints, > 0.
    threads
        Threads to use; all unless given.
    """
    from dmft.run.shell import begun, carried_out, stops
    from dmft.systems.spiked.methods import METHODS
    from dmft.systems.spiked.protocol.texts import protocol_of
    from dmft.systems.spiked.solve import solve as run

    model = model_of(p, delta_2, delta_p, channels)
    protocol = protocol_of(m0, start, temperature, learning_rate, anneal, loss_delta, stage or [])
    part = begun(output, force=force)
    options = None
    if method == "gradient_descent" and step is None:
        raise ValueError("--step is missing: --method gradient_descent takes steps of that size")
    if momentum != 0.0:
        options, step = _heavy_ball(method, step, momentum), None
    checkpoint = part if METHODS[method].resumable else None
    conditions = stops(stop_overlap, stop_relaxed, max_seconds)
    return carried_out(
        lambda: run(
            model, t_end, protocol=protocol, method=method, tol=tol, preset=preset, step=step,
            options=options, verify=verify, threads=threads, stop=conditions,
            checkpoint=checkpoint, checkpoint_every=checkpoint_every,
        ),
        output,
    )  # fmt: skip


def _heavy_ball(method: str, step: float | None, momentum: float) -> GradientDescentOptions:
    from dmft.systems.spiked.solvers.gradient_descent import GradientDescentOptions

    if method != "gradient_descent":
        raise ValueError(f"momentum is for method 'gradient_descent' only, not for {method!r}")
    assert step is not None
    return GradientDescentOptions(step, momentum=momentum)


def model_of(
    p: int | None, delta_2: float | None, delta_p: float | None, channels: str | None
) -> SpikedMixture:
    """Return the model of --channels, or of --p, --delta-2 and --delta-p."""
    from dmft import parse
    from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture

    if channels is not None:
        if (p, delta_2, delta_p) != (None, None, None):
            raise ValueError("give --channels, or --p with --delta-2 and --delta-p, not both")
        return SpikedMixture(parse.by_order("channels", channels))
    for name, value in (("--p", p), ("--delta-2", delta_2), ("--delta-p", delta_p)):
        if value is None:
            raise ValueError(f"{name} is missing: give --p, --delta-2 and --delta-p, or --channels")
    return SpikedMatrixTensor(p=p, delta_2=delta_2, delta_p=delta_p)  # type: ignore[arg-type]
