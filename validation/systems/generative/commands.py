"""Commands of the group `dmft validate generative`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclopts import App, Parameter

from dmft import tables
from dmft.arguments import FAILED, OK, Force, Number, Whole, check_products
from dmft.systems.generative.commands import ModelOptions
from dmft.systems.generative.model import SpikedGenerative
from validation.printing import print_table
from validation.systems.generative.simulate import (
    ROOT_SEED,
    START,
    STEPS,
    Sample,
    amp_sample,
    compared,
    spectral_sample,
)

__all__ = ["app", "message_passing", "spectral"]

app = App(
    name="generative",
    help="Spiked matrix with a generative prior: AMP, LAMP and PCA on drawn instances.",
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DrawnOptions:
    """What is drawn, and the table.

    Parameters
    ----------
    k
        Latent components of an instance.
    seeds
        Number of instances, >= 2.
    root_seed
        Root of all random numbers.
    output
        CSV table to write.
    """

    k: Whole = 500
    seeds: Whole = 10
    root_seed: Whole = ROOT_SEED
    output: Path | None = None
    force: Force = False

    def compare(self, measure: Callable[..., Sample], model: SpikedGenerative, **how: Any) -> int:
        """Print the table and the verdict of a sample, save the table, return the exit status."""
        check_products(self.output, force=self.force)
        sample = measure(model, k=self.k, seeds=self.seeds, root_seed=self.root_seed, **how)
        result = compared([sample])
        print_table(result.table)
        if self.output is not None:
            tables.save_csv(self.output, result.table, force=self.force)
        verdict = result.verdict
        print(f"power: errors of the theory that show 9 times in 10: {verdict.power}")
        print(f"verdict: {verdict.reason}")
        print(f"theory and simulation {verdict.finding.value}: {verdict}")
        return FAILED if verdict.refuted else OK


DRAWN = DrawnOptions()


@app.command(name="amp")
def message_passing(
    *,
    model: ModelOptions,
    steps: Whole = STEPS,
    start: Number = START,
    drawn: DrawnOptions = DRAWN,
) -> int:
    """Run message passing on instances and compare where it comes to rest with the theory.

    Parameters
    ----------
    steps
        Iterations.
    start
        Normalised overlap of the start, in [0, 1).
    """
    return drawn.compare(amp_sample, model.model(), steps=steps, start=start)


@app.command
def spectral(*, model: ModelOptions, drawn: DrawnOptions = DRAWN) -> int:
    """Compare overlaps and the largest eigenvalue of LAMP, and PCA's overlap, with the theory."""
    return drawn.compare(spectral_sample, model.model())
