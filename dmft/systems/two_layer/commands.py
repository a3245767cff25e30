"""The commands of two-layer networks: `dmft two-layer solve | plateau | error-against-width`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from dmft.arguments import OK, Force, Number, Whole

if TYPE_CHECKING:
    from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork

__all__ = ["app", "error_against_width", "plateau", "solve"]

app = App(
    name="two-layer",
    help="Online SGD in two-layer teacher-student networks.",
    suppress_keyboard_interrupt=False,
)
Activation = Literal["erf", "relu", "linear"]
Units = Annotated[Whole, Parameter(name="--K")]
TeacherUnits = Annotated[Whole, Parameter(name="--M")]
Widths = Annotated[list[int], Parameter(name="--K", consume_multiple=True)]
# What a file of --start may hold.
STATE, TEACHER = ("Q", "R", "v"), ("T", "v_teacher")


@app.command
def solve(
    *,
    K: Units,
    M: TeacherUnits,
    t_end: float,
    learning_rate: str,
    output: Path | None = None,
    second_learning_rate: str = "0",
    weight_decay: Number = 0.0,
    activation: str = "erf",
    sigma: Number = 0.0,
    seed: Whole | None = None,
    n: Whole | None = None,
    start: Path | None = None,
    tol: float | None = None,
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
    K
        Hidden units of the student, in [1, 100].
    M
        Hidden units of the teacher, in [1, 100].
    t_end
        Time to reach, > 0, in steps per input dimension.
    learning_rate
        Learning rate of the first layer, > 0; VALUE,TAU,EXPONENT is the schedule
        VALUE (1 + t/TAU)^-EXPONENT.
    output
        File to write (NetCDF-4); without it the summary is printed and nothing is saved.
    second_learning_rate
        That of the second layer, >= 0; 0: it is not trained.
    weight_decay
        Weight decay of both layers, >= 0.
    activation
        erf, relu or linear.
    sigma
        Standard deviation of the label noise, >= 0.
    seed
        Seed of a random student, which the run starts from; 0 unless given.
    n
        Input dimension of that student, 1000 unless given: its overlaps with the teacher are of
        order 1/sqrt(n).
    start
        TOML file with Q, R and, if not ones, v; T and v_teacher of the teacher, if they are not the
        identity and ones. Instead of --seed and --n.
    tol
        Relative tolerance of the integrator, in [1e-13, 0.01]; 1e-10 unless given.
    stop_relaxed
        Stop once the error eg, having moved, changed by less than this part of it since t/2.
    max_seconds
        Stop after this many seconds; go on with `dmft resume`.
    checkpoint_every
        Seconds between two checkpoints, > 0.
    threads
        Threads to use; all unless given.
    """
    from dmft import parse
    from dmft.run.shell import begun, carried_out, stops
    from dmft.systems.two_layer.solve import solve as run

    given = {} if start is None else _read(start)
    if start is not None and (seed, n) != (None, None):
        raise ValueError("give --start, or --seed and --n, not both")
    net, begin = _start({"K": K, "M": M, "activation": activation, "sigma": sigma}, given, seed, n)
    rates = {
        "learning_rate": parse.schedule("learning_rate", learning_rate),
        "second_learning_rate": parse.schedule("second_learning_rate", second_learning_rate),
    }
    part, conditions = begun(output, force=force), stops(None, stop_relaxed, max_seconds)
    return carried_out(
        lambda: run(
            net, t_end, start=begin, **rates, weight_decay=weight_decay, tol=tol, threads=threads,
            stop=conditions, checkpoint=part, checkpoint_every=checkpoint_every,
        ),
        output,
    )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    """Return what a file of --start holds."""
    from dmft.checks import read_toml

    found = read_toml("start", path)
    for name in found:
        if name not in (*STATE, *TEACHER):
            known = ", ".join((*STATE, *TEACHER))
            raise ValueError(f"start = {str(path)!r}: unknown key {name!r}: it must be of {known}")
    for name in ("Q", "R"):
        if name not in found:
            raise ValueError(f"start = {str(path)!r}: {name} is missing")
    return found


