"""Commands of single runs: solve, resume, show."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

import dmft
from dmft.cli.base import FAILED, INTERRUPTED, OK, STOPPED, Force, Number, Whole, app, say

if TYPE_CHECKING:
    from dmft.model import SpikedMixture
    from dmft.solution import Solution
    from dmft.solvers.gradient_descent import GradientDescentOptions
    from dmft.stop import Stop

__all__ = ["model_of", "numbers", "resume", "show", "solve"]


@app.command
def solve(
    *,
    output: Path,
    t_end: float,
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
    """Integrate one run and save it.

    While it lasts the run is saved to OUTPUT.part; `dmft resume OUTPUT` goes on from there.

    Parameters
    ----------
    output
        File to write (NetCDF-4).
    t_end
        Time to reach, > 0.
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
    from dmft import storage
    from dmft.protocol.texts import protocol_of
    from dmft.run import solve as run

    model = model_of(p, delta_2, delta_p, channels)
    protocol = protocol_of(m0, start, temperature, learning_rate, anneal, loss_delta, stage or [])
    storage.check_target(output, force=force)
    part = _checkpoint_of(output)
    if part.exists() and not force:
        raise storage.FileError(
            f"{str(part)!r} is the checkpoint of a run that was cut short: go on with"
            f" `dmft resume {output}`, or start anew with --force"
        )
    # A run that is killed before its first checkpoint must not be taken for the old one.
    part.unlink(missing_ok=True)
    options = None
    if momentum != 0.0:
        options, step = _heavy_ball(method, step, momentum), None
    solution = run(
        model, t_end, protocol=protocol, method=method, tol=tol, preset=preset, step=step,
        options=options, verify=verify, threads=threads,
        stop=_stops(stop_overlap, stop_relaxed, max_seconds),
        checkpoint=part if method == "slices" else None, checkpoint_every=checkpoint_every,
    )  # fmt: skip
    return _saved(solution, output, part)


def _heavy_ball(method: str, step: float | None, momentum: float) -> GradientDescentOptions:
    from dmft.solvers.gradient_descent import GradientDescentOptions

    if method != "gradient_descent":
        raise ValueError(f"momentum is for method 'gradient_descent' only, not for {method!r}")
    if step is None:
        raise ValueError("method 'gradient_descent' needs step")
    return GradientDescentOptions(step, momentum=momentum)


@app.command
def resume(
    run: Path,
    *,
    t_end: float | None = None,
    stop_overlap: float | None = None,
    stop_relaxed: float | None = None,
    max_seconds: float | None = None,
    checkpoint_every: float = 60.0,
    threads: Whole | None = None,
) -> int:
    """Go on with a run, from its file or its checkpoint, and replace the file.

    With the same number of threads the result is that of a run which was never stopped.

    Parameters
    ----------
    run
        File that `dmft solve` wrote, or was about to write.
    t_end
        Time to reach; without it that of the run.
    stop_overlap
        Stop once |m| reaches this, in (0, 1).
    stop_relaxed
        Stop once m and mu, having moved, changed by less than this since t/2.
    max_seconds
        Stop after this many seconds.
    checkpoint_every
        Seconds between two checkpoints, > 0.
    threads
        Threads to use; all unless given.
    """
    from dmft import storage
    from dmft.run import resume as go_on

    output = run.with_suffix("") if run.suffix == PART else run
    part = _checkpoint_of(output)
    source = part if part.exists() else output
    if not source.exists():
        raise FileNotFoundError(f"there is neither {str(output)!r} nor its checkpoint")
    storage.check_target(output, force=True)
    solution = go_on(
        source, t_end, threads=threads, stop=_stops(stop_overlap, stop_relaxed, max_seconds),
        checkpoint=part, checkpoint_every=checkpoint_every,
    )  # fmt: skip
    return _saved(solution, output, part)


@app.command
def show(
    run: Path,
    *,
    plot: Path | None = None,
    csv: Path | None = None,
    times: str | None = None,
    observable: Literal["aging", "chi-C", "fdt", "hessian", "loss", "mse"] | None = None,
    force: Force = False,
) -> int:
    """Summarise a run; draw it or write its m, mu, e, or an observable, as a table.

    Parameters
    ----------
    run
        File that `dmft solve` wrote.
    plot
        Figure to write (png, pdf, svg): m, mu, e against t and C(t, t') against t'/t.
    csv
        Table to write: t, m, mu, e and the energy of each channel.
    times
        Times of the table, such as 1,10,100; without it all accepted times.
    observable
        What the table and the figure show instead.  chi-C: integrated response against C at each of
        the times, without them at the last one.  fdt: the slope of that, 1/T_eff = X/T.  aging:
        C(t_w + tau, t_w) against tau/t_w at times t_w.  hessian: its smallest eigenvalue.  loss:
        training loss above that of the signal.  mse: 2 (1 - m).
    """
    from dmft import observables, storage, tables
    from dmft.solution import load

    solution = load(run)
    chosen = None if times is None else numbers("times", times)
    if observable is None:
        table = tables.run_table(solution, chosen)
    else:
        table = observables.observable_table(solution, observable, chosen)
    for name, target in (("plot", plot), ("csv", csv)):
        if target is not None:
            storage.check_target(target, force=force, name=name)
    if plot is not None:
        from dmft import plots

        plots.check_format(plot)
        if csv is not None and csv.resolve() == plot.resolve():
            raise ValueError(f"csv = {str(csv)!r} is not allowed: it is the file of the plot, too")
    print(_summary(solution))
    if (times is not None or observable is not None) and csv is None and plot is None:
        tables.write_csv(sys.stdout, table)
    if csv is not None:
        tables.save_csv(csv, table, force=force)
        print(f"saved       {csv}")
    if plot is not None:
        if observable is None:
            figure = plots.overview(solution)
        else:
            figure = plots.observable(solution, observable, chosen)
        plots.save(figure, plot, force=force)
        print(f"saved       {plot}")
    return OK


