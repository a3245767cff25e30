"""Commands of the group `dmft generative`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import App, Parameter

from dmft.arguments import (
    FAILED,
    OK,
    Force,
    Number,
    Numbers,
    check_products,
    drawn,
    say,
    tabulated,
)
from dmft.systems.generative.model import Activation, Channel

if TYPE_CHECKING:
    from dmft.systems.generative.model import SpikedGenerative

__all__ = ["app", "critical_delta", "fixed_point", "mmse_curve"]

app = App(
    name="generative",
    help="Spiked matrix with a generative prior: fixed points, transitions, curves.",
)
Values = Annotated[Numbers, Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """The layer that makes the spike, and the matrix that shows it.

    Parameters
    ----------
    activation
        The function that makes the spike: linear, sign or relu.
    channel
        wigner: symmetric matrix; wishart: rectangular.
    beta
        Aspect ratio n/p of the matrix, > 0; for wishart only.
    """

    activation: Activation = "linear"
    channel: Channel = "wigner"
    beta: Number | None = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ModelOptions(LayerOptions):
    """A model.

    Parameters
    ----------
    alpha
        Compression ratio p/k, > 0: components of the spike per latent component.
    delta
        Noise variance, > 0.
    """

    alpha: Number
    delta: Number

    def model(self) -> SpikedGenerative:
        """Return the model, or raise ValueError."""
        from dmft.systems.generative.model import SpikedGenerative

        return SpikedGenerative(self.alpha, self.delta, self.activation, self.channel, self.beta)


LAYER = LayerOptions()


@app.command
def fixed_point(
    *,
    model: ModelOptions,
    start: str = "informed",
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Find the fixed point of state evolution that a start leads to.

    Parameters
    ----------
    start
        informed, uninformed, or a normalised overlap in [0, 1].
    output
        File to write, for `dmft show`; without it the result is printed only.
    """
    from dmft.run.fixed_point import start_in_text
    from dmft.run.output import Mode
    from dmft.run.shell import begun, carried_out
    from dmft.systems.generative.job import GenerativeJob

    job = GenerativeJob(model.model(), start_in_text(start))
    begun(output, force=force)
    return carried_out(job.begin, output, Mode(replaces=force))


@app.command
def critical_delta(
    *,
    alpha: Values,
    layer: LayerOptions = LAYER,
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Tabulate the noise above which the spike is lost: closed form, numerical, and that of PCA.

    Parameters
    ----------
    alpha
        Compression ratios p/k, > 0: one or more.
    output
        CSV file to write; without it the table is printed.
    """
    from dmft.systems.generative.theory.tables import transition_table

    if layer.activation == "relu":
        raise ValueError(
            "activation = 'relu' is not allowed: it must be 'linear' or 'sign', as the overlap of a"
            " relu is positive at any noise and there is no transition"
        )
    check_products(output, force=force)
    table = transition_table(alpha, layer.activation, layer.channel, layer.beta)
    return tabulated(table, output, force=force)


@app.command
def mmse_curve(
    *,
    alpha: Values,
    delta: Values | None = None,
    layer: LayerOptions = LAYER,
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
    output
        CSV file to write; without it and without a plot the table is printed.
    plot
        Figure to write (png, pdf, svg).
    """
    from dmft.systems.generative.theory.tables import default_deltas, mmse_table

    check_products(output, plot, force=force)
    how = (layer.activation, layer.channel, layer.beta)
    deltas = np.array(delta or default_deltas(alpha, *how))
    table = mmse_table(alpha, deltas, *how)
    if output is not None or plot is None:
        tabulated(table, output, force=force)
    if plot is not None:
        from dmft.systems.generative.plots import mmse_figure

        drawn(mmse_figure(table, *how), plot, force=force)
    missing = int(np.sum(np.isnan(table["mmse"])))
    if missing:
        return say(f"{missing} of {len(table['mmse'])} fixed points were not found", FAILED)
    return OK
