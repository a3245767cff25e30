"""Dynamics at N = 1e8, on revealed tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.model import Coefficients, SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.protocol import Overlap, Protocol, Thermal
from dmft.systems.spiked.solve import solve
from dmft.systems.spiked.solvers.gradient_descent import GradientDescentOptions
from dmft.systems.spiked.theory import state_evolution
from validation.comparison import compare, compare_numbers
from validation.evidence import Claim, Evidence, evidence_of, wrong_on_purpose
from validation.systems.spiked.claims.models import PROTOCOLS, SEED_MODEL, STEP, TIMES, name_of
from validation.systems.spiked.trajectories import simulate_revealed

__all__ = [
    "descent",
    "driven",
    "endpoint",
    "flow",
    "langevin",
    "mixture",
    "momentum",
    "pure_four",
    "sensitivity",
    "thermal",
]

Array = NDArray[np.float64]

# N does not change the cost; here the scatter and the corrections of order 1/N are small.
N = 1e8
LAW = "tensors revealed on the way, exact law"


def _seeds(quick: bool) -> int:
    return 20 if quick else 40


def _discrete(
    claim: str, model: SpikedMixture, protocol: Protocol, quick: bool, *,
    momentum: float = 0.0, times: Array = TIMES,
) -> Evidence:  # fmt: skip
    """Compare discrete steps with their exact theory."""
    seeds = _seeds(quick)
    options = GradientDescentOptions(STEP, momentum=momentum)
    theory = solve(
        model, float(times[-1]), protocol=protocol, method="gradient_descent", options=options,
        progress=False,
    )  # fmt: skip
    how: dict[str, Any] = {"protocol": theory.protocol}
    if protocol.plain:
        how = {"m0": protocol.start.m0, "T": protocol.T}
    runs = simulate_revealed(
        model, n=N, seeds=seeds, times=times, step=STEP, momentum=momentum, progress=False, **how
    )
    setting = f"{protocol}; steps of {STEP:g}; {LAW}"
    if momentum:
        setting += f"; momentum {momentum:g}"
    result = compare(theory, runs)
    return evidence_of(claim, name_of(model), setting, {N: seeds}, result, theory)


def descent(quick: bool) -> Evidence:
    """Gradient descent at T = 0."""
    claim = "Gradient descent (T = 0): m, mu, e and C(t,t')"
    return _discrete(claim, SEED_MODEL, Protocol(Overlap(0.1)), quick, times=np.arange(0.0, 11.0))


def langevin(quick: bool) -> Evidence:
    """Langevin dynamics at T = 1."""
    claim = "Langevin dynamics at T = 1, the temperature of the Bayes posterior"
    protocol = Protocol(Overlap(0.1), T=1.0)
    return _discrete(claim, SEED_MODEL, protocol, quick, times=np.arange(0.0, 11.0))


def flow(quick: bool) -> Evidence:
    """Gradient flow in continuous time."""
    seeds, step = _seeds(quick), 0.05
    theory = solve(SEED_MODEL, 10.0, m0=0.1, method="dense", tol=1e-7, progress=False)
    runs = simulate_revealed(
        SEED_MODEL, n=N, seeds=seeds, m0=0.1, times=TIMES, method="gradient_flow", step=step,
        progress=False,
    )  # fmt: skip
    setting = f"m0 = 0.1; Runge-Kutta steps of {step:g} against `dense`; {LAW}"
    result, claim = compare(theory, runs), "Gradient flow in continuous time"
    return evidence_of(claim, name_of(SEED_MODEL), setting, {N: seeds}, result, theory)


def mixture(quick: bool) -> Evidence:
    """Three channels at T = 0.5."""
    model, protocol = SpikedMixture({2: 0.9, 3: 1.5, 4: 2.0}), Protocol(Overlap(0.2), T=0.5)
    claim = "A mixture of three channels, T = 0.5"
    return _discrete(claim, model, protocol, quick, times=TIMES[:4])


def pure_four(quick: bool) -> Evidence:
    """A matrix and a 4-tensor at T = 0."""
    model = SpikedMatrixTensor(4, 1 / 3, 4.0)
    return _discrete("p = 4 at T = 0", model, Protocol(Overlap(0.1)), quick)


def driven(key: str) -> Claim:
    """Return the claim about one of the protocols."""
    claim, protocol = PROTOCOLS[key]
    return lambda quick: _discrete(claim, SEED_MODEL, protocol, quick)


def momentum(quick: bool) -> Evidence:
    """Gradient descent with momentum."""
    protocol = Protocol(Overlap(0.1))
    return _discrete("Momentum (heavy ball)", SEED_MODEL, protocol, quick, momentum=0.7)


def thermal(quick: bool) -> Evidence:
    """A quench from equilibrium."""
    claim = "Quench from equilibrium above the static transition: m is C(t,0)"
    protocol = Protocol(Thermal(0.8), T=0.3)
    return _discrete(claim, SpikedMixture({3: 1.0}), protocol, quick)


def endpoint(quick: bool) -> Evidence:
    """The point where gradient descent ends."""
    seeds, end, names = (4 if quick else 10), 60.0, ["m", "mu", "e"]
    model = SpikedMatrixTensor(3, 1 / 3, 1.0)
    runs = simulate_revealed(
        model, n=N, seeds=seeds, m0=0.3, times=[end], step=STEP, progress=False
    )
    fixed = state_evolution.fixed_points(model, kind="ml")
    values = [float(getattr(fixed, name)[-1]) for name in names]
    result = compare_numbers(names, values, np.hstack([runs[name] for name in names]), t=end)
    claim = "Gradient descent ends at the fixed point of maximum-likelihood state evolution"
    setting = f"m0 = 0.3, t = {end:g}; {LAW}"
    return evidence_of(claim, name_of(model), setting, {N: seeds}, result)


class _Wrong(Coefficients):
    """Coefficients with K2 one per cent too large."""

    def polynomials(self) -> tuple[Array, Array, Array]:
        S, K1, K2 = super().polynomials()
        return S, K1, 1.01 * K2


class _WrongModel(SpikedMixture):
    def coefficients(self) -> Coefficients:
        return _Wrong(*super().coefficients())


def sensitivity(quick: bool) -> Evidence:
    """A deliberate error of the theory is seen."""
    seeds, wrong = _seeds(quick), _WrongModel(SEED_MODEL.channels)
    runs = simulate_revealed(
        SEED_MODEL, n=N, seeds=seeds, m0=0.1, times=TIMES, T=1.0, progress=False
    )
    theory, right = (
        solve(model, 10.0, m0=0.1, T=1.0, method="gradient_descent", step=STEP, progress=False)
        for model in (wrong, SEED_MODEL)
    )
    result = compare(theory, runs)
    setting = f"T = 1; {LAW}; kernel K2 of the theory times 1.01"
    claim = "An error of 1 % in one kernel of the theory would be seen"
    found = evidence_of(claim, name_of(SEED_MODEL), setting, {N: seeds}, result, theory)
    return wrong_on_purpose(found, result.verdict, compare(right, runs).verdict, claim)