PART = ".part"


def _checkpoint_of(output: Path) -> Path:
    return output.with_name(output.name + PART)


def _stops(overlap: float | None, relaxed: float | None, seconds: float | None) -> list[Stop]:
    from dmft.stop import OverlapReached, Relaxed, WallTime

    conditions = (
        ("--stop-overlap", OverlapReached, overlap),
        ("--stop-relaxed", Relaxed, relaxed),
        ("--max-seconds", WallTime, seconds),
    )
    found: list[Stop] = []
    for option, kind, value in conditions:
        if value is not None:
            try:
                found.append(kind(value))
            except ValueError as error:
                raise ValueError(f"{option}: {error}") from None
    return found


def _saved(solution: Solution, output: Path, part: Path) -> int:
    """Save the run in place of its checkpoint, summarise it and return the exit status."""
    from dmft import storage
    from dmft.run import saved_as
    from dmft.solution import Status

    saved_as(solution, output)
    part.unlink(missing_ok=True)
    storage.remove_leftovers(part)
    print(_summary(solution))
    print(f"saved       {output}")
    status = {
        Status.FINISHED: OK, Status.STOPPED: STOPPED, Status.INTERRUPTED: INTERRUPTED,
        Status.FAILED: FAILED,
    }[solution.status]  # fmt: skip
    if status == OK:
        return OK
    onward = f": go on with `dmft resume {output}`" if status != FAILED and solution.state else ""
    return say(f"{solution.message}; what was reached is saved{onward}", status)


def model_of(
    p: int | None, delta_2: float | None, delta_p: float | None, channels: str | None
) -> SpikedMixture:
    """Return the model of --channels, or of --p, --delta-2 and --delta-p."""
    if channels is not None:
        if (p, delta_2, delta_p) != (None, None, None):
            raise ValueError("give --channels, or --p with --delta-2 and --delta-p, not both")
        return dmft.SpikedMixture(_channels(channels))
    for name, value in (("--p", p), ("--delta-2", delta_2), ("--delta-p", delta_p)):
        if value is None:
            raise ValueError(f"{name} is missing: give --p, --delta-2 and --delta-p, or --channels")
    return dmft.SpikedMatrixTensor(p=p, delta_2=delta_2, delta_p=delta_p)  # type: ignore[arg-type]


def _channels(text: str) -> dict[int, float]:
    channels: dict[int, float] = {}
    for part in text.split(","):
        order, _, delta = part.partition("=")
        try:
            key, value = int(order), float(delta)
        except ValueError:
            raise ValueError(
                f"channels = {text!r} is not allowed: it must look like 2=0.9,3=1.5"
            ) from None
        if key in channels:
            raise ValueError(f"channels = {text!r} is not allowed: order {key} is given twice")
        channels[key] = value
    return channels


def numbers(name: str, text: str) -> list[float]:
    """Return the numbers of a text such as 1,10,100."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{name} = {text!r} is not allowed: it must look like 1,10,100") from None


def _summary(s: Solution) -> str:
    # The last slice of method "slices" lies beyond t_end.
    end = min(float(s.t[-1]), s.provenance["t_end"])
    last, errors = s.at(end), s.errors
    e_p = ", ".join(f"e_{p} = {e:.10g}" for p, e in zip(s.model.orders, last.e_p, strict=True))
    lines = [
        f"model       {s.model!r}",
        f"start       {s.protocol}",
        f"method      {s.method}, {_options(s)}",
        f"status      {s.status.value}: {s.message}",
        f"at t = {end:<6.6g} m = {last.m:.10g}, mu = {last.mu:.10g}, e = {last.e:.10g}",
        f"            {e_p}",
        "error up to " + ", ".join(f"{name}: {value:.1e}" for name, value in errors.items()),
        f"cost        {', '.join(f'{k} {v:.4g}' for k, v in s.stats.items())}",
    ]
    return "\n".join(lines)


def _options(s: Solution) -> str:
    options = {k: v for k, v in s.provenance["options"].items() if k != "type" and v is not None}
    tol = s.provenance["tol"]
    known = ({} if tol is None else {"tol": tol}) | options
    return ", ".join(f"{name} = {value}" for name, value in known.items())
