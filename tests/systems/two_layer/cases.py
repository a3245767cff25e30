"""Networks and starts that several tests use."""

import numpy as np

from dmft.systems.two_layer.learning import OnlineLearning
from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork
from dmft.systems.two_layer.solver import TwoLayerSolver

C4 = np.array(
    [[1.3, 0.4, 0.25, -0.3], [0.4, 0.9, 0.5, 0.2], [0.25, 0.5, 1.1, 0.35], [-0.3, 0.2, 0.35, 0.7]]
)
IC_A = OrderParameters([[0.6, 0.05], [0.05, 0.5]], [[0.25, 0.05], [0.02, 0.3]], [1, 0.7])
IC_B = OrderParameters(0.3 * np.eye(3), [[0.1, 0], [0, 0.1], [0.05, 0.02]], [0.5, -0.5, 0.1])
NET_B = TwoLayerNetwork(3, 2, "erf", 0.15, [[1, 0.3], [0.3, 1.2]], [1, -1])


def net_a(activation, sigma):
    return TwoLayerNetwork(2, 2, activation, sigma, v_teacher=[1, 0.8])


def run(net, t_end, how, *, tol=1e-10, before=None):
    """Return a solver that has finished or failed, and its last outcome."""
    solver = TwoLayerSolver(net, t_end, how, tol=tol, before=before)
    outcome = None
    while not solver.finished:
        outcome = solver.advance()
        if not outcome.ok:
            break
    return solver, outcome


def finished(net, t_end, how, *, tol=1e-10, before=None):
    solver, outcome = run(net, t_end, how, tol=tol, before=before)
    assert solver.finished, outcome
    return solver


def random_start(K, M, seed, *, v=None):
    """A start with weights of different sizes, in K + M + 2 dimensions."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((K + M, K + M + 2)) / np.sqrt(K + M + 2)
    C = w @ w.T
    v = rng.uniform(-1, 1, K) if v is None else v
    return OrderParameters(C[:K, :K], C[:K, K:], v), C[K:, K:]


__all__ = [
    "C4",
    "IC_A",
    "IC_B",
    "NET_B",
    "OnlineLearning",
    "finished",
    "net_a",
    "random_start",
    "run",
]
