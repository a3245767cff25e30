"""The claims about the spiked matrix with a generative prior, each with what it rests on.

A claim is a function of the size (True: few instances); every claim has seeds of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from dmft.systems.generative import theory
from dmft.systems.generative.model import SpikedGenerative
from validation.comparison import compare_numbers
from validation.evidence import Claim, Evidence, evidence_of, wrong_on_purpose
from validation.systems.generative.settings import AMP, SPECTRAL
from validation.systems.generative.simulate import (
    START,
    STEPS,
    Sample,
    amp_sample,
    compared,
    path_sample,
    spectral_sample,
)

__all__ = ["CLAIMS"]

# The settings of a quick check: each activation, and both channels.
QUICK = ("linear 2", "sign 2", "relu 1", "sign wishart")
QUICK_SPECTRAL = ("linear above PCA", "sign", "sign wishart")
# A random start of finite size leaves the trivial point exponentially.
RANDOM_STEPS = 100
PATH_STEPS = 8
# The deliberate error of the theory: a noise that is so much larger, in relative terms.
WRONG = 1.05
SIZES = "N is k; corrections of order 1/k are not taken out"


class _Size(NamedTuple):
    """Latent components and instances."""

    k: int
    seeds: int


FULL, FEW = _Size(1000, 60), _Size(300, 80)


def _size(quick: bool) -> _Size:
    return FEW if quick else FULL


def _evidence(
    claim: str,
    setting: str,
    size: _Size,
    models: Mapping[str, SpikedGenerative],
    measure: Callable[[SpikedGenerative], Sample],
) -> Evidence:
    """Return the evidence of one claim, over several models of the same number of instances."""
    samples = [_renamed(name, measure(model)) for name, model in models.items()]
    shown = "; ".join(f"{name}: {text(model)}" for name, model in models.items())
    seeds = {float(size.k): size.seeds}
    return evidence_of(claim, shown, f"{setting}; {SIZES}", seeds, compared(samples))


def _renamed(name: str, sample: Sample) -> Sample:
    return sample._replace(names=[f"{one} ({name})" for one in sample.names])


def text(model: SpikedGenerative) -> str:
    """Return a model in words."""
    aspect = "" if model.beta is None else f", beta = {model.beta:g}"
    return f"alpha = {model.alpha:g}, Delta = {model.delta:g}{aspect}"


def fixed_points(quick: bool) -> Evidence:
    """AMP comes to rest at the fixed point of state evolution."""
    size = _size(quick)
    models = {name: AMP[name] for name in QUICK} if quick else AMP
    return _evidence(
        "AMP comes to rest at the fixed point of state evolution",
        f"{STEPS} iterations from overlap {START:g}", size, models,
        lambda model: amp_sample(model, **size._asdict(), root_seed=101),
    )  # fmt: skip


def random_start(quick: bool) -> Evidence:
    """AMP reaches the same point without knowledge of the spike: there is no hard phase."""
    size = _size(quick)
    return _evidence(
        "AMP from a random start reaches the informed fixed point: no hard phase",
        f"{RANDOM_STEPS} iterations from a small random vector", size,
        {name: AMP[name] for name in QUICK},
        lambda model: amp_sample(
            model, **size._asdict(), steps=RANDOM_STEPS, start=None, root_seed=102
        ),
    )  # fmt: skip


def iterations(quick: bool) -> Evidence:
    """AMP follows state evolution iteration by iteration."""
    size = _size(quick)
    return _evidence(
        "AMP follows state evolution, iteration by iteration",
        f"{PATH_STEPS} iterations from overlap {START:g}", size,
        {name: AMP[name] for name in QUICK},
        lambda model: path_sample(model, **size._asdict(), steps=PATH_STEPS, root_seed=103),
    )  # fmt: skip


def spectral(quick: bool) -> Evidence:
    """LAMP has its eigenvalue at 1, and LAMP and PCA overlap as the theory says."""
    size = _size(quick)
    return _evidence(
        "LAMP has an eigenvalue at 1; squared overlaps of LAMP and PCA",
        "leading eigenvectors; PCA is left out above its transition", size,
        {name: SPECTRAL[name] for name in QUICK_SPECTRAL} if quick else SPECTRAL,
        lambda model: spectral_sample(model, **size._asdict(), root_seed=104),
    )  # fmt: skip


def sensitivity(quick: bool) -> Evidence:
    """A deliberate error of the theory is seen."""
    size, right = _size(quick), AMP["sign 2"]
    wrong = replace(right, delta=WRONG * right.delta)
    sample = amp_sample(right, **size._asdict(), root_seed=105)
    point = theory.fixed_point(wrong)
    result = compare_numbers(sample.names, [point.q_v, point.mmse], sample.values)
    known = compared([sample])
    claim = f"A theory with a noise {WRONG:g} times too large would be seen"
    how = f"{STEPS} iterations from overlap {START:g}; {SIZES}"
    found = evidence_of(claim, text(right), how, {float(size.k): size.seeds}, result)
    return wrong_on_purpose(found, result.verdict, known.verdict, claim)


CLAIMS: dict[str, Claim] = {
    "fixed-points": fixed_points,
    "random-start": random_start,
    "iterations": iterations,
    "spectral": spectral,
    "sensitivity": sensitivity,
}
