"""The result of a run: overlap, norm, losses; C and R at the steps and between them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from dmft import storage
from dmft.solution import Solution, variable
from dmft.systems.glm.descent import CONFIDENCE
from dmft.systems.glm.files import SavedModel, model_from, model_to
from dmft.systems.glm.grid import FlowGrid, StepGrid
from dmft.systems.glm.model import Model

if TYPE_CHECKING:
    import xarray

__all__ = ["GlmSolution", "Moment", "restore"]

Array = NDArray[np.float64]


# What may be NaN: the growth of no overlap, and the losses of a user's model without them.
UNKNOWN = ("growth", "train_loss", "test_error")


class Moment(NamedTuple):
    """One-time functions at chosen times, arrays of one shape."""

    t: Array
    m: Array
    q: Array
    mu: Array
    train_loss: Array
    test_error: Array


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class GlmSolution(Solution):
    """What a run of a generalized linear model reached.  All quantities are dimensionless.

    Further attributes as in :class:`dmft.Solution`.

    Attributes
    ----------
    m, q, mu : ndarray, shape (n,)
        ``m = w.w*/N`` (mixture: w.v/N) and ``q = |w|^2/N``, at the steps; Lagrange multiplier of
        the sphere, ``T - E[g.w]/N``, or the ridge where ``|w|`` is free.
    train_loss : ndarray, shape (n,)
        ``sum_mu l(y_mu, h_mu)/N`` over all samples, without the ridge.
    test_error : ndarray, shape (n,)
        On a fresh sample: ``E(|h| - |r|)^2`` (phase retrieval), E(h - y)^2 (linear regression), the
        probability of the wrong class (mixture), E l (a user's loss).
    errors : mapping of str to float
        Half the width of the 95 % confidence interval of each quantity (Student, from the
        replicas), the largest over all times; NaN with one replica.
    replicas : mapping of str to ndarray, shape (replicas, n)
        The series of each replica.
    """

    system: ClassVar[str] = "glm"
    title: ClassVar[str] = "Mean-field dynamics of a generalized linear model"
    long_names: ClassVar[Mapping[str, str]] = {
        "m": "overlap with the teacher or with the centre of the mixture",
        "q": "squared norm of the weights per dimension",
        "mu": "Lagrange multiplier or ridge",
        "train_loss": "training loss per dimension",
        "test_error": "error on a fresh sample",
        "growth": "log of the linearised overlap",
        "bias": "bias",
    }
    scalars: ClassVar[tuple[str, ...]] = ("m", "q", "mu", "train_loss", "test_error")

    model: Model | SavedModel
    m0: float
    q0: float
    grid: StepGrid

    @property
    def m(self) -> Array:
        """Overlap, shape (n,)."""
        return self.series["m"]

    @property
    def q(self) -> Array:
        """Squared norm of the weights per dimension, shape (n,)."""
        return self.series["q"]

    @property
    def mu(self) -> Array:
        """Lagrange multiplier or ridge, shape (n,)."""
        return self.series["mu"]

    @property
    def train_loss(self) -> Array:
        """Training loss per dimension, shape (n,)."""
        return self.series["train_loss"]

    @property
    def test_error(self) -> Array:
        """Error on a fresh sample, shape (n,)."""
        return self.series["test_error"]

    @property
    def growth(self) -> Array:
        """Log of the linearised overlap, 0 at t = 0, shape (n,).

        Raises
        ------
        ValueError
            The run does not begin at m0 = 0, or the teacher is not even.
        """
        if "growth" not in self.series:
            raise ValueError(
                "growth is known for runs with m0 = 0 and a teacher that is even in r only"
            )
        return self.series["growth"]

    @property
    def bias(self) -> Array:
        """Bias of the output, shape (n,)."""
        if "bias" in self.series:
            return self.series["bias"]
        fixed = getattr(self.model, "fixed_bias", None)
        return np.full(len(self.t), 0.0 if fixed is None else float(fixed))

    @property
    def replicas(self) -> Mapping[str, Array]:
        """The series of each replica."""
        return self.state

    @property
    def setting(self) -> str:
        """Start and algorithm, in words."""
        o = self.provenance["options"]
        parts = [f"m0 = {self.m0:g}", f"q0 = {self.q0:g}", f"step = {o['step']:g}"]
        if "growth" in o:
            return ", ".join((*parts, f"growth = {o['growth']:g}"))
        parts += [f"{name} = {o[name]:g}" for name in ("T",) if o[name]]
        if o.get("learning_rate", 1.0) != 1.0:
            parts.append("learning rate of time")
        if o["batch"] < 1.0:
            parts.append(f"batch = {o['batch']:g}")
        if o["persistence"] is not None:
            parts.append(f"persistence = {o['persistence']:g}")
        return ", ".join(parts)

    def standard_error(self, name: str) -> Array:
        """Return the standard error of a series at each step, shape (n,); NaN with one replica."""
        samples = self.replicas[name]
        if len(samples) < 2:
            return np.full(len(self.t), np.nan)
        return np.asarray(samples.std(axis=0, ddof=1) / np.sqrt(len(samples)))

    def scatter(self, name: str, t: Array, t_prime: Array) -> Array:
        """Return the scatter F of the replicas, shape (rows, n); without rows of one replica.

        The replicas keep no two-time functions of their own: C and R have one more row, the largest
        standard error over all pairs.
        """
        count = len(self.replicas["m"])
        if count < 2:
            return np.empty((0, len(t)))
        if name in self.replicas:
            samples = self.replicas[name]
            rows = (samples - samples.mean(axis=0)) / np.sqrt((count - 1) * count)
            return np.array([self.grid.one_time(row, self._times("t", t)) for row in rows])
        factor = float(stdtrit(count - 1, 0.5 + 0.5 * CONFIDENCE))
        return (
            np.append(np.zeros((count, len(t))), [np.full(len(t), self.errors[name])], 0) / factor
        )

    def at(self, t: ArrayLike | None = None) -> Moment:
        """Return the one-time quantities at times t in [0, time reached].

        Between the steps they are interpolated (the algorithm has no such times).

        Raises
        ------
        ValueError
            A time is out of range, or none is given and the run has no `t_eval`.
        """
        times = self._wanted(t)
        values = (self.grid.one_time(self.series[name], times) for name in self.scalars)
        return Moment(times, *values)

    def columns(self, t: ArrayLike) -> dict[str, Array]:
        """Return the one-time quantities at times t, shape (n,)."""
        times = self._times("t", t)
        return {name: self.grid.one_time(v, times) for name, v in self.series.items()}

    def C(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return ``C(t,t') = w(t).w(t')/N``, 0 <= t_prime <= t; arguments are broadcast.

        Raises
        ------
        ValueError
            A time is out of range, or t_prime > t somewhere.
        """
        return self.grid.C(*self._pairs(t, t_prime))

    def R(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return the response of w(t) to a shift of w(t'), 1 for t = t'.

        A field H added to -g at step s shifts w at s + 1 by b H: its response is b R(t, t_{s+1}).
        Arguments and errors as in :meth:`C`.
        """
        return self.grid.R(*self._pairs(t, t_prime))

    def to_xarray(self) -> xarray.Dataset:
        """Return the series on `time`, and C, R on (`time`, `time_prime`), NaN for t' > t."""
        size = len(self.t)
        square = np.full((2, size, size), np.nan)
        triangle = np.tril_indices(size)
        square[0][triangle], square[1][triangle] = self.grid.C_packed, self.grid.R_packed
        both = ("time", "time_prime")
        found = super().to_xarray().assign(C=(both, square[0]), R=(both, square[1]))
        return found.assign_coords(time_prime=self.t)

    def _variables(self) -> dict[str, storage.Variable]:
        return {
            name: variable(values, long_name, *dimensions)
            for name, (dimensions, values, long_name) in self.grid.variables().items()
        }

    def _attributes(self) -> dict[str, Any]:
        kind, parameters = model_to(self.model)
        return {
            "model": kind, "parameters": json.dumps(parameters), "m0": self.m0, "q0": self.q0,
            "grid": self.grid.kind, **self.grid.attributes(),
        }  # fmt: skip


def restore(contents: storage.Contents) -> GlmSolution:
    """Return the run of a file."""
    a = contents.attributes
    values = {name: np.asarray(v.values) for name, v in contents.variables.items()}
    grids = {kind.kind: kind for kind in (StepGrid, FlowGrid)}
    if a["grid"] not in grids:
        raise ValueError(f"its grid {a['grid']!r} is unknown")
    return GlmSolution(
        model=model_from(str(a["model"]), json.loads(a["parameters"])),
        m0=float(a["m0"]),
        q0=float(a["q0"]),
        series={name: values[name] for name in GlmSolution.long_names if name in values},
        grid=grids[str(a["grid"])].restore(values, dict(a)),  # type: ignore[arg-type]
        **Solution.common(contents, missing=UNKNOWN),
    )
