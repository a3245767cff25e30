"""The claims about two-layer networks, each with the simulation that it rests on.

A claim is a function of the size (True: few seeds) that solves, simulates and compares; it returns
`Evidence`.  Every claim has seeds of its own, so that it can be repeated alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dmft.schedules import PowerLaw
from dmft.systems.two_layer.learning import OnlineLearning
from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork
from dmft.systems.two_layer.solution import TwoLayerSolution
from dmft.systems.two_layer.solve import solve
from dmft.systems.two_layer.theory import informed
from validation.comparison import compare, compare_numbers
from validation.evidence import Claim, Evidence, evidence_of, wrong_on_purpose
from validation.systems.two_layer.simulate import ensemble, simulate

__all__ = ["CLAIMS"]

Array = NDArray[np.float64]

TIMES = np.array([0.5, 2.0, 5.0, 10.0, 20.0])
# Input dimension -> number of runs.
FULL, QUICK = {500: 60, 1000: 40, 2000: 30}, {100: 40, 200: 40, 400: 30}

TWO = OrderParameters([[0.6, 0.05], [0.05, 0.5]], [[0.25, 0.05], [0.02, 0.3]], [1.0, 0.7])
THREE = OrderParameters(
    0.3 * np.eye(3), [[0.1, 0.0], [0.0, 0.1], [0.05, 0.02]], [0.5, -0.5, 0.1]
)  # fmt: skip
WIDE = TwoLayerNetwork(3, 2, "erf", 0.15, [[1.0, 0.3], [0.3, 1.2]], [1.0, -1.0])


def _net(activation: str, sigma: float) -> TwoLayerNetwork:
    return TwoLayerNetwork(2, 2, activation, sigma, v_teacher=[1.0, 0.8])


def _name(net: TwoLayerNetwork) -> str:
    return f"K = {net.K}, M = {net.M}, {net.activation}, sigma = {net.sigma:g}"


def _solved(net: TwoLayerNetwork, how: OnlineLearning, t_end: float) -> TwoLayerSolution:
    return solve(
        net, t_end, start=how.start, learning_rate=how.learning_rate,
        second_learning_rate=how.second_learning_rate, weight_decay=how.weight_decay,
        progress=False,
    )  # fmt: skip


def _trajectories(
    claim: str, net: TwoLayerNetwork, how: OnlineLearning, seed: int
) -> Callable[[bool], Evidence]:
    """Return the claim that order parameters follow the equations as N grows."""

    def check(quick: bool) -> Evidence:
        sizes = QUICK if quick else FULL
        theory = _solved(net, how, float(TIMES[-1]))
        ensembles = [
            ensemble(net, how, TIMES, n=n, runs=runs, seed=seed) for n, runs in sizes.items()
        ]
        setting = f"{how.setting}; limit of a fit linear in 1/N"
        seeds = {float(n): runs for n, runs in sizes.items()}
        result = compare(theory, *ensembles)
        return evidence_of(claim, _name(net), setting, seeds, result, theory)

    return check


# Students of these widths are trained from the teacher on.
WIDTHS, WIDTH_RATE, WIDTH_END, WIDTH_N = (2, 4, 6), 0.2, 30.0, 1000


def growth_with_width(quick: bool) -> Evidence:
    """The error of wide students grows with the first layer alone, and not with both."""
    runs, n = (24, WIDTH_N // 2) if quick else (60, WIDTH_N)
    names, values, columns = [], [], []
    for both in (False, True):
        for K in WIDTHS:
            net = TwoLayerNetwork(K, 2, "erf", 0.3)
            start = informed(net, both_layers=both, spread=0.02)
            how = OnlineLearning(start, WIDTH_RATE, WIDTH_RATE if both else 0.0)
            names.append(f"eg of {'both layers' if both else 'the first layer'}, K = {K}")
            values.append(float(_solved(net, how, WIDTH_END).eg[-1]))
            found = simulate(net, how, [WIDTH_END], n=n, runs=runs, seed=100 * K + both)
            columns.append(found.eg[:, 0])
    # The term in 1/N is of the relative size of 1/N times a few, far below the scatter.
    result = compare_numbers(names, values, np.stack(columns, axis=1), t=WIDTH_END)
    setting = (
        f"learning rate {WIDTH_RATE:g}, started at the teacher, t = {WIDTH_END:g};"
        " corrections of order 1/N are not taken out"
    )
    claim = "Noisy labels: the error grows with the width with one layer trained, not with both"
    return evidence_of(claim, "M = 2, erf, sigma = 0.3", setting, {float(n): runs}, result)


def sensitivity(quick: bool) -> Evidence:
    """A deliberate error of the theory is seen."""
    runs, n, seed = (40 if quick else 80), 1000, 77
    net, how = _net("erf", 0.2), OnlineLearning(TWO, 0.5)
    found = ensemble(net, how, TIMES, n=n, runs=runs, seed=seed)
    right = _solved(net, how, float(TIMES[-1]))
    theory = _solved(net, replace(how, learning_rate=0.525), float(TIMES[-1]))
    result = compare(theory, found)
    setting = f"{how.setting}; learning rate of the theory times 1.05"
    claim = "An error of 5 % in the learning rate of the theory would be seen"
    evidence = evidence_of(claim, _name(net), setting, {float(n): runs}, result, theory)
    return wrong_on_purpose(evidence, result.verdict, compare(right, found).verdict, claim)


CLAIMS: dict[str, Claim] = {
    "first-layer": _trajectories(
        "The first layer alone, erf units", _net("erf", 0.2), OnlineLearning(TWO, 0.5), 21
    ),
    "both-layers": _trajectories(
        "Both layers with weight decay, erf units", _net("erf", 0.1),
        OnlineLearning(TWO, 0.5, 0.3, 0.02), 22,
    ),
    "relu": _trajectories(
        "ReLU units", _net("relu", 0.2), OnlineLearning(TWO, 0.3), 23
    ),
    "linear": _trajectories(
        "Linear units, both layers", _net("linear", 0.2), OnlineLearning(TWO, 0.3, 0.1, 0.05), 24
    ),
    "wide": _trajectories(
        "A student wider than a correlated teacher", WIDE, OnlineLearning(THREE, 0.6, 0.1), 25
    ),
    "falling-rate": _trajectories(
        "A learning rate that falls like a power of t", WIDE,
        OnlineLearning(THREE, PowerLaw(0.8, 5.0, 0.5)), 26,
    ),
    "width": growth_with_width,
    "sensitivity": sensitivity,
}  # fmt: skip
