"""Dynamics on stored tensors, with corrections of order 1/N fitted and taken out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol import Overlap, Protocol
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.solve import solve
from validation.comparison import compare
from validation.ensemble import Ensemble
from validation.evidence import Evidence, evidence_of
from validation.systems.spiked.claims.models import PROTOCOLS, SEED_MODEL, STEP, TIMES, name_of
from validation.systems.spiked.simulate import ROOT_SEED, simulate, simulate_driven

__all__ = ["annealing_bias", "stored_flow", "stored_four", "stored_langevin"]

Array = NDArray[np.float64]

# The relative error of the theory that these claims should show.  A smaller one takes more seeds,
# and stored tensors are expensive: scaled from the quick sizes, the full ones show errors of m of
# 6 % (flow) to 23 % (mixture).
STATED = 0.25
# Step of the integrator: halving it changes m, mu, e by less than 5e-4 (`step_error`).
FLOW_STEP = 0.2


def _limit(
    claim: str, setting: str, theory: SpikedSolution, ensembles: Sequence[Ensemble]
) -> Evidence:
    """Compare the limit of large N with the theory."""
    setting = f"{setting}; stored tensors; limit of a fit linear in 1/N"
    seeds = {runs.n: runs.seeds for runs in ensembles}
    result = compare(theory, *ensembles, deviation=STATED)
    return evidence_of(claim, name_of(theory.model), setting, seeds, result, theory)


def _stored_driven(
    claim: str, model: SpikedMixture, protocol: Protocol, sizes: dict[int, int], times: Array
) -> Evidence:
    theory = solve(
        model, float(times[-1]), protocol=protocol, method="gradient_descent", step=STEP,
        progress=False,
    )  # fmt: skip
    ensembles = [
        simulate_driven(
            model, protocol, n=n, seeds=k, times=times, step=STEP, progress=False,
            root_seed=ROOT_SEED + n,
        )
        for n, k in sizes.items()
    ]  # fmt: skip
    return _limit(claim, f"{protocol}; steps of {STEP:g}", theory, ensembles)


def stored_flow(quick: bool) -> Evidence:
    """Gradient flow on stored tensors."""
    sizes = {60: 60, 120: 30} if quick else {150: 480, 300: 160, 500: 80, 1000: 20}
    theory = solve(SEED_MODEL, 10.0, m0=0.2, method="dense", tol=1e-7, progress=False)
    ensembles = [
        simulate(SEED_MODEL, n=n, seeds=k, m0=0.2, times=TIMES[1:], step=FLOW_STEP,
                 progress=False, root_seed=ROOT_SEED + n)
        for n, k in sizes.items()
    ]  # fmt: skip
    claim = "Gradient flow on stored tensors, entries i1 < ... < ip: the trusted, slow way"
    setting = f"m0 = 0.2; Runge-Kutta steps of {FLOW_STEP:g}"
    return _limit(claim, setting, theory, ensembles)


def stored_langevin(quick: bool) -> Evidence:
    """Langevin dynamics on stored tensors."""
    sizes = {60: 60, 120: 30} if quick else {150: 480, 300: 160, 500: 60}
    claim = "Langevin dynamics (T = 1) on stored tensors"
    return _stored_driven(claim, SEED_MODEL, Protocol(Overlap(0.2), T=1.0), sizes, TIMES[1:])


def stored_four(quick: bool) -> Evidence:
    """Three channels up to p = 4 on stored tensors."""
    sizes = {30: 60, 60: 20} if quick else {50: 800, 100: 200, 140: 60}
    model = SpikedMixture({2: 0.7, 3: 2.0, 4: 1.0})
    claim = "Three channels on stored tensors, T = 0.5"
    return _stored_driven(claim, model, Protocol(Overlap(0.2), T=0.5), sizes, TIMES[1:4])


def annealing_bias(quick: bool) -> Evidence:
    """Whether the deviation of annealed runs at N = 80 is a term in 1/N."""
    sizes = {40: 150, 80: 60} if quick else {80: 3200, 160: 1600, 320: 400}
    _, protocol = PROTOCOLS["annealing"]
    claim = "What annealed runs at N = 80 deviate by is a correction of order 1/N"
    return _stored_driven(claim, SEED_MODEL, protocol, sizes, TIMES[1:])
