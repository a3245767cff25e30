"""The commands of two-layer networks: `dmft two-layer solve | plateau | error-against-width`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from dmft.arguments import Force, Number, Numbers, Watching, Whole, check_products, tabulated

if TYPE_CHECKING:
    from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork

__all__ = ["app", "error_against_width", "plateau", "solve"]

app = App(
    name="two-layer",
    help="Online SGD in two-layer teacher-student networks.",
)
Activation = Literal["erf", "relu", "linear"]
Units = Annotated[Whole, Parameter(name="--K")]
TeacherUnits = Annotated[Whole, Parameter(name="--M")]
Widths = Annotated[list[int], Parameter(name="--K", consume_multiple=True)]
# What a file of --start may hold.
STATE, TEACHER = ("Q", "R", "v"), ("T", "v_teacher")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Student and teacher, and where the student begins.

    Parameters
    ----------
    K
        Hidden units of the student, in [1, 100].
    M
        Hidden units of the teacher, in [1, 100].
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
    """

    K: Units
    M: TeacherUnits
    activation: str = "erf"
    sigma: Number = 0.0
    seed: Whole | None = None
    n: Whole | None = None
    start: Path | None = None

    def begin(self) -> tuple[TwoLayerNetwork, OrderParameters]:
        """Return network and start: those of a file, or a random student."""
        from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork

        given = {} if self.start is None else _read(self.start)
        if given and (self.seed, self.n) != (None, None):
            raise ValueError("give --start, or --seed and --n, not both")
        teacher = {name: given[name] for name in TEACHER if name in given}
        net = TwoLayerNetwork(self.K, self.M, self.activation, self.sigma, **teacher)
        if given:
            state = OrderParameters(**{name: given[name] for name in STATE if name in given})
            return net, state.check(net)
        n, seed = 1000 if self.n is None else self.n, 0 if self.seed is None else self.seed
        return net, OrderParameters.random(net, n, seed)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LearningOptions:
    """How the student learns, and how the equations are integrated.

    Parameters
    ----------
    learning_rate
        Learning rate of the first layer, > 0; VALUE,TAU,EXPONENT is the schedule
        VALUE (1 + t/TAU)^-EXPONENT.
    second_learning_rate
        That of the second layer, >= 0; 0: it is not trained.
    weight_decay
        Weight decay of both layers, >= 0.
    tol
        Relative tolerance of the integrator, in [1e-13, 0.01]; 1e-10 unless given.
    """

    learning_rate: str
    second_learning_rate: str = "0"
    weight_decay: Number = 0.0
    tol: float | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `solve`."""
        from dmft import parse

        rates = {
            name: parse.schedule(name, getattr(self, name))
            for name in ("learning_rate", "second_learning_rate")
        }
        return {**rates, "weight_decay": self.weight_decay, "tol": self.tol}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TwoLayerWatching(Watching):
    """How a run is watched.

    Parameters
    ----------
    stop_relaxed
        Stop once the error eg, having moved, changed by less than this part of it since t/2.
    """


WATCHING = TwoLayerWatching()


@app.command
def solve(
    *,
    t_end: float,
    output: Path | None = None,
    network: NetworkOptions,
    learning: LearningOptions,
    watching: TwoLayerWatching = WATCHING,
) -> int:
    """Integrate one run and save it.

    While it lasts the run is saved to OUTPUT.part; `dmft resume OUTPUT` goes on from there.

    Parameters
    ----------
    t_end
        Time to reach, > 0, in steps per input dimension.
    output
        File to write (NetCDF-4); without it the summary is printed and nothing is saved.
    """
    from dmft.run.shell import commanded
    from dmft.systems.two_layer.solve import solve as run

    net, start = network.begin()
    return commanded(
        partial(run, net, t_end, start=start, **learning.arguments()), output, watching
    )


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


@app.command
def plateau(
    *,
    K: Widths,
    M: TeacherUnits | None = None,
    learning_rate: Numbers | None = None,
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

    check_products(output, force=force)
    rates = [0.0] if learning_rate is None else learning_rate
    table = plateau_table(K, rates, M=M, sigma=sigma, activation=activation)
    return tabulated(table, output, force=force)


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
    from dmft.systems.two_layer.theory.tables import width_table

    check_products(output, plot, force=force)
    table = width_table(M, K, learning_rate=learning_rate, sigma=sigma, activation=activation)
    if plot is not None:
        _draw(table, plot, force)
        print(f"saved {plot}", file=sys.stderr if output is None else sys.stdout)
    return tabulated(table, output, force=force)


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
