"""Commands of the group `dmft generative`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import App, Parameter

from dmft.arguments import FAILED, OK, Force, Number, say
from dmft.systems.generative.model import ACTIVATIONS, Activation, Channel, one_of

__all__ = ["app", "critical_delta", "fixed_point", "mmse_curve"]

app = App(
    name="generative",
    help="Spiked matrix with a generative prior: fixed points, transitions, curves.",
    suppress_keyboard_interrupt=False,
)
Numbers = Annotated[list[float], Parameter(consume_multiple=True, negative="")]


@app.command
def fixed_point(
    *,
    alpha: Number,
    delta: Number,
    activation: Activation = "linear",
    channel: Channel = "wigner",
    beta: Number | None = None,
    start: str = "informed",
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Find the fixed point of state evolution that a start leads to.

    Parameters
    ----------
    alpha
        Compression ratio p/k, > 0: components of the spike per latent component.
    delta
        Noise variance, > 0.
    activation
        The function that makes the spike: linear, sign or relu.
    channel
        wigner: symmetric matrix; wishart: rectangular.
    beta
        Aspect ratio n/p of the matrix, > 0; for wishart only.
    start
        informed, uninformed, or a normalised overlap in [0, 1].
    output
        File to write, for `dmft show`; without it the result is printed only.
    """
    from dmft.run.shell import begun, carried_out
    from dmft.systems.generative.job import GenerativeJob
    from dmft.systems.generative.model import SpikedGenerative
    from dmft.systems.generative.theory.solutions import start_in_text

    model = SpikedGenerative(alpha, delta, activation, channel, beta)
    job = GenerativeJob(model, start_in_text(start))
    begun(output, force=force)
    return carried_out(job.begin, output)


@app.command
def critical_delta(
    *,
    alpha: Numbers,
    activation: Activation = "linear",
    channel: Channel = "wigner",
    beta: Number | None = None,
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Tabulate the noise above which the spike is lost: closed form, numerical, and that of PCA.

    Parameters
    ----------
    alpha
        Compression ratios p/k, > 0: one or more.
    activation
        linear or sign; a relu has no transition.
    channel
        wigner: symmetric matrix; wishart: rectangular.
    beta
        Aspect ratio n/p of the matrix, > 0; for wishart only.
    output
        CSV file to write; without it the table is printed.
    """
    from dmft import storage, tables
    from dmft.systems.generative.theory.tables import transition_table

    one_of("activation", activation, ACTIVATIONS)
    if activation == "relu":
        raise ValueError(
            "activation = 'relu' is not allowed: it must be 'linear' or 'sign', as the overlap of a"
            " relu is positive at any noise and there is no transition"
        )
    if output is not None:
        storage.check_target(output, force=force, name="output")
    table = transition_table(alpha, activation, channel, beta)
    if output is None:
        tables.write_csv(sys.stdout, table)
        return OK
    tables.save_csv(output, table, force=force)
    print(f"saved {output}")
    return OK


@app.command
def mmse_curve(
    *,
    alpha: Numbers,
    delta: Numbers | None = None,
    activation: Activation = "linear",
    channel: Channel = "wigner",
    beta: Number | None = None,
    output: Path | None = None,
    plot: Path | None = None,
    force: Force = False,
) -> int:
    """Tabulate or draw the mean square error against the noise, with LAMP and PCA beside it.

    Parameters
    ----------
    alpha
        Compression ratios p/k, > 0: a curve for each.
    delta
        Noise variances, > 0; unless given 50 values up to beyond the largest transition.
    activation
        linear, sign or relu.
    channel
        wigner: symmetric matrix; wishart: rectangular.
    beta
        Aspect ratio n/p of the matrix, > 0; for wishart only.
    output
        CSV file to write; without it and without a plot the table is printed.
    plot
        Figure to write (png, pdf, svg).
    """
    from dmft import figures, storage, tables
    from dmft.systems.generative.theory.tables import default_deltas, mmse_table

    for name, target in (("output", output), ("plot", plot)):
        if target is not None:
            storage.check_target(target, force=force, name=name)
    if plot is not None:
        figures.check_format(plot)
    deltas = np.array(delta or default_deltas(alpha, activation, channel, beta))
    table = mmse_table(alpha, deltas, activation, channel, beta)
    if output is None and plot is None:
        tables.write_csv(sys.stdout, table)
    if output is not None:
        tables.save_csv(output, table, force=force)
        print(f"saved {output}")
    if plot is not None:
        from dmft.systems.generative.plots import mmse_figure

        figures.save(mmse_figure(table, activation, channel, beta), plot, force=force)
        print(f"saved {plot}")
    missing = int(np.sum(np.isnan(table["mmse"])))
    if missing:
        return say(f"{missing} of {len(table['mmse'])} fixed points were not found", FAILED)
    return OK
