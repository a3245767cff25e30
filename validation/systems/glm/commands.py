"""Commands of the group `dmft validate glm`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import App, Parameter

from dmft import checks, storage, tables
from dmft._api import load
from dmft.arguments import FAILED, OK, Force, Number, Whole
from dmft.systems.glm.files import SavedModel
from dmft.systems.glm.methods import STEPS
from dmft.systems.glm.model import GaussianMixture
from dmft.systems.glm.options import StepOptions
from dmft.systems.glm.replica import Start
from dmft.systems.glm.solution import GlmSolution
from validation.comparison import compare
from validation.printing import MOST_ROWS, print_table, print_verdict
from validation.runs import runs_table
from validation.systems.glm import erm as minimisers
from validation.systems.glm.compare import Case, ensemble
from validation.systems.glm.own_runs import parameters
from validation.systems.glm.simulate import ROOT_SEED

__all__ = ["app", "dynamics", "erm"]

Sizes = Annotated[list[Whole], Parameter(consume_multiple=True)]

# Numbers of an instance's inputs in single precision: 3 GB.
MOST_ENTRIES = 8e8
# Times that are compared, evenly spaced over the run.
TIMES = 6

app = App(
    name="glm",
    help="Generalized linear models: the algorithms, and minimisers, at finite N.",
)


@app.command
def dynamics(
    *,
    theory: Path,
    n: Sizes = [200, 400],  # noqa: B006 - cyclopts reads it and passes a copy
    seeds: Whole = 40,
    root_seed: Whole = ROOT_SEED,
    runs: Path | None = None,
    force: Force = False,
) -> int:
    """Run the algorithm of a saved run at finite N and compare: m, losses, q, C(t,t').

    Parameters
    ----------
    theory
        File that `dmft phase-retrieval solve`, `dmft mixture solve` or `dmft.solve` wrote.
    n
        Numbers of weights N; with several the limit linear in 1/N is compared.
    seeds
        Instances of each N, >= 2.
    root_seed
        Root of all random numbers.
    runs
        CSV file to write with all runs, as `dmft validate compare` reads them.
    """
    if runs is not None:
        storage.check_target(runs, force=force)
    solution = load(theory)
    case = _case(solution, theory)
    sizes = [checks.integer("n", one, low=10) for one in n]
    checks.integer("seeds", seeds, low=2)
    checks.integer("root_seed", root_seed, low=0)
    for one in sizes:
        if case.model.alpha * one * one > MOST_ENTRIES:
            raise ValueError(
                f"n = {one} is not allowed with alpha = {case.model.alpha:g}: alpha n^2 must be"
                f" <= {MOST_ENTRIES:g}, as an instance would not fit memory"
            )
    found = [ensemble(case, n=one, seeds=seeds, root_seed=root_seed) for one in sizes]
    result = compare(solution, *found)
    print_table(result.table, most=MOST_ROWS)
    if runs is not None:
        given = parameters(solution)
        tables.save_csv(runs, runs_table(found, list(found[0].series), given), force=force)
        print(f"saved {runs}")
    return print_verdict(solution, result)


def _case(solution: object, path: Path) -> Case:
    """Return what a saved run did, with the steps that are compared."""
    if not isinstance(solution, GlmSolution):
        raise ValueError(f"theory = {str(path)!r} is not allowed: it is no run of this system")
    if isinstance(solution.model, SavedModel):
        raise ValueError(
            f"theory = {str(path)!r} is not allowed: it has a loss of your own, whose functions no"
            " file holds; compare your runs with `dmft validate compare`"
        )
    if solution.method != STEPS.name:
        raise ValueError(
            f"theory = {str(path)!r} is not allowed: it is of method {solution.method!r}, and the"
            f" algorithm with its steps is of {STEPS.name!r}; compare runs of your own integrator"
            " with `dmft validate compare`"
        )
    options = dict(solution.provenance["options"])
    del options["type"]
    last = len(solution.t) - 1
    steps = np.unique(np.linspace(0, last, TIMES + 1).round().astype(int)[1:])
    start = Start(solution.m0, solution.q0)
    return Case(solution.model, start, StepOptions(**options), tuple(steps.tolist()))


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RiskOptions:
    """The mixture and the ridge risk on it.

    Parameters
    ----------
    alpha
        Samples per dimension, > 0.
    delta
        Variance of a cluster, > 0.
    loss
        "square", "logistic" or "hinge".
    ridge
        Ridge, >= 0.
    rho
        Weight of the class y = +1, in (0, 1).
    fit_bias
        A bias that is fitted; none without it.
    """

    alpha: Number
    delta: Number
    loss: str = "logistic"
    ridge: Number = 0.1
    rho: Number = 0.5
    fit_bias: Annotated[bool, Parameter(negative="")] = False

    def model(self) -> GaussianMixture:
        """Return the model, or raise ValueError."""
        return GaussianMixture(
            self.alpha, self.delta, self.loss, self.ridge, self.rho, self.fit_bias
        )


@app.command
def erm(
    *,
    risk: RiskOptions,
    n: Sizes = [100, 200],  # noqa: B006 - cyclopts reads it and passes a copy
    seeds: Whole = 60,
    root_seed: Whole = 0,
) -> int:
    """Minimise a ridge risk on drawn data and compare with the fixed point.

    Parameters
    ----------
    n
        Two or more numbers of weights N; the limit linear in 1/N is compared.
    seeds
        Drawn training sets of each N, >= 2.
    root_seed
        Root of all random numbers.
    """
    sizes = {checks.integer("n", one, low=10): checks.integer("seeds", seeds, low=2) for one in n}
    root = checks.integer("root_seed", root_seed, low=0)
    result = minimisers.compare(risk.model(), sizes, root)
    print(f"{'':12} {'theory':>11} {'limit':>11} {'std. error':>11}")
    for row in zip(result.names, result.theory, result.limit, result.error, strict=True):
        print(f"{row[0]:12} {row[1]:11.6f} {row[2]:11.6f} {row[3]:11.6f}")
    verdict = result.verdict
    print(f"verdict: {verdict.reason}")
    print(f"theory and simulation {verdict.finding.value}: {verdict}")
    return FAILED if verdict.refuted else OK
