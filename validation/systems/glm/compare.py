"""Runs of the algorithms at several N against the theory at N = infinity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.solution import finished
from dmft.systems.glm.model import GaussianMixture, LinearRegression, Model, PhaseRetrieval
from dmft.systems.glm.options import StepOptions
from dmft.systems.glm.replica import Start
from dmft.systems.glm.solution import GlmSolution
from dmft.systems.glm.solve import solve
from validation.comparison import Comparison, compare
from validation.ensemble import Ensemble
from validation.statistics import DEVIATION
from validation.systems.glm import erm
from validation.systems.glm.simulate import ROOT_SEED, Instance

__all__ = [
    "SETTINGS",
    "SIMULATORS",
    "Case",
    "compared",
    "ensemble",
    "setting_of",
    "theory",
]

Array = NDArray[np.float64]

# Paths of the theory in claims.  Its errors, which the verdicts take into account, are then below
# those of the simulations; for batches that persist they are as large.
PATHS, REPLICAS = 2**14, 8


class Case(NamedTuple):
    """What is run: a model, its start and algorithm, and the steps after which it is compared."""

    model: Model
    start: Start
    options: StepOptions
    steps: tuple[int, ...]

    @property
    def t(self) -> Array:
        """Times of the steps."""
        return self.options.step * np.array(self.steps, dtype=np.float64)


def _case(
    model: Model, m0: float, q0: float, steps: Sequence[int], **algorithm: float
) -> Case:  # fmt: skip
    return Case(model, Start(m0, q0), StepOptions(**algorithm), tuple(steps))  # type: ignore[arg-type]


# Eight settings: each algorithm, and each kind of model.
SETTINGS: dict[str, Case] = {
    "phase-retrieval": _case(PhaseRetrieval(4.0), 0.3, 1.0, (5, 10, 20, 40, 60), step=0.05),
    "few-measurements": _case(PhaseRetrieval(2.5, 0.5), 0.2, 1.0, (5, 15, 30, 50), step=0.025),
    "langevin": _case(PhaseRetrieval(3.0), 0.3, 1.0, (5, 10, 20, 40), step=0.05, T=0.2),
    "logistic": _case(GaussianMixture(2.0, 0.5), 0.0, 0.5, (2, 5, 10, 20, 40), step=0.2),
    "unequal-clusters": _case(
        GaussianMixture(2.0, 1.0, rho=0.3, bias=True), 0.1, 1.0, (2, 5, 10, 20, 40), step=0.2
    ),
    "sgd": _case(
        GaussianMixture(2.0, 0.5, "square"), 0.1, 1.0, (2, 5, 10, 20, 40), step=0.2, batch=0.5
    ),
    "persistent-sgd": _case(
        GaussianMixture(3.0, 0.5, ridge=0.2), 0.0, 1.0, (2, 5, 10, 20, 40), step=0.2, batch=0.3,
        persistence=2.0,
    ),
    "regression": _case(
        LinearRegression(2.0, 0.5, 0.3), 0.2, 1.0, (5, 10, 20, 40, 80), step=0.05
    ),
}  # fmt: skip


def setting_of(case: Case) -> str:
    """Return start and algorithm in words."""
    o, words = case.options, [f"m0 = {case.start.m0:g}", f"step = {case.options.step:g}"]
    words += [f"T = {o.T:g}"] if o.T else []
    words += [f"batch = {o.batch:g}"] if o.batch < 1.0 else []
    words += [] if o.persistence is None else [f"correlation time of batches {o.persistence:g}"]
    return ", ".join(words)


def theory(case: Case, paths: int = PATHS) -> GlmSolution:
    """Return the mean-field theory of a case.

    Raises
    ------
    ArithmeticError
        It does not reach the last step.
    """
    o = case.options
    return finished(
        solve(
            case.model, float(case.t[-1]), m0=case.start.m0, q0=case.start.q0, step=o.step, T=o.T,
            batch=o.batch, persistence=o.persistence, paths=paths,
            replicas=REPLICAS, progress=False,
        )
    )  # fmt: skip


def ensemble(case: Case, *, n: int, seeds: int, root_seed: int = ROOT_SEED) -> Ensemble:
    """Return runs of independent instances, with series and C(t, t') at t = 0 and the case's times.

    Instance k has the k-th child of ``SeedSequence([root_seed, n])``.  On the sphere q is fixed and
    left out.
    """
    setting = case.model.setting()
    steps, last = (0, *case.steps), case.steps[-1]
    names = ["m", "train_loss", *(["bias"] if setting.fitted and setting.rho != 0.5 else [])]
    names += [] if setting.ridge is None else ["q"]
    rows, pairs = [], []
    for child in np.random.SeedSequence([root_seed, n]).spawn(seeds):
        instance = Instance(setting, n, np.random.default_rng(child))
        every = instance.states(case.start, case.options, last, 1)
        kept = [state for k, state in enumerate(every) if k in steps]
        rows.append([[getattr(state, name) for state in kept] for name in names])
        W = np.stack([state.W[:, 0] for state in kept])
        pairs.append(W @ W.T / n)
    values = np.array(rows)
    series = {name: values[:, k] for k, name in enumerate(names)}
    return Ensemble(n, np.append(0.0, case.t), series, {"C": np.array(pairs)})


class _Simulators:
    """The simulations of the main job (:class:`dmft.systems.glm.reproduce.Simulators`)."""

    def runs(
        self, model: Model, start: Start, options: StepOptions, steps: Sequence[int], *, n: int,
        seeds: int,
    ) -> Ensemble:  # fmt: skip
        """Return runs of independent instances."""
        return ensemble(Case(model, start, options, tuple(steps)), n=n, seeds=seeds)

    def test_errors(self, model: GaussianMixture, *, n: int, seeds: int) -> Array:
        """Return the test error of the minimiser on each of several drawn training sets."""
        return np.asarray(erm.repeat(model, n, seeds)[:, erm.QUANTITIES.index("test_error")])


SIMULATORS = _Simulators()


def compared(
    case: Case, sizes: Mapping[int, int], root_seed: int = ROOT_SEED, deviation: float = DEVIATION
) -> tuple[GlmSolution, Comparison]:
    """Return the theory of a case, and how runs of several N (N -> seeds) compare with it."""
    solution = theory(case)
    runs = [ensemble(case, n=n, seeds=count, root_seed=root_seed) for n, count in sizes.items()]
    return solution, compare(solution, *runs, deviation=deviation)
