"""The commands of generalized linear models: `dmft phase-retrieval`, `dmft mixture`.

Those of the theory are in `theory_commands.py`, and load when they are called.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter

from dmft.arguments import Number, Watching, Whole

if TYPE_CHECKING:
    from dmft.systems.glm.model import GaussianMixture, Model

__all__ = ["mixture", "phase_retrieval"]

THEORY = "dmft.systems.glm.theory_commands"

phase_retrieval = cyclopts.App(
    name="phase-retrieval", help="Phase retrieval: dynamics of gradient descent, thresholds."
)
phase_retrieval.command(
    f"{THEORY}:thresholds", name="thresholds",
    help="Tabulate the alpha above which gradient flow succeeds, and the threshold states.",
)  # fmt: skip
mixture = cyclopts.App(
    name="mixture", help="Classification of two Gaussian clusters: dynamics, minimisers, entropy."
)
mixture.command(f"{THEORY}:erm", name="erm", help="Tabulate the minimiser of the ridge loss.")
mixture.command(
    f"{THEORY}:local_entropy", name="local-entropy",
    help="Tabulate the local entropy around a reference minimiser.",
)  # fmt: skip


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """Start, algorithm and sampling of a run, the same for all models.

    Parameters
    ----------
    m0
        Overlap at t = 0.
    t_end
        Time to reach, > 0: the step size times the number of steps.
    method
        steps: the algorithm with its steps; flow: gradient flow, to long times.
    step
        Step size, > 0; of flow the first step, 0.05 unless given.
    growth
        Later steps of flow are step + growth t; 0.2 unless given.
    no_verify
        Do not measure the error of the steps of flow by a second run.
    learning_rate
        Factor on the step size: a number, or VALUE,TAU,EXPONENT for VALUE (1 + t/TAU)^-EXPONENT.
    temperature
        Temperature >= 0 of the noise added to each step.
    batch
        Fraction of the samples in each step's gradient, in (0, 1].
    persistence
        Correlation time of the batches, > 0; without it they are independent.
    paths
        Paths of the effective process, best a power of 2.
    response_paths
        Those that follow the responses to all steps; 2048, or all if there are fewer.
    response_stride
        The others follow those to every so many-th step, 8 unless given; 0: none.  0 with flow.
    replicas
        Independent repetitions, whose scatter gives the errors.
    seed
        Where the random numbers begin.
    """

    m0: Number
    t_end: float
    method: Literal["steps", "flow"] = "steps"
    step: float | None = None
    growth: float | None = None
    no_verify: Annotated[bool, Parameter(negative="")] = False
    learning_rate: str = "1"
    temperature: float = 0.0
    batch: float = 1.0
    persistence: float | None = None
    paths: Whole = 2**15
    response_paths: Whole | None = None
    response_stride: Whole | None = None
    replicas: Whole = 4
    seed: Whole = 0

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `solve`."""
        from dmft import parse

        given = dataclasses.asdict(self)
        rate = parse.schedule("learning_rate", given.pop("learning_rate"))
        verify = False if given.pop("no_verify") else None
        return {"T": given.pop("temperature"), "verify": verify, "learning_rate": rate, **given}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class GlmWatching(Watching):
    """How a run is watched.

    Parameters
    ----------
    stop_overlap
        Stop once |m| reaches this, in (0, 1).
    stop_relaxed
        Stop once m, q and the loss, having moved, changed by less than this since t/2.
    """

    stop_overlap: float | None = None


WATCHING = GlmWatching()


def _run(
    model: Model, output: Path | None, algorithm: Algorithm, watching: GlmWatching, **start: Any
) -> int:
    from dmft.run.shell import commanded
    from dmft.systems.glm.solve import solve

    run = partial(solve, model, **algorithm.arguments(), **start)
    return commanded(run, output, watching, stop_overlap=watching.stop_overlap)


@phase_retrieval.command(name="solve")
def solve_phase_retrieval(
    *,
    output: Path | None = None,
    alpha: float,
    a: float = 1.0,
    unregularised: Annotated[bool, Parameter(negative="")] = False,
    algorithm: Algorithm,
    watching: GlmWatching = WATCHING,
) -> int:
    """Run gradient descent on the sphere and save it.

    Parameters
    ----------
    output
        File to write (NetCDF-4); without it the summary is printed and nothing is saved.
    alpha
        Measurements per dimension, > 0.
    a
        Regularisation of the loss (y^2 - h^2)^2/(4 (a + y^2)), > 0.
    unregularised
        The loss (y^2 - h^2)^2/4 instead.
    """
    from dmft.systems.glm.model import PhaseRetrieval

    model = PhaseRetrieval(alpha, None if unregularised else a)
    return _run(model, output, algorithm, watching)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MixtureOptions:
    """The mixture and the loss.

    Parameters
    ----------
    alpha
        Samples per dimension, > 0.
    delta
        Variance of each cluster, > 0.
    loss
        logistic, square or smoothed-hinge.
    ridge
        lambda >= 0.
    rho
        Weight of the cluster y = +1, in (0, 1).
    bias
        Bias of the output, a number.
    fit_bias
        The bias follows the gradient, from 0.
    width
        Width of the rounded corner of the smoothed hinge loss, in (0, 1]; 0.1 unless given.
    """

    alpha: float
    delta: float
    loss: Literal["logistic", "square", "smoothed-hinge"] = "logistic"
    ridge: float = 0.1
    rho: float = 0.5
    bias: float = 0.0
    fit_bias: Annotated[bool, Parameter(negative="")] = False
    width: float | None = None

    def model(self) -> GaussianMixture:
        """Return the model, or raise ValueError."""
        from dmft.systems.glm.model import GaussianMixture

        if self.fit_bias and self.bias != 0.0:
            raise ValueError("give --bias or --fit-bias, not both")
        bias = True if self.fit_bias else self.bias
        return GaussianMixture(
            self.alpha, self.delta, self.loss, self.ridge, self.rho, bias, self.width
        )


@mixture.command(name="solve")
def solve_mixture(
    *,
    output: Path | None = None,
    mixture: MixtureOptions,
    q0: float = 1.0,
    algorithm: Algorithm,
    watching: GlmWatching = WATCHING,
) -> int:
    """Run gradient descent or stochastic gradient descent and save it.

    Parameters
    ----------
    output
        File to write (NetCDF-4); without it the summary is printed and nothing is saved.
    q0
        |w|^2/N at t = 0, >= m0^2.
    """
    return _run(mixture.model(), output, algorithm, watching, q0=q0)
