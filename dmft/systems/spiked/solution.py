"""The result of a run of the spiked model: m, mu, energies, C and R on their grid."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import storage
from dmft.schedules import TabulatedFunction
from dmft.solution import Solution, variable
from dmft.systems.spiked.model import SpikedMixture, from_channels
from dmft.systems.spiked.protocol import Overlap, Protocol, files
from dmft.two_time import TriangularGrid, TwoTimeGrid
from dmft.two_time.staged import StagedGrid

if TYPE_CHECKING:
    import xarray

__all__ = ["Moment", "SpikedSolution", "load", "restore"]

Array = NDArray[np.float64]


class Moment(NamedTuple):
    """One-time functions at chosen times: t, m, mu, e of one shape, e_p with a channel axis."""

    t: Array
    m: Array
    mu: Array
    e: Array
    e_p: Array


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class SpikedSolution(Solution):
    """Overlap, Lagrange multiplier, energies, correlation and response up to the time reached.

    All quantities are dimensionless; the equations are those of :mod:`dmft.equations`
    (arXiv:1907.08226).  Further attributes as in :class:`dmft.Solution`.

    Attributes
    ----------
    model : SpikedMixture
        What was solved.
    protocol : Protocol
        Start, temperature, learning rate and loss; functions of time as tables.
    t, m, mu : ndarray, shape (n,)
        Accepted times from 0 to the time reached, overlap with the signal (thermal start: with the
        start, C(t,0)), Lagrange multiplier.  The time of a jump of the protocol is there twice:
        before and after it.  Method "slices" also has the time twice at which a narrow pulse ends.
    e_p : ndarray, shape (n, n_channels)
        Energy per spin of each channel, in the order of ``model.orders``; `e` is their sum.
    grid : TwoTimeGrid
        C and R (used through :meth:`C` and :meth:`R`).
    errors : mapping of str to float
        Absolute error estimates of m, mu, e, C, R over all times reached (NaN: the method has
        none).
    """

    system: ClassVar[str] = "spiked"
    title: ClassVar[str] = "Mean-field dynamics of the spiked matrix-tensor model"
    long_names: ClassVar[Mapping[str, str]] = {
        "m": "overlap with the signal",
        "mu": "Lagrange multiplier",
        "e": "energy per spin",
        "e_p": "energy per spin of each channel",
    }
    scalars: ClassVar[tuple[str, ...]] = ("m", "mu", "e")

    model: SpikedMixture
    protocol: Protocol
    grid: TwoTimeGrid

    def __post_init__(self) -> None:
        super().__post_init__()
        for array in vars(self.grid).values():
            if isinstance(array, np.ndarray):
                array.setflags(write=False)

    @property
    def m(self) -> Array:
        """Overlap with the signal, shape (n,)."""
        return self.series["m"]

    @property
    def mu(self) -> Array:
        """Lagrange multiplier, shape (n,)."""
        return self.series["mu"]

    @property
    def e(self) -> Array:
        """Energy per spin, e = sum_p e_p, shape (n,)."""
        return self.series["e"]

    @property
    def e_p(self) -> Array:
        """Energy per spin of each channel, shape (n, n_channels)."""
        return self.series["e_p"]

    @property
    def setting(self) -> str:
        """The protocol, in words."""
        return str(self.protocol)

    @property
    def accuracy(self) -> str:
        """The error estimates, in words; the theory of discrete steps has only rounding errors."""
        if self.method == "gradient_descent":
            exact = self.provenance["options"].get("scheme", "normalised") == "normalised"
            told = "the discrete algorithm" if exact else "the published first-order scheme"
            return f"rounding: exact for {told}"
        return super().accuracy

    @property
    def label(self) -> str:
        """Variances and protocol, for a figure."""
        channels = self.model.channels.items()
        deltas = ", ".join(f"Delta_{p} = {delta:.4g}" for p, delta in channels)
        return f"{deltas}, {self.protocol}"

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
        times = self._wanted(t)
        m, mu, e_p = (self.grid.one_time(v, times) for v in (self.m, self.mu, self.e_p))
        return Moment(times, m, mu, e_p.sum(axis=-1), e_p)

    def columns(self, t: ArrayLike) -> dict[str, Array]:
        """Return m, mu, e and the energy e_p of each channel at times t, shape (n,)."""
        at = self.at(t)
        channels = {f"e_{p}": at.e_p[..., k] for k, p in enumerate(self.model.orders)}
        return {"m": at.m, "mu": at.mu, "e": at.e, **channels}

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
        found = super().to_xarray().rename({"e_p_1": "channel"})
        found = found.assign_coords(channel=list(self.model.orders))
        if isinstance(self.grid, (TriangularGrid, StagedGrid)):
            triangle = np.tril_indices(len(self.t))
            square = np.full((2, len(self.t), len(self.t)), np.nan)
            square[0][triangle], square[1][triangle] = self.grid.C_packed, self.grid.R_packed
            both = ("time", "time_prime")
            found = found.assign(C=(both, square[0]), R=(both, square[1]))
            return found.assign_coords(time_prime=self.t)
        return found.assign({name: v[:2] for name, v in self.grid.variables().items()})

    def _labels(self) -> dict[str, Any]:
        plain = self.protocol.plain
        start = {"m0": self.protocol.start.m0, "T": self.protocol.T} if plain else {}
        return super()._labels() | {"protocol": str(self.protocol), **start}

    def _variables(self) -> dict[str, storage.Variable]:
        found = {
            # Files of every schema name the axis of e_p like this.
            "e_p": variable(self.e_p, self.long_names["e_p"], "time", "channel"),
            "order": variable(np.array(self.model.orders, np.int64), "order p", "channel"),
            "delta": variable(self.model.deltas, "noise variance Delta_p", "channel"),
        }
        for name, (dims, values, long_name) in self.grid.variables().items():
            found[name] = variable(values, long_name, *dims)
        for name, values in _tables(self.protocol).items():
            axes = (f"{name}_{axis}" for axis in range(values.ndim))
            found[name] = variable(values, "table of a function of the protocol", *axes)
        # CF contiguous ragged array: row_size counts the samples of each time.
        sample = {"sample_dimension": found["C"].dimensions[0]}
        rows = found["row_size"]
        found["row_size"] = replace(rows, attributes={**rows.attributes, **sample})
        return found

    def _attributes(self) -> dict[str, Any]:
        grid = {"grid": self.grid.kind, **self.grid.attributes()}
        if self.protocol.plain:
            return grid | {"m0": self.protocol.start.m0, "T": self.protocol.T}
        text, tables = files.to_text(self.protocol)
        return grid | {"protocol": text, "tables": len(tables)}


def _tables(protocol: Protocol) -> dict[str, Array]:
    """Return the functions of a protocol as arrays."""
    arrays: dict[str, Array] = {}
    if not protocol.plain:
        for k, table in enumerate(files.to_text(protocol)[1]):
            arrays[f"table_{k}_edges"] = table.edges
            arrays[f"table_{k}_coefficients"] = table.coefficients
    return arrays


def load(path: str | os.PathLike[str]) -> SpikedSolution:
    """Load a run of the spiked model; :func:`dmft.load` loads those of all systems.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    dmft.storage.FileError
        A ValueError: the file is no run, truncated, of a newer schema or of another system.
    """
    contents = storage.read(path)
    name = contents.attributes.get("system", SpikedSolution.system)
    if name != SpikedSolution.system:
        raise storage.FileError(
            f"{str(path)!r} is a run of system {name!r}, not of the spiked model"
        )
    return restore(contents)


def restore(contents: storage.Contents) -> SpikedSolution:
    """Return the run of a file."""
    values = {name: np.asarray(v.values) for name, v in contents.variables.items()}
    channels = zip(values["order"].tolist(), values["delta"].tolist(), strict=True)
    return SpikedSolution(
        model=from_channels(dict(channels)),
        protocol=_protocol(contents.attributes, values),
        series={name: values[name] for name in SpikedSolution.long_names},
        grid=_grid(values, dict(contents.attributes)),
        **Solution.common(contents),
    )


def _protocol(a: Mapping[str, Any], values: dict[str, NDArray[Any]]) -> Protocol:
    if "protocol" not in a:
        return Protocol(Overlap(float(a["m0"])), float(a["T"]))
    numbers = range(int(a["tables"]))
    tables = [
        TabulatedFunction(values[f"table_{k}_edges"], values[f"table_{k}_coefficients"])
        for k in numbers
    ]
    return files.from_text(str(a["protocol"]), tables)


def _grid(values: dict[str, NDArray[Any]], attributes: dict[str, Any]) -> TwoTimeGrid:
    for kind in (TriangularGrid, StagedGrid):
        if attributes["grid"] == kind.kind:
            return kind.restore(values, attributes)
    from dmft.two_time.slices import SliceGrid

    if attributes["grid"] == SliceGrid.kind:
        return SliceGrid.restore(values, attributes)
    raise ValueError(f"its grid {attributes['grid']!r} is unknown")
