"""Discrete gradient descent (Langevin) with step h: its exact mean-field theory.

With normalisation the algorithm is ``x <- x - h grad H + sqrt(2Th) xi``, scaled back onto the
sphere.  As N grows, -grad H at step k is ``Q'(m_k) x*`` plus a Gaussian vector, whose covariance
with those of other steps is Q'(C), plus the memory ``sum_{j<k} W_kj x_j``, so that, with
``S = K1 = Q'`` and ``K2 = Q''`` (derived by conditioning on the earlier gradients):

    W_kj = h K2(C_kj) R_kj,   P_kl = h sum_{j<l} K1(C_kj) R_lj,   B_k = S(m_k) + sum_{j<k} W_kj m_j
    A_kl = S(m_k) m_l + sum_{j<k} W_kj C_jl + P_kl
    Z_k^2 = 1 + 2h A_kk + h^2 [S(m_k) B_k + K1(1) + 2T/h + sum_{j<k} W_kj (A_kj + P_kj)]
    m_{k+1} = (m_k + h B_k)/Z_k,   C_{k+1,l} = (C_kl + h A_kl)/Z_k
    R_{k+1,l} = (R_kl + h sum_{l<j<k} W_kj R_jl)/Z_k,   R_{k+1,k} = 1/Z_k
    mu_k = T + A_kk,   e_p(k) = -signal_p m_k^p/p - h sum_{j<k} R_kj noise_p C_kj^(p-1)

R_kl is the response to a field added to grad H at step l, per h, and R_kk = 1 completes the
diagonal.  Fixed points carry no bias from h.  `scheme = "euler"` is the first-order scheme of the
codes published with arXiv:1812.09066 and arXiv:1907.08226: the same sums without normalisation,
C_{k+1,l} = C_kl + h (A_kl - mu_k C_kl), with R_{k+1,k} = 1 and C_kk = 1 imposed.

With momentum b (heavy ball, arXiv:2102.11755) the step is ``x_k + b (x_k - x_{k-1}) - h grad H +
sqrt(2Th) xi``, scaled back; it begins at rest, x_{-1} = x_0.  So

    Z_k^2 = 1 + 2b(1+b)(1 - C_{k,k-1}) + 2h [(1+b) A_kk - b A_{k,k-1}] + h^2 [as above]

and in the recursions of m, C and R ``x_k`` becomes ``(1+b) x_k - b x_{k-1}``, whose last term has
no response to step k - 1 or later.  As h -> 0 at fixed b it is the flow at times t/(1-b), with the
temperature T/(1-b).

A protocol that depends on time has ``h_k = h eta(t_k)``, T(t_k) and the weights of the loss at
t_k = k h in step k: each h is that of its own step (h_j in W_kj and P_kl, h_k elsewhere), and
K1_kj = sum_p Delta_p w_p(t_k) w_p(t_j) C_kj^(p-1).  A jump acts from the first step at or after it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.run.contract import Record, StepResult
from dmft.systems.spiked.solvers import _triangle_kernels as kernels
from dmft.systems.spiked.solvers.lowered import driven_equations, steady_equations
from dmft.systems.spiked.solvers.problem import Problem, series_of
from dmft.two_time import TimeMap, TriangularGrid

__all__ = ["GradientDescent", "GradientDescentOptions"]

Array = NDArray[np.float64]

SCHEMES = ("normalised", "euler")
STEPS_PER_ADVANCE = 10


@dataclass(frozen=True)
class GradientDescentOptions:
    """Step of discrete gradient descent.

    Parameters
    ----------
    step : float
        The step h > 0 (learning rate, dimensionless); the run takes ceil(t_end/step) steps.
    scheme : {"normalised", "euler"}, default "normalised"
        "normalised" is the exact theory of the algorithm that is scaled back onto the sphere after
        each step; "euler" the first-order discretisation of gradient flow in the published codes.
    max_steps : int, default 20000
        The largest number of steps that is tried (memory 8 max_steps^2 bytes).
    momentum : float, default 0
        Momentum b of the heavy ball in [0, 1), for normalised steps.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    step: float
    scheme: str = "normalised"
    max_steps: int = 20_000
    momentum: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", checks.positive_number("step", self.step))
        if self.scheme not in SCHEMES:
            raise ValueError(
                f"scheme = {self.scheme!r} is not allowed: it must be one of {SCHEMES}"
            )
        object.__setattr__(self, "max_steps", checks.integer("max_steps", self.max_steps, low=1))
        momentum = checks.finite_number(
            "momentum", self.momentum, low=0.0, high=math.nextafter(1.0, 0.0),
            wanted="a number in [0, 1)",
        )  # fmt: skip
        object.__setattr__(self, "momentum", momentum)
        if momentum and self.scheme != "normalised":
            raise ValueError(f"momentum = {momentum:g} is for scheme 'normalised' only")


