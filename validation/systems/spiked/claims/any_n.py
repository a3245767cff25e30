"""Dynamics at N = 1e8, by revealed tensors, and at N = infinity, by growing coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.model import Coefficients, SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.protocol import Annealing, Overlap, PowerLaw, Protocol, Thermal
from dmft.systems.spiked.solve import solve
from dmft.systems.spiked.solvers.gradient_descent import GradientDescentOptions
from dmft.systems.spiked.theory import state_evolution
from validation.compare import sigmas
from validation.evidence import Evidence, against, compared, judged, name_of, table_of
from validation.statistics import compare
from validation.systems.spiked.limit import limit_descent, limit_flow
from validation.systems.spiked.trajectories import simulate_revealed

__all__ = [
    "PROTOCOLS",
    "SEED_MODEL",
    "STEP",
    "TIMES",
    "descent",
    "endpoint",
    "flow",
    "langevin",
    "limits",
    "mixture",
    "momentum",
    "protocol",
    "pure_four",
    "sensitivity",
    "thermal",
]

Array = NDArray[np.float64]

SEED_MODEL = SpikedMatrixTensor(3, 0.7, 1.0)
TIMES = np.array([0.0, 1.0, 2.0, 5.0, 10.0])
STEP = 0.1
# Of the limits, which have no scatter.
FLOW_ERROR, DESCENT_ERROR = 1e-6, 1e-12


def _revealed(
    claim: str,
    model: SpikedMixture,
    protocol: Protocol,
    quick: bool,
    *,
    momentum: float = 0.0,
    times: Array = TIMES,
    n: float = 1e8,
) -> Evidence:
    """Compare discrete steps at N = 1e8 with their exact theory."""
    seeds = 20 if quick else 40
    options = GradientDescentOptions(STEP, momentum=momentum)
    theory = solve(
        model, float(times[-1]), protocol=protocol, method="gradient_descent", options=options,
        progress=False,
    )  # fmt: skip
    how: dict[str, Any] = {"protocol": theory.protocol}
    if protocol.plain:
        how = {"m0": protocol.start.m0, "T": protocol.T}
    runs = simulate_revealed(
        model, n=n, seeds=seeds, times=times, step=STEP, momentum=momentum, progress=False, **how
    )
    basis = f"{name_of(model)}; {protocol}; steps of {STEP:g}; N = {n:g}, {seeds} seeds, exact law"
    if momentum:
        basis += f"; momentum {momentum:g}"
    return compared(claim, basis, theory, compare(theory, runs))


def descent(quick: bool) -> Evidence:
    """Gradient descent at T = 0."""
    times = np.arange(0.0, 11.0)
    return _revealed(
        "Gradient descent (T = 0): m, mu, e and C(t,t')", SEED_MODEL, Protocol(Overlap(0.1)), quick,
        times=times,
    )  # fmt: skip


def langevin(quick: bool) -> Evidence:
    """Langevin at T = 1."""
    times = np.arange(0.0, 11.0)
    claim = "Langevin dynamics at T = 1, the temperature of the Bayes posterior"
    return _revealed(claim, SEED_MODEL, Protocol(Overlap(0.1), T=1.0), quick, times=times)


def flow(quick: bool) -> Evidence:
    """Gradient flow in continuous time."""
    seeds, n, step = (20 if quick else 40), 1e8, 0.05
    theory = solve(SEED_MODEL, 10.0, m0=0.1, method="dense", tol=1e-7, progress=False)
    runs = simulate_revealed(
        SEED_MODEL, n=n, seeds=seeds, m0=0.1, times=TIMES, method="gradient_flow", step=step,
        progress=False,
    )  # fmt: skip
    basis = (
        f"{name_of(SEED_MODEL)}; m0 = 0.1; Runge-Kutta steps of {step:g} against `dense`;"
        f" N = {n:g}, {seeds} seeds, exact law"
    )
    return compared("Gradient flow in continuous time", basis, theory, compare(theory, runs))


def mixture(quick: bool) -> Evidence:
    """Three channels at T = 0.5."""
    model = SpikedMixture({2: 0.9, 3: 1.5, 4: 2.0})
    return _revealed(
        "A mixture of three channels, T = 0.5", model, Protocol(Overlap(0.2), T=0.5), quick,
        times=TIMES[:4],
    )  # fmt: skip


def pure_four(quick: bool) -> Evidence:
    """A matrix and a 4-tensor at T = 0."""
    model = SpikedMatrixTensor(4, 1 / 3, 4.0)
    return _revealed("p = 4 at T = 0", model, Protocol(Overlap(0.1)), quick)


PROTOCOLS = {
    "Annealed tensor channel, Delta'_p(t) = Delta_p + C exp(-t/tau)": Protocol(
        Overlap(0.2), T=0.5, loss_delta=Annealing(3.0, 2.0)
    ),
    "Learning rate that falls like a power of t": Protocol(
        Overlap(0.2), T=0.3, learning_rate=PowerLaw(1.0, 2.0, 0.5)
    ),
    "Temperature that falls like 1/t": Protocol(Overlap(0.2), T=PowerLaw(1.0, 2.0, 1.0)),
    "Quench with a changed loss": Protocol(
        Overlap(0.2), T=0.5, stages=[(2.0, {"T": 0.0, "loss_delta": {2: 1.2}})]
    ),
}


def protocol(claim: str) -> Callable[[bool], Evidence]:
    return lambda quick: _revealed(claim, SEED_MODEL, PROTOCOLS[claim], quick)


def momentum(quick: bool) -> Evidence:
    """Heavy ball."""
    protocol = Protocol(Overlap(0.1))
    return _revealed("Momentum (heavy ball)", SEED_MODEL, protocol, quick, momentum=0.7)


def thermal(quick: bool) -> Evidence:
    """Quench from equilibrium."""
    claim = "Quench from equilibrium above the static transition: m is C(t,0)"
    protocol = Protocol(Thermal(0.8), T=0.3)
    return _revealed(claim, SpikedMixture({3: 1.0}), protocol, quick)


def endpoint(quick: bool) -> Evidence:
    """Where gradient descent ends."""
    n, seeds, end = 1e8, (4 if quick else 10), 60.0
    model = SpikedMatrixTensor(3, 1 / 3, 1.0)
    runs = simulate_revealed(
        model, n=n, seeds=seeds, m0=0.3, times=[end], step=STEP, progress=False
    )
    fixed = state_evolution.fixed_points(model, kind="ml")
    expected = [float(getattr(fixed, name)[-1]) for name in ("m", "mu", "e")]
    sample = np.hstack([runs.m, runs.mu, runs.e])
    table, verdict = against(["m", "mu", "e"], expected, sample, end)
    basis = f"{name_of(model)}; m0 = 0.3, t = {end:g}; N = {n:g}, {seeds} seeds, exact law"
    claim = "Gradient descent ends at the fixed point of maximum-likelihood state evolution"
    return judged(claim, basis, table, verdict)


def limits(quick: bool) -> Evidence:
    """N = infinity in growing coordinates, which knows no CHS equation."""
    steps = 60 if quick else 100
    names, theory, found = [], [], []
    step_run = limit_descent(SEED_MODEL, 0.1, STEP, steps, T=1.0)
    discrete = solve(
        SEED_MODEL, steps * STEP, m0=0.1, T=1.0, method="gradient_descent", step=STEP,
        progress=False,
    )  # fmt: skip
    flow_run = limit_flow(SEED_MODEL, 0.1, TIMES[1:])
    dense = solve(SEED_MODEL, 10.0, m0=0.1, method="dense", tol=1e-8, progress=False)
    at = dense.at(TIMES[1:])
    worst: dict[str, float] = {}
    for name in ("m", "mu", "e"):
        pairs = {
            "descent": (getattr(step_run, name), getattr(discrete, name)),
            "flow": (getattr(flow_run, name), getattr(at, name)),
        }
        for kind, (limit, solver) in pairs.items():
            k = int(np.argmax(np.abs(limit - solver)))
            names.append(f"{name} of {kind}")
            theory.append(float(solver[k]))
            found.append(float(limit[k]))
            worst[kind] = max(worst.get(kind, 0.0), abs(found[-1] - theory[-1]))
    agree = worst["descent"] < DESCENT_ERROR and worst["flow"] < FLOW_ERROR
    verdict = (
        f"largest difference {worst['descent']:.1e} of discrete steps (allowed {DESCENT_ERROR:g}),"
        f" {worst['flow']:.1e} of gradient flow (allowed {FLOW_ERROR:g})"
    )
    basis = f"{name_of(SEED_MODEL)}; m0 = 0.1; T = 1 in steps of {STEP:g}, T = 0 continuously"
    claim = "The N = infinity limit in growing coordinates, which knows no equation of C and R"
    table = table_of(names, theory, found, np.zeros(len(names)))
    return Evidence(claim, basis, table, verdict, agree)


class _Wrong(Coefficients):
    """Coefficients with K2 one per cent too large."""

    def polynomials(self) -> tuple[Array, Array, Array]:
        S, K1, K2 = super().polynomials()
        return S, K1, 1.01 * K2


class _WrongModel(SpikedMixture):
    def coefficients(self) -> Coefficients:
        return _Wrong(*super().coefficients())


def sensitivity(quick: bool) -> Evidence:
    """A deliberate error is seen."""
    seeds, n = (20 if quick else 40), 1e8
    wrong = _WrongModel(SEED_MODEL.channels)
    theory = solve(wrong, 10.0, m0=0.1, T=1.0, method="gradient_descent", step=STEP, progress=False)
    runs = simulate_revealed(
        SEED_MODEL, n=n, seeds=seeds, m0=0.1, times=TIMES, T=1.0, progress=False
    )
    result = compare(theory, runs)
    basis = (
        f"{name_of(SEED_MODEL)}; T = 1; N = {n:g}, {seeds} seeds; the theory is wrong on purpose,"
        " kernel K2 times 1.01: large z is what is claimed"
    )
    seen = sigmas(result.verdict.p_value)
    claim = "An error of 1 % in one kernel of the theory would be seen"
    verdict = f"the wrong theory is rejected at {min(seen, 38.0):.1f} sigma (asked: 5)"
    return replace(compared(claim, basis, theory, result), verdict=verdict, agree=seen > 5.0)
