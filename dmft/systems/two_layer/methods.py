"""The method that solves online learning, as the house knows it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dmft.run.contract import Method, Record
from dmft.systems.two_layer.learning import OnlineLearning
from dmft.systems.two_layer.lowering import Layout, flow_of
from dmft.systems.two_layer.model import TwoLayerNetwork
from dmft.systems.two_layer.solver import TwoLayerSolver

__all__ = ["METHOD", "Problem"]


class Problem(NamedTuple):
    """What the solver is given: network, start and learning rates, end, an earlier run."""

    net: TwoLayerNetwork
    how: OnlineLearning
    t_end: float
    before: Record | None = None


def _begin(problem: Problem, options: None, tol: float) -> TwoLayerSolver:
    return TwoLayerSolver(
        problem.net, problem.t_end, problem.how, tol=tol, before=problem.before
    )  # fmt: skip


def _compiled() -> None:
    """Load the compiled equations."""
    net = TwoLayerNetwork(1, 1)
    flow_of(net)(np.ones(Layout.of(net).size), np.zeros(6))


METHOD = Method(
    "ode", type(None), _begin, 1e-13, {"default": (1e-10, None)}, resumable=True, prepare=_compiled
)  # fmt: skip
