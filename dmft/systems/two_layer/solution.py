"""The result of a run of online learning: Q, R, v and the generalisation error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import storage
from dmft.schedules import TabulatedFunction, as_plain, from_plain
from dmft.solution import Solution, variable
from dmft.systems.two_layer.learning import RATES, OnlineLearning
from dmft.systems.two_layer.lowering import Layout, errors_of
from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork
from dmft.systems.two_layer.pieces import Pieces

__all__ = ["OrderParametersAt", "TwoLayerSolution", "entries", "restore"]

Array = NDArray[np.float64]

# What a file calls the parts of the polynomials between the steps.
PIECES = {
    "edges": ("piece_edge",),
    "start": ("packed",),
    "counts": ("piece",),
    "samples": ("sample", "packed"),
}


class OrderParametersAt(NamedTuple):
    """Order parameters at chosen times: Q (..., K, K), R (..., K, M), v (..., K), eg (...)."""

    t: Array
    Q: Array
    R: Array
    v: Array
    eg: Array


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class TwoLayerSolution(Solution):
    """Order parameters of online learning up to the time reached, t = steps/N.

    All quantities are dimensionless; the equations are those of arXiv:1906.08632.  Further
    attributes as in :class:`dmft.Solution`.

    Attributes
    ----------
    model : TwoLayerNetwork
        Student and teacher.
    how : OnlineLearning
        Start, learning rates (functions of time as tables) and weight decay.
    Q, R, v, eg : ndarray
        ``w w'/N`` (n, K, K), ``w w*'/N`` (n, K, M), second layer (n, K), and generalisation error
        ``E(phi - phi*)^2/2`` (n,) at the times t (n,) of the steps.
    grid : Pieces
        What lies between the times (used through :meth:`at`).
    errors : mapping of str to float
        Absolute error estimates of Q, R, v and eg over all times reached: differences to a run with
        ten times the tolerance.
    """

    system: ClassVar[str] = "two_layer"
    title: ClassVar[str] = "Online learning in two-layer networks"
    long_names: ClassVar[Mapping[str, str]] = {
        "Q": "overlaps of the student's units",
        "R": "overlaps of student and teacher units",
        "v": "second layer of the student",
        "eg": "generalisation error",
    }
    scalars: ClassVar[tuple[str, ...]] = ("eg",)

    model: TwoLayerNetwork
    how: OnlineLearning
    grid: Pieces

    @property
    def Q(self) -> Array:
        """Overlaps of the student's units, shape (n, K, K)."""
        return self.series["Q"]

    @property
    def R(self) -> Array:
        """Overlaps of student and teacher units, shape (n, K, M)."""
        return self.series["R"]

    @property
    def v(self) -> Array:
        """Second layer of the student, shape (n, K)."""
        return self.series["v"]

    @property
    def eg(self) -> Array:
        """Generalisation error, shape (n,)."""
        return self.series["eg"]

    @property
    def setting(self) -> str:
        """Error at the start, learning rates and weight decay, in words."""
        return f"eg(0) = {self.eg[0]:.4g}, {self.how.setting}"

    def at(self, t: ArrayLike | None = None) -> OrderParametersAt:
        """Return Q, R, v and eg at times t in [0, time reached], to the accuracy of the steps.

        Parameters
        ----------
        t : array_like, optional
            Times, any shape.  Without it those of `t_eval` of :func:`dmft.solve` that were reached.

        Returns
        -------
        OrderParametersAt
            Arrays whose first axes are those of t.

        Raises
        ------
        ValueError
            A time is outside [0, time reached] or NaN; none is given and the run has no `t_eval`.
        """
        times = self._wanted(t)
        layout, y = Layout.of(self.model), self.grid.at(times)
        eg = errors_of(self.model, y)
        return OrderParametersAt(times, layout.Q(y), layout.R(y), layout.v(y), eg)

    def columns(self, t: ArrayLike) -> dict[str, Array]:
        """Return eg, Q_0_0, Q_0_1, ..., R_0_0, ..., v_0, ... at times t, of the shape of t."""
        at = self.at(t)
        return {"eg": at.eg, **entries(at.Q, at.R, at.v)}

    def state_at(self, t: float) -> OrderParameters:
        """Return the state at one time, to begin another run with.

        Raises
        ------
        ValueError
            The time is outside [0, time reached].
        """
        at = self.at(t)
        return OrderParameters(at.Q, at.R, at.v)

    def _attributes(self) -> dict[str, Any]:
        net, (text, tables) = self.model, _rates(self.how)
        return {
            "K": net.K, "M": net.M, "activation": net.activation, "sigma": net.sigma,
            "rates": text, "tables": len(tables), "weight_decay": self.how.weight_decay,
        }  # fmt: skip

    def _variables(self) -> dict[str, storage.Variable]:
        net, name = self.model, "polynomials between the steps"
        found = {
            "T": variable(net.T, "overlaps of the teacher's units", "teacher", "teacher_prime"),
            "v_teacher": variable(net.v_teacher, "second layer of the teacher", "teacher"),
        }
        for key, values in self.grid.arrays().items():
            found[f"piece_{key}"] = variable(values, name, *PIECES[key])
        for k, table in enumerate(_rates(self.how)[1]):
            for key in ("edges", "coefficients"):
                values = getattr(table, key)
                axes = (f"table_{k}_{key}_{axis}" for axis in range(values.ndim))
                found[f"table_{k}_{key}"] = variable(values, "table of a learning rate", *axes)
        return found

    def _labels(self) -> dict[str, Any]:
        return super()._labels() | {"learning": self.how.setting}


def entries(Q: Array, R: Array, v: Array) -> dict[str, Array]:
    """Return Q_i_k with i <= k, R_i_n and v_i of arrays (..., K, K), (..., K, M), (..., K)."""
    K, M = R.shape[-2:]
    found = {f"Q_{i}_{k}": Q[..., i, k] for i in range(K) for k in range(i, K)}
    found |= {f"R_{i}_{n}": R[..., i, n] for i in range(K) for n in range(M)}
    return found | {f"v_{i}": v[..., i] for i in range(K)}


def _rates(how: OnlineLearning) -> tuple[str, list[TabulatedFunction]]:
    """Return the learning rates as JSON, and the tables it refers to."""
    tables: list[TabulatedFunction] = []
    plain = {name: as_plain(getattr(how, name), tables) for name in RATES}
    return json.dumps(plain), tables


def restore(contents: storage.Contents) -> TwoLayerSolution:
    """Return the run of a file."""
    a = contents.attributes
    values = {name: np.asarray(v.values) for name, v in contents.variables.items()}
    net = TwoLayerNetwork(
        int(a["K"]), int(a["M"]), str(a["activation"]), float(a["sigma"]), values["T"],
        values["v_teacher"],
    )  # fmt: skip
    tables = [
        TabulatedFunction(values[f"table_{k}_edges"], values[f"table_{k}_coefficients"])
        for k in range(int(a["tables"]))
    ]
    rates = {name: from_plain(v, tables) for name, v in json.loads(a["rates"]).items()}
    start = OrderParameters(*(values[name][0] for name in ("Q", "R", "v")))
    return TwoLayerSolution(
        model=net,
        how=OnlineLearning(start, **rates, weight_decay=float(a["weight_decay"])),
        grid=Pieces.from_arrays({key: values[f"piece_{key}"] for key in PIECES}),
        series={name: values[name] for name in TwoLayerSolution.long_names},
        **Solution.common(contents),
    )