def _onto(t: Array, breaks: Array) -> Array:
    """Return the times; those that miss a jump by rounding only are moved onto it."""
    for jump in breaks:
        t = np.where(np.abs(t - jump) <= 1e-12 * jump, jump, t)
    return t


class GradientDescent:
    """Stepper of discrete gradient descent (contract: :class:`dmft.run.contract.Solver`).

    Parameters
    ----------
    problem : Problem
        Model coefficients, start, temperature and end time.
    options : GradientDescentOptions
        Step and scheme.
    tol : float
        Not used: the recursion is exact up to rounding.
    """

    name = "gradient_descent"

    def __init__(self, problem: Problem, options: GradientDescentOptions, tol: float) -> None:
        self.problem, self.options = problem, options
        # Rounded up, except for rounding errors: t_end = 0.3 with step 0.1 takes three steps.
        self.steps = math.ceil(problem.t_end / options.step * (1.0 - 4e-16))
        if self.steps > options.max_steps:
            raise ValueError(
                f"step = {options.step:g} needs {self.steps} steps to t_end = {problem.t_end:g},"
                f" above max_steps = {options.max_steps}: lower t_end, or raise step or max_steps"
                " (memory 8 max_steps^2 bytes)"
            )
        self.k, n = 0, self.steps + 1
        size = n * (n + 1) // 2
        e_p = np.empty((n, len(problem.coefficients.orders)))
        self.triangles = kernels.Triangles(
            np.empty(size), np.empty(size), np.empty(n), np.empty(n), e_p
        )
        self.triangles.C[0] = self.triangles.R[0] = 1.0
        self.triangles.m[0] = problem.m0
        self.equations = self._equations()
        self.rule = kernels.StepRule(options.momentum, options.scheme == "normalised")
        self._descend(0)

    def _equations(self) -> kernels.Equations:
        """Return the equations at all steps; the weight h of a step is in the first half only."""
        drive, step, nodes = self.problem.drive, self.options.step, self.steps + 1
        weights = np.zeros((2, nodes))
        weights[0] = step
        if drive is None:
            return steady_equations(self.problem, weights)
        t = _onto(np.asarray(step * np.arange(nodes)), drive.breaks)
        jump = np.zeros(nodes, dtype=bool)
        return driven_equations(drive, t, weights, jump, ("after", "after"))

    def _descend(self, to: int) -> bool:
        """Take steps up to step `to`; return False where the iterates diverge before it."""
        self.k = int(kernels.descend(self.k, to, self.triangles, self.equations, self.rule))
        return self.k == to

    @property
    def t(self) -> float:
        """Time reached, k h."""
        return self.k * self.options.step

    @property
    def values(self) -> Mapping[str, float]:
        """Overlap and Lagrange multiplier at the time reached."""
        return {"m": float(self.triangles.m[self.k]), "mu": float(self.triangles.mu[self.k])}

    @property
    def finished(self) -> bool:
        """Whether t_end is reached."""
        return self.k == self.steps

    @property
    def work_done(self) -> float:
        """Fraction of the work done: a step costs k^2."""
        return (self.k / self.steps) ** 3

    def advance(self) -> StepResult:
        """Take up to STEPS_PER_ADVANCE steps."""
        if self._descend(min(self.k + STEPS_PER_ADVANCE, self.steps)):
            return StepResult(True)
        return StepResult(
            False,
            f"the iterates diverge after t = {self.t:g} with step = {self.options.step:g}:"
            " use a smaller step",
        )

    def record(self) -> Record:
        """Return the steps taken.  There is no error estimate: the recursion is exact."""
        n, h, known = self.k + 1, self.options.step, self.triangles
        size = n * (n + 1) // 2
        return Record(
            t=h * np.arange(n, dtype=np.float64),
            series=series_of(known.m[:n].copy(), known.mu[:n].copy(), known.e_p[:n].copy()),
            grid=TriangularGrid(h, TimeMap(), known.C[:size].copy(), known.R[:size].copy()),
            errors=dict.fromkeys(("m", "mu", "e", "C", "R"), math.nan),
            stats={"steps": self.k},
        )
