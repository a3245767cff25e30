"""The methods that solve the spiked model: all that differs between them, in one table."""

from __future__ import annotations

from dmft.run.contract import Method, Solver
from dmft.systems.spiked.solvers.dense import Dense, DenseOptions
from dmft.systems.spiked.solvers.dense_driven import DrivenDense
from dmft.systems.spiked.solvers.gradient_descent import GradientDescent, GradientDescentOptions
from dmft.systems.spiked.solvers.problem import Problem
from dmft.systems.spiked.solvers.slices import PRESETS, Slices, SlicesOptions, compiled

__all__ = ["METHODS", "Options"]

Options = DenseOptions | GradientDescentOptions | SlicesOptions


def _dense(problem: Problem, options: DenseOptions, tol: float) -> Solver:
    kind = Dense if problem.drive is None else DrivenDense
    return kind(problem, options, tol)


METHODS = {
    method.name: method
    for method in (
        Method(
            "slices", SlicesOptions, Slices, 1e-10, PRESETS, resumable=True, verifiable=True,
            prepare=compiled,
        ),
        # Below 1e-12 the rounding of the extrapolation is larger.
        Method("dense", DenseOptions, _dense, 1e-12, {"default": (1e-6, DenseOptions())}),
        Method("gradient_descent", GradientDescentOptions, GradientDescent, None),
    )
}  # fmt: skip