def _start(
    model: dict[str, Any], given: dict[str, Any], seed: int | None, n: int | None
) -> tuple[TwoLayerNetwork, OrderParameters]:
    """Return network and start: those of a file, or a random student."""
    from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork

    net = TwoLayerNetwork(**model, **{k: given[k] for k in TEACHER if k in given})
    if given:
        return net, OrderParameters(**{k: given[k] for k in STATE if k in given}).check(net)
    return net, OrderParameters.random(net, 1000 if n is None else n, 0 if seed is None else seed)


@app.command
def plateau(
    *,
    K: Widths,
    M: Annotated[Whole | None, Parameter(name="--M")] = None,
    learning_rate: Annotated[list[float] | None, Parameter(consume_multiple=True)] = None,
    sigma: Number = 0.0,
    activation: Activation = "erf",
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Tabulate symmetric plateaus: height, escape rate per learning rate, overlaps.

    Parameters
    ----------
    K
        Hidden units of the student, >= 2: one or more.
    M
        Hidden units of the teacher, >= 2; K unless given.
    learning_rate
        Learning rates >= 0, one or more; 0, the limit of small ones, unless given.
    sigma
        Standard deviation of the label noise, >= 0.
    activation
        Activation of all units.
    output
        CSV file to write; without it the table is printed.
    """
    from dmft.systems.two_layer.theory.tables import plateau_table

    _check(output, force, "output")
    rates = [0.0] if learning_rate is None else learning_rate
    table = plateau_table(K, rates, M=M, sigma=sigma, activation=activation)
    return _told(table, output, force)


@app.command
def error_against_width(
    *,
    K: Widths,
    M: TeacherUnits,
    learning_rate: Number,
    sigma: Number,
    activation: Activation = "erf",
    output: Path | None = None,
    plot: Path | None = None,
    force: Force = False,
) -> int:
    """Tabulate the error after long training against the width K: first layer alone, both layers.

    With the first layer alone the error grows with K, with both layers it does not.

    Parameters
    ----------
    K
        Hidden units of the student, >= M: one or more.
    M
        Hidden units of the teacher, with v* = 1.
    learning_rate
        Learning rate > 0, of both layers where both are trained.
    sigma
        Standard deviation of the label noise, > 0.
    activation
        Activation of all units; both layers are for erf only.
    output
        CSV file to write; without it the table is printed.
    plot
        Figure to write (png, pdf, svg).
    """
    from dmft import figures
    from dmft.systems.two_layer.theory.tables import width_table

    _check(output, force, "output")
    _check(plot, force, "plot")
    if plot is not None:
        figures.check_format(plot)
        if output is not None and output.resolve() == plot.resolve():
            raise ValueError(f"plot = {str(plot)!r} is not allowed: it is the file of the table")
    table = width_table(M, K, learning_rate=learning_rate, sigma=sigma, activation=activation)
    if plot is not None:
        _draw(table, plot, force)
        print(f"saved {plot}", file=sys.stderr if output is None else sys.stdout)
    return _told(table, output, force)


def _draw(table: dict[str, Any], plot: Path, force: bool) -> None:
    from matplotlib.figure import Figure

    from dmft import figures
    from dmft.systems.two_layer.plots import against_width

    told = {name: table[name][0] for name in ("M", "activation", "learning_rate", "sigma")}
    with figures.style():
        canvas = Figure(figsize=(3.8, 3.0), layout="constrained")
        ax = against_width(canvas.subplots(), table)
        words = ", ".join(f"{k.replace('_', ' ')} = {value}" for k, value in told.items())
        ax.set_title(words, fontsize="x-small")
        figures.save(canvas, plot, force=force)


def _check(target: Path | None, force: bool, name: str) -> None:
    from dmft import storage

    if target is not None:
        storage.check_target(target, force=force, name=name)


def _told(table: dict[str, Any], output: Path | None, force: bool) -> int:
    """Print a table, or write it."""
    from dmft import tables

    if output is None:
        tables.write_csv(sys.stdout, table)
        return OK
    tables.save_csv(output, table, force=force)
    print(f"saved {output}")
    return OK
