"""Commands of the group `dmft validate generative`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cyclopts import App

from dmft.arguments import FAILED, OK, Force, Number, Whole
from dmft.systems.generative.model import Activation, Channel, SpikedGenerative
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
    suppress_keyboard_interrupt=False,
)


@app.command(name="amp")
def message_passing(
    *,
    alpha: Number,
    delta: Number,
    activation: Activation = "linear",
    channel: Channel = "wigner",
    beta: Number | None = None,
    k: Whole = 500,
    seeds: Whole = 10,
    steps: Whole = STEPS,
    start: Number = START,
    root_seed: Whole = ROOT_SEED,
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Run message passing on instances and compare where it comes to rest with the theory.

    Parameters
    ----------
    alpha, delta, activation, channel, beta
        As in `dmft generative fixed-point`.
    k
        Latent components of an instance.
    seeds
        Number of instances, >= 2.
    steps
        Iterations.
    start
        Normalised overlap of the start, in [0, 1).
    root_seed
        Root of all random numbers.
    output
        CSV table to write.
    """
    model = SpikedGenerative(alpha, delta, activation, channel, beta)
    return _compare(
        lambda: amp_sample(
            model, k=k, seeds=seeds, steps=steps, start=start, root_seed=root_seed
        ),
        output, force,
    )  # fmt: skip


@app.command
def spectral(
    *,
    alpha: Number,
    delta: Number,
    activation: Activation = "linear",
    channel: Channel = "wigner",
    beta: Number | None = None,
    k: Whole = 500,
    seeds: Whole = 10,
    root_seed: Whole = ROOT_SEED,
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Compare overlaps and the largest eigenvalue of LAMP, and PCA's overlap, with the theory.

    Parameters
    ----------
    alpha, delta, activation, channel, beta
        As in `dmft generative fixed-point`; linear or sign.
    k
        Latent components of an instance.
    seeds
        Number of instances, >= 2.
    root_seed
        Root of all random numbers.
    output
        CSV table to write.
    """
    model = SpikedGenerative(alpha, delta, activation, channel, beta)
    return _compare(
        lambda: spectral_sample(model, k=k, seeds=seeds, root_seed=root_seed), output, force
    )


def _compare(measure: Callable[[], Sample], output: Path | None, force: bool) -> int:
    """Print the table and the verdict of a sample, save the table, return the exit status."""
    from dmft import storage, tables

    if output is not None:
        storage.check_target(output, force=force)
    result = compared([measure()])
    print_table(result.table)
    if output is not None:
        tables.save_csv(output, result.table, force=force)
    verdict = result.verdict
    print(f"power: errors of the theory that show 9 times in 10: {verdict.power}")
    print(f"verdict: {verdict.reason}")
    print(f"theory and simulation {verdict.finding.value}: {verdict}")
    return FAILED if verdict.refuted else OK
