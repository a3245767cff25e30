"""The result of a run: frozen arrays, values in between, status, provenance, save and load."""

from __future__ import annotations

import enum
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks, storage
from dmft.model import SpikedMixture, from_channels
from dmft.protocol import Overlap, Protocol, Table, files
from dmft.two_time import TriangularGrid
from dmft.two_time.staged import StagedGrid

if TYPE_CHECKING:
    import xarray

    from dmft.two_time.slices import SliceGrid

__all__ = ["Moment", "Solution", "Status", "finished", "load"]

Array = NDArray[np.float64]

# Times outside [0, t] by less than this fraction of the last time are rounding of the caller's.
TIME_SLACK = 1e-12


class Status(enum.Enum):
    """How a run ended."""

    FINISHED = "finished"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class Moment(NamedTuple):
    """One-time functions at chosen times: t, m, mu, e of one shape, e_p with a channel axis."""

    t: Array
    m: Array
    mu: Array
    e: Array
    e_p: Array


@dataclass(frozen=True, repr=False, eq=False)
class Solution:
    """Overlap, Lagrange multiplier, energies, correlation and response up to the time reached.

    All quantities are dimensionless; the equations are those of :mod:`dmft.equations`
    (arXiv:1907.08226).

    Attributes
    ----------
    model : SpikedMixture
        What was solved.
    protocol : Protocol
        Start, temperature, learning rate and loss; functions of time as tables.
    method : str
        Name of the solver.
    t, m, mu : ndarray, shape (n,)
        Accepted times from 0 to the time reached, overlap with the signal (thermal start: with the
        start, C(t,0)), Lagrange multiplier.  Method "dense" has the time of a jump of the protocol
        twice: before and after it.
    e_p : ndarray, shape (n, n_channels)
        Energy per spin of each channel, in the order of ``model.orders``; `e` is their sum.
    grid : TriangularGrid, StagedGrid or SliceGrid
        C and R (used through :meth:`C` and :meth:`R`).
    status : Status
        FINISHED, STOPPED, INTERRUPTED or FAILED; `success` is True for the first two.
    message : str
        A sentence about how the run ended.
    errors : mapping of str to float
        Absolute error estimates of m, mu, e, C, R over all times reached (NaN: the method has
        none).
    stats : mapping
        Steps, iterations, seconds.
    provenance : mapping
        Versions, options, tolerance, date.
    state : mapping of str to ndarray
        What :func:`dmft.resume` needs beyond C and R; empty for methods that cannot be resumed.
    """

    model: SpikedMixture
    protocol: Protocol
    method: str
    t: Array
    m: Array
    mu: Array
    e_p: Array
    grid: TriangularGrid | StagedGrid | SliceGrid
    status: Status
    message: str
    errors: Mapping[str, float]
    stats: Mapping[str, Any]
    provenance: Mapping[str, Any]
    state: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        arrays = (
            self.t,
            self.m,
            self.mu,
            self.e_p,
            *vars(self.grid).values(),
            *self.state.values(),
        )
        for array in arrays:
            if isinstance(array, np.ndarray):
                array.setflags(write=False)

    @property
    def e(self) -> Array:
        """Energy per spin, e = sum_p e_p, shape (n,)."""
        return np.asarray(self.e_p.sum(axis=1))

    @property
    def success(self) -> bool:
        """Whether the run reached t_end or a stop condition."""
        return self.status in (Status.FINISHED, Status.STOPPED)

    def __repr__(self) -> str:
        last = f"t={self.t[-1]:g}, m={self.m[-1]:.9g}, mu={self.mu[-1]:.9g}, e={self.e[-1]:.9g}"
        return (
            f"Solution({self.model!r}, {self.protocol}, {self.method}, {self.status.value}: {last})"
        )

    def at(self, t: ArrayLike | None = None) -> Moment:
        """Return m, mu, e, e_p at times t in [0, time reached], to the accuracy of the method.

        At a jump of the protocol mu and e are those after it.

        Parameters
        ----------
        t : array_like, optional
            Times, any shape.  Without it those of `t_eval` of :func:`dmft.solve` that were reached.

        Returns
        -------
        Moment
            Arrays of the shape of t; e_p has a further axis, the channels.

        Raises
        ------
        ValueError
            A time is outside [0, time reached] or NaN; none is given and the run has no `t_eval`.
        """
        if t is None:
            if "t_eval" not in self.provenance:
                raise ValueError("t is missing: the run was made without t_eval")
            times = np.asarray(self.provenance["t_eval"], dtype=np.float64)
            t = times[times <= self.t[-1]]
        t = self._times("t", t)
        m, mu, e_p = (self.grid.one_time(v, t) for v in (self.m, self.mu, self.e_p))
        return Moment(t, m, mu, e_p.sum(axis=-1), e_p)

    def C(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return the correlation C(t,t') = x(t).x(t')/N, 0 <= t_prime <= t <= time reached.

        Parameters
        ----------
        t, t_prime : array_like
            Times; broadcast against each other.

        Raises
        ------
        ValueError
            A time is out of range, or t_prime > t somewhere.
        """
        return self.grid.C(*self._pairs(t, t_prime))

    def R(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return the response R(t,t'), 0 <= t_prime <= t <= time reached; R(t,t) means R(t+,t) = 1.

        Parameters and errors as in :meth:`C`.
        """
        return self.grid.R(*self._pairs(t, t_prime))

    def _times(self, name: str, t: ArrayLike) -> Array:
        end = float(self.t[-1])
        return checks.array_in(name, t, 0.0, end, slack=TIME_SLACK * end)

    def _pairs(self, t: ArrayLike, t_prime: ArrayLike) -> tuple[Array, Array]:
        t, t_prime = np.broadcast_arrays(self._times("t", t), self._times("t_prime", t_prime))
        late = t_prime > t + TIME_SLACK * float(self.t[-1])
        if np.any(late):
            raise ValueError(
                f"t_prime = {t_prime[late].flat[0]:g} is later than t = {t[late].flat[0]:g}:"
                " it must be <= t"
            )
        return t, np.minimum(t, t_prime)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the run to one NetCDF-4 file, whole or not at all.

        Raises
        ------
        dmft.storage.FileError
            A ValueError: the directory is missing or not writable, or the file exists and `force`
            is False.
        """
        storage.write(path, _to_contents(self), force=force)

    def to_xarray(self) -> xarray.Dataset:
        """Return m, mu, e, e_p on `time` and C, R on (`time`, `time_prime`), NaN for t' > t.

        For method "slices", C, R and t_prime are on `node`, slice after slice (`row_size` each).
        Attributes: title, model, protocol, m0 and T where they are all of it, method, status,
        message, error_m, error_mu, error_e, error_C, error_R.

        Raises
        ------
        ImportError
            xarray is not installed (extra `xarray`).
        """
        import xarray

        data = {
            "m": ("time", self.m),
            "mu": ("time", self.mu),
            "e": ("time", self.e),
            "e_p": (("time", "channel"), self.e_p),
        }
        coordinates = {"time": self.t, "channel": list(self.model.orders)}
        if isinstance(self.grid, (TriangularGrid, StagedGrid)):
            triangle = np.tril_indices(len(self.t))
            square = np.full((2, len(self.t), len(self.t)), np.nan)
            square[0][triangle], square[1][triangle] = self.grid.C_packed, self.grid.R_packed
            data |= {"C": (("time", "time_prime"), square[0])}
            data |= {"R": (("time", "time_prime"), square[1])}
            coordinates["time_prime"] = self.t
        else:
            data |= {name: v[:2] for name, v in self.grid.variables().items()}
        start = {"m0": self.protocol.start.m0, "T": self.protocol.T} if self.protocol.plain else {}
        attributes = {
            "title": TITLE, "model": repr(self.model), "protocol": str(self.protocol), **start,
            "method": self.method, "status": self.status.value, "message": self.message,
            **{f"error_{name}": error for name, error in self.errors.items()},
        }  # fmt: skip
        return xarray.Dataset(data, coordinates, attributes)


def finished(run: Solution) -> Solution:
    """Return the run if it reached its end; nothing is published from any other.

    Raises
    ------
    KeyboardInterrupt
        It was interrupted.
    ArithmeticError
        It failed.
    """
    if run.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    if not run.success:
        raise ArithmeticError(f"{run!r}: {run.message}")
    return run


TITLE = "Mean-field dynamics of the spiked matrix-tensor model"


def _to_contents(s: Solution) -> storage.Contents:
    def one(values: ArrayLike, long_name: str, *dims: str) -> storage.Variable:
        attributes = {"long_name": long_name, "units": "1"}
        return storage.Variable(dims or ("time",), np.asarray(values), attributes)

    variables = {
        "time": one(s.t, "time t"),
        "m": one(s.m, "overlap with the signal"),
        "mu": one(s.mu, "Lagrange multiplier"),
        "e": one(s.e, "energy per spin"),
        "e_p": one(s.e_p, "energy per spin of each channel", "time", "channel"),
        "order": one(np.array(s.model.orders, dtype=np.int64), "order p", "channel"),
        "delta": one(s.model.deltas, "noise variance Delta_p", "channel"),
    }
    for name, (dims, values, long_name) in s.grid.variables().items():
        variables[name] = one(values, long_name, *dims)
    driving, tables = _protocol_contents(s.protocol)
    for name, values in tables.items():
        axes = (f"{name}_{axis}" for axis in range(values.ndim))
        variables[name] = one(values, "table of a function of the protocol", *axes)
    for name, values in s.state.items():
        axes = (f"state_{name}_{axis}" for axis in range(values.ndim))
        variables[f"state_{name}"] = one(values, "state of the solver, to go on from", *axes)
    # CF contiguous ragged array: row_size counts the samples of each time.
    sample = {"sample_dimension": variables["C"].dimensions[0]}
    rows = variables["row_size"]
    variables["row_size"] = replace(rows, attributes={**rows.attributes, **sample})
    attributes = {
        "Conventions": "CF-1.11",
        "title": TITLE,
        "grid": s.grid.kind,
        **s.grid.attributes(),
        **driving,
        "method": s.method,
        "status": s.status.name,
        "message": s.message,
        "errors": json.dumps(dict(s.errors)),
        "stats": json.dumps(dict(s.stats)),
        "provenance": json.dumps(dict(s.provenance)),
    }
    return storage.Contents(variables, attributes)


def _protocol_contents(protocol: Protocol) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the protocol as attributes and arrays."""
    if protocol.plain:
        return {"m0": protocol.start.m0, "T": protocol.T}, {}
    text, tables = files.to_text(protocol)
    arrays = {}
    for k, table in enumerate(tables):
        arrays[f"table_{k}_edges"] = table.edges
        arrays[f"table_{k}_coefficients"] = table.coefficients
    return {"protocol": text, "tables": len(tables)}, arrays


def _protocol(a: Mapping[str, Any], values: dict[str, NDArray[Any]]) -> Protocol:
    if "protocol" not in a:
        return Protocol(Overlap(float(a["m0"])), float(a["T"]))
    numbers = range(int(a["tables"]))
    tables = [Table(values[f"table_{k}_edges"], values[f"table_{k}_coefficients"]) for k in numbers]
    return files.from_text(str(a["protocol"]), tables)


def load(path: str | os.PathLike[str]) -> Solution:
    """Load a run that :meth:`Solution.save` wrote; every value comes back bit for bit.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    dmft.storage.FileError
        A ValueError: the file is no run, truncated, or of a newer schema.
    """
    contents = storage.read(path)
    try:
        return _from_contents(contents)
    except (KeyError, TypeError, ValueError) as error:
        raise storage.FileError(f"{str(path)!r} is no run of dmft: {error}") from error


def _from_contents(contents: storage.Contents) -> Solution:
    a = contents.attributes
    values = {name: np.asarray(v.values) for name, v in contents.variables.items()}
    channels = zip(values["order"].tolist(), values["delta"].tolist(), strict=True)
    return Solution(
        model=from_channels(dict(channels)),
        protocol=_protocol(a, values),
        method=str(a["method"]),
        t=values["time"],
        m=values["m"],
        mu=values["mu"],
        e_p=values["e_p"],
        grid=_grid(values, dict(a)),
        status=Status[str(a["status"])],
        message=str(a["message"]),
        errors=json.loads(a["errors"]),
        stats=json.loads(a["stats"]),
        provenance=json.loads(a["provenance"]),
        state={
            name.removeprefix("state_"): array
            for name, array in values.items()
            if name.startswith("state_")
        },
    )


def _grid(
    values: dict[str, NDArray[Any]], attributes: dict[str, Any]
) -> TriangularGrid | StagedGrid | SliceGrid:
    for kind in (TriangularGrid, StagedGrid):
        if attributes["grid"] == kind.kind:
            return kind.restore(values, attributes)
    from dmft.two_time.slices import SliceGrid

    if attributes["grid"] == SliceGrid.kind:
        return SliceGrid.restore(values, attributes)
    raise ValueError(f"its grid {attributes['grid']!r} is unknown")
