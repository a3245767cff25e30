"""`solve`, `resume` and `load` of all systems: the model's class, or the file, says which.

(The module is not called `solve`: importing it would hide the function ``dmft.solve``.)
"""

from __future__ import annotations

import os
import warnings
from typing import Any

from dmft import storage
from dmft.run.warned import FailedRunWarning
from dmft.solution import Solution, Status
from dmft.systems import SYSTEMS
from dmft.systems.base import System

__all__ = ["load", "resume", "solve"]

# What restoring a run from contents that are none raises.
RESTORING = (
    TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError,
)  # fmt: skip


def _system_of(model: Any) -> System:
    name = getattr(type(model), "system", None)
    if name not in SYSTEMS:
        known = ", ".join(name for system in SYSTEMS.values() for name in system.models)
        raise ValueError(f"model = {model!r} is not allowed: it must be one of {known}")
    return SYSTEMS[name]


def solve(model: Any, t_end: float, **how: Any) -> Solution:
    """Integrate the dynamics of `model` to `t_end`.

    The model's class decides what is solved; what else can be given depends on it.  These are the
    arguments for the spiked matrix-tensor model (arXiv:1907.08226), and at the end those that all
    systems share; for two-layer networks see
    :class:`dmft.systems.two_layer.plan.Request`, for other systems their pages.

    Parameters
    ----------
    model : SpikedMixture, or the model of another system
        What is solved; :class:`dmft.SpikedMatrixTensor` is one.
    t_end : float
        Time to reach, > 0 (dimensionless).
    m0 : float, optional
        Overlap with the signal at t = 0, in [-1, 1]; required unless `protocol` is given.  0 means
        no spike.
    T : float, default 0
        Temperature: 0 is gradient flow, 1 is Langevin on the Bayes posterior.
    protocol : Protocol, optional
        Start, temperature, learning rate and loss as functions of time, instead of `m0` and `T`.
        When a stage that begins at an overlap begins is found by a run of its own.
    method : {"slices", "dense", "gradient_descent"}, default "slices"
        "slices": gradient flow or Langevin in continuous time, at a cost that grows like log t.
        "dense": the same at a cost of O(t^3), for t up to ~100; the reference of the tests.
        "gradient_descent": the exact theory of the discrete algorithm with step `step`.
    tol : float, optional
        Error aimed at for m, mu, e, C and R: absolute, relative for m while it is small and for mu
        and e where they are large.  In [1e-10, 0.1], "dense" [1e-12, 0.1]; 1e-6 unless the preset
        says otherwise.  "gradient_descent" is exact and takes none.
    preset : {"loose", "default", "tight"}, optional
        Tolerance and grid of "slices" for one purpose: sweeps, single runs, C at late times (see
        :class:`dmft.SlicesOptions`).
    step : float, optional
        Shorthand for ``options=GradientDescentOptions(step)``.
    options : SlicesOptions, DenseOptions or GradientDescentOptions, optional
        Further options of the method.
    verify : bool, default False
        Measure the errors: run again with ten times `tol` and larger steps ("slices" only).
    t_eval : array_like, shape (n,), optional
        Times in [0, t_end] that ``solution.at()`` without an argument is taken at; kept in the
        file.  Steps do not depend on it: ``solution.t`` has the accepted times.
    threads : int, optional
        Threads to use, >= 1 (default: all).  Results do not depend on it.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.
    callback : callable, optional
        Called with a :class:`dmft.Progress` after each unit of work.
    stop : condition, callable, or several of them, optional
        :class:`dmft.OverlapReached`, :class:`dmft.Relaxed`, :class:`dmft.WallTime`, or a function
        of :class:`dmft.Progress`; the run ends with status STOPPED once one is met.
    checkpoint : path, optional
        File to which the run is saved while it lasts (methods that can go on from a file), whole
        each time; for :func:`dmft.resume` after the process was killed.
    checkpoint_every : float, default 60
        Seconds between two checkpoints, > 0.

    Returns
    -------
    Solution
        Also when the solver fails or Ctrl-C is pressed: see its `status` and `message`.  It then
        holds everything up to the time reached.  SIGTERM, which batch systems send, saves the
        checkpoint and then ends the process; so does Ctrl-C pressed twice, without the checkpoint.

    Warns
    -----
    dmft.FailedRunWarning
        The solver failed.
    dmft.CheckpointWarning
        A checkpoint could not be written; the run went on.

    Raises
    ------
    ValueError
        A parameter is out of its range, or two of them contradict each other.
    TypeError
        An argument is not known to the model's system.

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 0.7, 3: 1.0})
    >>> s = dmft.solve(model, t_end=1.0, m0=0.1, tol=1e-4, progress=False)
    >>> s.success
    True
    """
    return _said(_system_of(model).solve(model, t_end, **how))


