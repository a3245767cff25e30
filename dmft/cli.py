"""The command line: `dmft`, also `python -m dmft`.

Exit status: 0 done; 1 the computation failed; 2 bad usage or input; 130 interrupted.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import cyclopts
from cyclopts import App, Parameter, Token

import dmft

if TYPE_CHECKING:
    from dmft.model import SpikedMixture
    from dmft.solution import Solution

__all__ = ["Force", "Whole", "app", "guarded", "main", "model_of"]

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

app = App(
    name="dmft",
    help="Mean-field dynamics and thresholds of the spiked matrix-tensor model.",
    version=dmft.__version__,
    suppress_keyboard_interrupt=False,
)
# Loaded when called: `dmft` never imports `validation` otherwise.
app.command("validation.cli:app", name="validate", help="Check the theory against finite-N runs.")

Force = Annotated[bool, Parameter(negative="", help="Overwrite existing files.")]


def _whole(_type: object, tokens: Sequence[Token]) -> float:
    # cyclopts would turn 2.5 into 2; the model's own check refuses it.
    return float(tokens[0].value)


Whole = Annotated[int, Parameter(converter=_whole)]


@app.command
def solve(
    *,
    output: Path,
    t_end: float,
    m0: float,
    p: Whole | None = None,
    delta_2: float | None = None,
    delta_p: float | None = None,
    channels: str | None = None,
    temperature: float = 0.0,
    method: Literal["dense", "gradient_descent", "slices"] = "dense",
    tol: float | None = None,
    step: float | None = None,
    force: Force = False,
) -> int:
    """Integrate one run and save it.

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
        T >= 0: 0 is gradient flow, 1 samples the Bayes posterior.
    method
        dense (continuous time, t up to about 100), slices (long times; experimental) or
        gradient_descent (discrete steps).
    tol
        Absolute error aimed at (dense, slices), 1e-6 unless given; in [1e-12, 0.1] for dense.
    step
        Step of gradient_descent, > 0.
    """
    from dmft import storage
    from dmft.run import solve as run
    from dmft.solution import Status

    model = model_of(p, delta_2, delta_p, channels)
    storage.check_target(output, force=force)
    solution = run(model, t_end, m0=m0, T=temperature, method=method, tol=tol, step=step)
    solution.save(output, force=force)
    print(_summary(solution))
    print(f"saved       {output}")
    if solution.status is Status.INTERRUPTED:
        return _say(f"{solution.message}; what was reached is saved", INTERRUPTED)
    if solution.status is Status.FAILED:
        return _say(f"{solution.message}; what was reached is saved", FAILED)
    return OK


@app.command
def show(
    run: Path,
    *,
    plot: Path | None = None,
    csv: Path | None = None,
    times: str | None = None,
    force: Force = False,
) -> int:
    """Summarise a run; draw it or write its m, mu, e as a table.

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
    """
    from dmft import storage, tables
    from dmft.solution import load

    solution = load(run)
    table = tables.run_table(solution, None if times is None else _numbers("times", times))
    for name, target in (("plot", plot), ("csv", csv)):
        if target is not None:
            storage.check_target(target, force=force, name=name)
    if plot is not None:
        from dmft import plots

        plots.check_format(plot)
        if csv is not None and csv.resolve() == plot.resolve():
            raise ValueError(f"csv = {str(csv)!r} is not allowed: it is the file of the plot, too")
    print(_summary(solution))
    if times is not None and csv is None:
        tables.write_csv(sys.stdout, table)
    if csv is not None:
        tables.save_csv(csv, table, force=force)
        print(f"saved       {csv}")
    if plot is not None:
        plots.save(plots.overview(solution), plot, force=force)
        print(f"saved       {plot}")
    return OK


@app.command
def thresholds(
    *,
    p: Whole,
    delta_p: Annotated[list[float], Parameter(consume_multiple=True)],
    temperature: float = 1.0,
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Tabulate the threshold curves, 1/Delta_2 for each Delta_p.

    Parameters
    ----------
    p
        Order of the tensor channel, >= 3.
    delta_p
        Noise variances of the tensor channel, > 0: one or more.
    temperature
        Temperature of the Langevin column.
    output
        CSV file to write; without it the table is printed.
    """
    from dmft import tables

    table = tables.threshold_table(p, delta_p, T=temperature)
    if output is None:
        tables.write_csv(sys.stdout, table)
        return OK
    tables.save_csv(output, table, force=force)
    print(f"saved {output}")
    return OK


@app.command
def reproduce(*, output: Path, quick: bool = False, force: Force = False) -> int:
    """Make threshold curves, theory against simulation, tables, figures and a page that shows them.

    Parameters
    ----------
    output
        Folder to write; created if missing.
    quick
        Small simulations: a look at the page in seconds, not evidence.
    """
    from dmft.reproduce import reproduce as make
    from validation.simulate import simulate

    page = make(output, simulate, quick=quick, force=force)
    print(f"done: open {page}")
    return OK


@app.command
def cite() -> int:
    """Print the BibTeX entries of the package and of the methods it uses."""
    from dmft.citations import bibtex

    print(bibtex())
    return OK


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


def _numbers(name: str, text: str) -> list[float]:
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
        f"start       m0 = {s.protocol.start.m0:g}, T = {s.protocol.T:g}",
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


def _say(sentence: str, status: int) -> int:
    print(f"dmft: {sentence}", file=sys.stderr)
    return status


# The inner app passes Ctrl-C on as well.
app.meta.suppress_keyboard_interrupt = False


@app.meta.default
def _with_config(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[
        Path | None, Parameter(help="TOML file with values for the command's parameters.")
    ] = None,
) -> int:
    if config is not None:
        if not config.is_file():
            raise ValueError(f"config = {str(config)!r} is not allowed: there is no such file")
        tables = [name for name, value in _toml(config).items() if isinstance(value, dict)]
        if tables:
            raise ValueError(
                f"config = {str(config)!r} is not allowed: it has the table [{tables[0]}];"
                " values stand at the top, without a table"
            )
        app.config = (cyclopts.config.Toml(config, must_exist=True, use_commands_as_keys=False),)
    result = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    return int(result or 0)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"config = {str(path)!r} is no TOML file: {error}") from None


def guarded(call: Callable[[], Any]) -> int:
    """Call and return the exit status; turn what went wrong into one line on stderr."""
    try:
        return int(call() or 0)
    except (cyclopts.CycloptsError, ValueError, FileNotFoundError) as error:
        return _say(" ".join(str(error).split()), BAD_INPUT)
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except (ArithmeticError, ImportError, MemoryError, OSError, RuntimeError) as error:
        return _say(f"{type(error).__name__}: {error}", FAILED)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    app.config = ()  # what --config set in an earlier call
    tokens = sys.argv[1:] if arguments is None else arguments
    return guarded(
        lambda: app.meta(
            tokens, exit_on_error=False, print_error=False, result_action="return_value"
        )
    )
