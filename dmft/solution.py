"""The result of a run of any system: named series on a time axis, status, provenance, saving.

What is particular to a system (two-time functions, matrices, its model in a file) is in the
subclass in the system's folder.
"""

from __future__ import annotations

import enum
import importlib
import json
import os
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks, extras, notebook, storage
from dmft.numerics.crossing import first_crossing
from dmft.run.restoring import check_arrays, check_provenance, mapping

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.figure import Figure

__all__ = [
    "ESCAPE",
    "TIME_SLACK",
    "Solution",
    "Status",
    "finished",
    "saved_as",
    "variable",
]

Array = NDArray[np.float64]

# Times outside [0, t] by less than this fraction of the last time are rounding of the caller's.
TIME_SLACK = 1e-12
# An overlap that begins below this and reaches it has escaped: what summaries call the escape time.
ESCAPE = 0.1


class Status(enum.Enum):
    """How a run ended."""

    FINISHED = "finished"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


def variable(values: ArrayLike, long_name: str, *dimensions: str) -> storage.Variable:
    """Return a variable of a file; without dimensions it is a series on the time axis."""
    attributes = {"long_name": long_name, "units": "1"}
    return storage.Variable(dimensions or ("time",), np.asarray(values), attributes)


Run = TypeVar("Run", bound="Solution")


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class Solution:
    """What a run reached.  All quantities are dimensionless.

    Attributes
    ----------
    model : object
        What was solved.
    method : str
        Name of the solver.
    t : ndarray, shape (n,)
        Accepted times from 0 to the time reached.
    series : mapping of str to ndarray, first axis n
        The one-time quantities, by name; each is an attribute of the solution, too.
    status : Status
        FINISHED, STOPPED, INTERRUPTED or FAILED; `success` is True for the first two.
    message : str
        A sentence about how the run ended.
    errors : mapping of str to float
        Absolute error estimates over all times reached (NaN: the method has none).
    stats : mapping
        Steps, iterations, seconds.
    provenance : mapping
        Versions, options, tolerance, date.
    state : mapping of str to ndarray
        What :func:`dmft.resume` needs besides; empty for methods that cannot be resumed.
    """

    # Name of the system, title of a file, and what the series are.
    system: ClassVar[str]
    title: ClassVar[str]
    long_names: ClassVar[Mapping[str, str]]
    # The series that have one number at each time: what tables and reports show.
    scalars: ClassVar[tuple[str, ...]]

    model: Any
    method: str
    t: Array
    series: Mapping[str, Array]
    status: Status
    message: str
    errors: Mapping[str, float]
    stats: Mapping[str, Any]
    provenance: Mapping[str, Any]
    state: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for array in (self.t, *self.series.values(), *self.state.values()):
            array.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make a copy, or a run from another process, as read-only as this one."""
        self.__dict__.update(state)
        self.__post_init__()

    @property
    def success(self) -> bool:
        """Whether the run reached t_end or a stop condition."""
        return self.status in (Status.FINISHED, Status.STOPPED)

    @property
    def end(self) -> float:
        """The time to show last: t_end, which a solver may overshoot, or the time reached."""
        return min(float(self.t[-1]), float(self.provenance["t_end"]))

    @property
    def setting(self) -> str:
        """What besides the model decides the result, in words."""
        return ""

    @property
    def label(self) -> str:
        """Model and setting in words, for a figure."""
        return ", ".join(filter(None, (repr(self.model), self.setting)))

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={self.series[name][-1]:.9g}" for name in self.scalars)
        given = ", ".join(filter(None, (repr(self.model), self.setting, self.method)))
        return f"Solution({given}, {self.status.value}: t={self.t[-1]:g}, {last})"

    def _repr_html_(self) -> str:
        """Return the run as a notebook shows it: how it ended, its last values, its figure."""
        last = self.columns(self.end)
        rows = [
            ("model", repr(self.model)), ("start", self.setting), ("method", self.method),
            ("status", f"{self.status.value}: {self.message}"),
            *((f"{name} at t = {self.end:g}", f"{float(last[name]):.9g}") for name in self.scalars),
            *self.findings, ("error up to", self.accuracy),
        ]  # fmt: skip
        figure = notebook.inline(self.plot, self.label) if self.success else ""
        return notebook.card(self.title, rows, figure)

    @property
    def findings(self) -> list[tuple[str, str]]:
        """What is read off a run besides its last values: a name and a sentence each.

        Of runs whose overlap m begins below 0.1 and reaches it: when.
        """
        m = self.series.get("m")
        if m is None or m.ndim != 1 or not abs(m[0]) < ESCAPE or not np.any(np.abs(m) >= ESCAPE):
            return []
        time = first_crossing(
            self.t, np.abs(m), ESCAPE, lambda t: abs(float(self.columns(t)["m"]))
        )  # fmt: skip
        return [("escape", f"|m| = {ESCAPE:g} at t = {time:.6g}")]

    @property
    def accuracy(self) -> str:
        """The error estimates, in words."""
        known = {name: error for name, error in self.errors.items() if not np.isnan(error)}
        return ", ".join(f"{name}: {error:.1e}" for name, error in known.items()) or "not estimated"

    def plot(self, observable: str | None = None, times: ArrayLike | None = None) -> Figure:
        """Return a figure of the run: what ``dmft show --plot`` draws.

        Parameters
        ----------
        observable : str, optional
            An observable of the system instead, such as "chi-C" or "aging" of the spiked model.
        times : array_like, optional
            Times of the observable.

        Returns
        -------
        matplotlib.figure.Figure
            ``figure.savefig("run.pdf")`` writes it.

        Raises
        ------
        dmft.extras.MissingExtraError
            An ImportError: matplotlib is not installed (extra `plot`).
        ValueError
            The system has no such observable, or a time is outside of the run.
        """
        extras.require("matplotlib", what="figures")
        notebook.show_figures()
        # Systems come later than what they share, and are found when they are asked.
        systems = importlib.import_module("dmft.systems").SYSTEMS
        figure: Figure = systems[self.system].figure(self, observable, times)
        return figure

    def at(self, t: ArrayLike | None = None) -> Any:
        """Return the series at times t in [0, time reached], to the accuracy of the method."""
        raise TypeError(f"{type(self).__name__} does not say what lies between its times")

    def columns(self, t: ArrayLike) -> dict[str, Array]:
        """Return the one-time quantities at times t, shape (n,), one number per column."""
        raise TypeError(f"{type(self).__name__} does not say what its columns are")

    def scatter(self, name: str, t: Array, t_prime: Array) -> Array:
        """Return what a quantity has of statistical errors, a matrix F of shape (rows, n).

        ``F^T F`` is the covariance of the errors of the n values; `t_prime` is NaN for one-time
        quantities.  Without rows, as here, the quantity is exact but for the stated errors.
        """
        return np.empty((0, len(t)))

    def table(self, times: ArrayLike | None = None) -> dict[str, Array]:
        """Return t and all one-time quantities at `times` (all accepted ones if None), as columns.

        Raises
        ------
        ValueError
            A time is outside [0, time reached].
        """
        t = self.t if times is None else np.atleast_1d(np.asarray(times, dtype=np.float64))
        return {"t": t, **self.columns(t)}

    def to_dataframe(self, times: ArrayLike | None = None) -> pandas.DataFrame:
        """Return :meth:`table` as a pandas DataFrame with t as its index.

        Raises
        ------
        dmft.extras.MissingExtraError
            An ImportError: pandas is not installed (extra `xarray`).
        ValueError
            A time is outside [0, time reached].
        """
        extras.require("pandas", what="to_dataframe")
        import pandas

        return pandas.DataFrame(self.table(times)).set_index("t")

    def _wanted(self, t: ArrayLike | None) -> Array:
        """Return the times given, or those of `t_eval` that were reached; refuse all others."""
        if t is None:
            if "t_eval" not in self.provenance:
                raise ValueError("t is missing: the run was made without t_eval")
            times = np.asarray(self.provenance["t_eval"], dtype=np.float64)
            t = times[times <= self.t[-1]]
        return self._times("t", t)

    def _times(self, name: str, t: ArrayLike) -> Array:
        end = float(self.t[-1])
        return checks.array_in(name, t, 0.0, end, slack=TIME_SLACK * end)

    def _pairs(self, t: ArrayLike, t_prime: ArrayLike) -> tuple[Array, Array]:
        """Return times of a two-time function, broadcast; refuse t_prime > t."""
        t, t_prime = np.broadcast_arrays(self._times("t", t), self._times("t_prime", t_prime))
        late = t_prime > t + TIME_SLACK * float(self.t[-1])
        if np.any(late):
            raise ValueError(
                f"t_prime = {t_prime[late].flat[0]:g} is later than t = {t[late].flat[0]:g}:"
                " it must be <= t"
            )
        return t, np.minimum(t, t_prime)

    def _variables(self) -> dict[str, storage.Variable]:
        """Return what a file has besides time, series and state."""
        return {}

    def _attributes(self) -> dict[str, Any]:
        """Return the attributes of a file that only this system has."""
        return {}

    def contents(self) -> storage.Contents:
        """Return what a file of the run holds."""
        variables = {"time": variable(self.t, "time t")}
        for name, values in self.series.items():
            axes = (f"{name}_{axis}" for axis in range(1, values.ndim))
            variables[name] = variable(values, self.long_names[name], "time", *axes)
        variables |= self._variables()
        for name, values in self.state.items():
            axes = (f"state_{name}_{axis}" for axis in range(values.ndim))
            variables[f"state_{name}"] = variable(values, "state of the solver, to go on", *axes)
        attributes = {
            "Conventions": "CF-1.11",
            "title": self.title,
            "system": self.system,
            **self._attributes(),
            "method": self.method,
            "status": self.status.name,
            "message": self.message,
            "errors": json.dumps(dict(self.errors)),
            "stats": json.dumps(dict(self.stats)),
            "provenance": json.dumps(dict(self.provenance)),
        }
        return storage.Contents(variables, attributes)

    @staticmethod
    def common(contents: storage.Contents, missing: Container[str] = ()) -> dict[str, Any]:
        """Return the arguments of a solution that every system's files have.

        `missing` are the variables in which NaN or infinity stands for what there is not.

        Raises
        ------
        KeyError, ValueError
            Something is missing, or cannot be part of a run.
        """
        a, variables = contents.attributes, contents.variables
        errors, stats, provenance = (mapping(a, key) for key in ("errors", "stats", "provenance"))
        check_provenance(provenance)
        check_arrays(variables, missing)
        return {
            "method": str(a["method"]),
            "t": np.asarray(variables["time"].values),
            "status": Status[str(a["status"])],
            "message": str(a["message"]),
            "errors": errors,
            "stats": stats,
            "provenance": provenance,
            "state": {
                name.removeprefix("state_"): np.asarray(v.values)
                for name, v in variables.items()
                if name.startswith("state_")
            },
        }

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the run to one NetCDF-4 file, whole or not at all.

        Raises
        ------
        dmft.storage.FileError
            A ValueError: `path` does not end in .nc, is not writable, or exists without `force`.
        """
        storage.check_run_name("path", path, "plot() makes a figure, to_dataframe() a table")
        storage.write(path, self.contents(), force=force)

    def to_xarray(self) -> xarray.Dataset:
        """Return the series on `time`, and what else the system has, as an xarray Dataset.

        Attributes: title, model, method, status, message, and error_NAME for each estimate.

        Raises
        ------
        dmft.extras.MissingExtraError
            An ImportError: xarray is not installed (extra `xarray`).
        """
        extras.require("xarray", what="to_xarray")
        import xarray

        data: dict[str, Any] = {
            name: (("time", *(f"{name}_{axis}" for axis in range(1, values.ndim))), values)
            for name, values in self.series.items()
        }
        return xarray.Dataset(data, {"time": self.t}, self._labels())

    def _labels(self) -> dict[str, Any]:
        return {
            "title": self.title, "model": repr(self.model), "method": self.method,
            "status": self.status.value, "message": self.message,
            **{f"error_{name}": error for name, error in self.errors.items()},
        }  # fmt: skip


def finished(run: Run) -> Run:
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


def saved_as(solution: Solution, target: str | os.PathLike[str]) -> None:
    """Save a run where it could be saved when it began.

    Raises
    ------
    OSError
        It can be no longer: the disk is full, the folder is gone.
    """
    try:
        storage.write(target, solution.contents(), force=True)
    except storage.FileError as error:
        raise OSError(str(error)) from error