def resume(
    path: str | os.PathLike[str] | Solution, t_end: float | None = None, **how: Any
) -> Solution:
    """Go on with a run, a saved one or a checkpoint, of a method that can.

    The result is, bit for bit, that of a run which was never stopped.  The file is not changed.

    Parameters
    ----------
    path : path or Solution
        What :meth:`Solution.save` or `checkpoint` of :func:`solve` wrote, or a run as it is.
    t_end : float, optional
        Time to reach; without it that of the run.
    protocol : Protocol, optional
        That of the run once more, with its functions of time.  The file has tables of them up to
        the run's `t_end`; to go beyond it they are needed again.
    stop : condition, callable, or several of them, optional
        As in :func:`solve`, given again.  Conditions are told the times of the run so far, with
        `seconds` and `work_done` 0; all are asked about the last of them first, and a run that had
        stopped there already is not continued.
    threads, progress, callback, checkpoint, checkpoint_every
        As in :func:`solve`.

    Returns
    -------
    Solution
        The whole run from t = 0.

    Warns
    -----
    dmft.FailedRunWarning, dmft.CheckpointWarning
        As :func:`solve`.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    dmft.storage.FileError
        A ValueError: the file is no run, truncated, or cannot be continued.
    ValueError
        `t_end` does not lie beyond the time reached or lies beyond a function's table, `protocol`
        is not that of the run, or a parameter is out of its range.

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 0.7, 3: 1.0})
    >>> s = dmft.solve(model, t_end=1.0, m0=0.1, tol=1e-4, progress=False)
    >>> later = resume(s, 2.0, progress=False)
    >>> float(later.t[-1])
    2.0
    """
    if isinstance(path, Solution):
        return _said(SYSTEMS[path.system].resume(path, "this run", t_end, **how))
    before = load(path)
    return _said(SYSTEMS[before.system].resume(before, path, t_end, **how))


def _said(run: Solution) -> Solution:
    """Return a run; warn if it failed, for a script looks at numbers sooner than at a status."""
    if run.status is Status.FAILED:
        warnings.warn(f"the run {run.message}", FailedRunWarning, stacklevel=3)
    return run


def load(path: str | os.PathLike[str]) -> Solution:
    """Load a run that :meth:`Solution.save` wrote; every value comes back bit for bit.

    A file without a system, of schema 1, is one of the spiked model.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Solution
        That of the file's system.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    dmft.storage.FileError
        A ValueError: the file is no run, truncated, damaged or changed after it was written, or of
        a newer schema.

    Examples
    --------
    >>> import dmft, tempfile, pathlib
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "run.nc"
    >>> model = dmft.SpikedMixture({2: 0.7})
    >>> s = dmft.solve(model, 1.0, m0=0.1, method="gradient_descent", step=0.1)
    >>> s.save(path)
    >>> bool((load(path).m == s.m).all())
    True
    >>> folder.cleanup()
    """
    contents = storage.read(path)
    name = str(contents.attributes.get("system", "spiked"))
    if name not in SYSTEMS:
        raise storage.FileError(
            f"{str(path)!r} is a run of system {name!r}, which this dmft does not know: update it"
        )
    try:
        return SYSTEMS[name].restore(contents)
    except KeyError as error:
        raise storage.FileError(f"{str(path)!r} is no run of dmft: it lacks {error}") from error
    except RESTORING as error:
        raise storage.FileError(f"{str(path)!r} is no run of dmft: {error}") from error
