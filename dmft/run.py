"""`solve`, the only time loop: a solver, joined with progress, callbacks, stop and Ctrl-C.

(The module is not called `solve`: importing it would hide the function ``dmft.solve``.)
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import Any, NamedTuple

from tqdm import tqdm

import dmft
from dmft import checks
from dmft.model import SpikedMixture
from dmft.protocol import Overlap, Protocol
from dmft.solution import Solution, Status
from dmft.solvers.base import Problem, Stepper
from dmft.solvers.dense import Dense, DenseOptions
from dmft.solvers.gradient_descent import GradientDescent, GradientDescentOptions
from dmft.solvers.slices import Slices, SlicesOptions

__all__ = ["METHODS", "Progress", "solve"]

Options = DenseOptions | GradientDescentOptions | SlicesOptions

METHODS = ("dense", "gradient_descent", "slices")
DEFAULT_METHOD = "dense"
DEFAULT_TOL = 1e-6
# Smaller ones are below what rounding leaves: of the extrapolation, and of the slices.
SMALLEST_TOL = {"dense": 1e-12, "slices": 1e-10}


class Progress(NamedTuple):
    """Where a run stands: time, overlap, Lagrange multiplier, work done in [0, 1], seconds used."""

    t: float
    m: float
    mu: float
    work_done: float
    seconds: float


def solve(
    model: SpikedMixture,
    t_end: float,
    *,
    m0: float | None = None,
    T: float | None = None,
    protocol: Protocol | None = None,
    method: str = DEFAULT_METHOD,
    tol: float | None = None,
    step: float | None = None,
    options: Options | None = None,
    progress: bool | None = None,
    callback: Callable[[Progress], None] | None = None,
    stop: Callable[[Progress], bool] | None = None,
) -> Solution:
    """Integrate the dynamics of `model` to `t_end` (arXiv:1907.08226).

    Parameters
    ----------
    model : SpikedMixture
        What is solved; :class:`dmft.SpikedMatrixTensor` is one.
    t_end : float
        Time to reach, > 0 (dimensionless).
    m0 : float, optional
        Overlap with the signal at t = 0, in [-1, 1]; required unless `protocol` is given.  0 means
        no spike.
    T : float, default 0
        Temperature: 0 is gradient flow, 1 is Langevin on the Bayes posterior.
    protocol : Protocol, optional
        Start and temperature instead of `m0` and `T`.
    method : {"dense", "gradient_descent", "slices"}, default "dense"
        "dense": gradient flow or Langevin in continuous time, O(t^3), for t up to ~100.
        "slices": the same for long times, at a cost that grows like log t (experimental).
        "gradient_descent": the exact theory of the discrete algorithm with step `step`.
    tol : float, default 1e-6
        Absolute error aimed at for m, mu, e, C and R, in [1e-12, 0.1]; for "slices", of each slice,
        in [1e-10, 0.1].  "gradient_descent" is exact and takes none.
    step : float, optional
        Shorthand for ``options=GradientDescentOptions(step)``.
    options : DenseOptions, GradientDescentOptions or SlicesOptions, optional
        Further options of the method.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.
    callback : callable, optional
        Called with a :class:`Progress` after each unit of work.
    stop : callable, optional
        Called likewise; the run ends with status STOPPED once it returns True.

    Returns
    -------
    Solution
        Also when the solver fails or Ctrl-C is pressed: see its `status` and `message`.  It then
        holds everything up to the time reached.

    Raises
    ------
    ValueError
        A parameter is out of its range, or two of them contradict each other.

    Examples
    --------
    >>> model = SpikedMixture({2: 0.7, 3: 1.0})
    >>> s = solve(model, t_end=1.0, m0=0.1, tol=1e-4)
    >>> s.success
    True
    """
    if not isinstance(model, SpikedMixture):
        raise ValueError(f"model = {model!r} is not allowed: it must be a SpikedMixture")
    t_end = checks.positive_number("t_end", t_end)
    protocol = _protocol(m0, T, protocol)
    stepper, chosen, tol = _stepper(model, protocol, t_end, method, tol, step, options)
    status, message, seconds = _run(stepper, t_end, progress, callback, stop)
    record = stepper.record()
    message += _missed(record.errors, tol, message)
    return Solution(
        model=model, protocol=protocol, method=method, t=record.t, m=record.m, mu=record.mu,
        e_p=record.e_p, grid=record.grid, status=status, message=message, errors=record.errors,
        stats={**record.stats, "seconds": seconds},
        provenance=_provenance(t_end, tol, chosen),
    )  # fmt: skip


def _protocol(m0: float | None, T: float | None, protocol: Protocol | None) -> Protocol:
    if protocol is None:
        if m0 is None:
            raise ValueError("m0 is missing: give the overlap at t = 0 in [-1, 1] (0: no spike)")
        return Protocol(Overlap(m0), 0.0 if T is None else T)
    if m0 is not None or T is not None:
        raise ValueError("m0 and T are shorthand for a protocol: give them or protocol, not both")
    if not isinstance(protocol, Protocol):
        raise ValueError(f"protocol = {protocol!r} is not allowed: it must be a Protocol")
    return protocol


def _stepper(
    model: SpikedMixture,
    protocol: Protocol,
    t_end: float,
    method: str,
    tol: float | None,
    step: float | None,
    options: Options | None,
) -> tuple[Stepper, Options, float | None]:
    """Check that method, tol, step and options fit together and start the solver."""
    problem = Problem(model.coefficients(), protocol.start.m0, protocol.T, t_end)
    if method in SMALLEST_TOL:
        if step is not None:
            raise ValueError("step is an option of method 'gradient_descent' only")
        tol, low = DEFAULT_TOL if tol is None else tol, SMALLEST_TOL[method]
        wanted = f"a finite number in [{low:g}, 0.1]"
        tol = checks.finite_number("tol", tol, low=low, high=0.1, wanted=wanted)
        if method == "slices":
            _check_options(method, options, SlicesOptions)
            slices_options = options or SlicesOptions()
            return Slices(problem, slices_options, tol), slices_options, tol  # type: ignore[arg-type]
        _check_options(method, options, DenseOptions)
        dense_options = options or DenseOptions()
        return Dense(problem, dense_options, tol), dense_options, tol  # type: ignore[arg-type]
    if method == "gradient_descent":
        if tol is not None:
            raise ValueError("tol does not apply to method 'gradient_descent': it is exact")
        _check_options(method, options, GradientDescentOptions)
        if (step is None) == (options is None):
            raise ValueError("method 'gradient_descent' needs step or options, and not both")
        descent_options = options or GradientDescentOptions(step)  # type: ignore[arg-type]
        return GradientDescent(problem, descent_options, math.nan), descent_options, None  # type: ignore[arg-type]
    raise ValueError(f"method = {method!r} is not allowed: it must be one of {METHODS}")


def _missed(errors: Mapping[str, float], tol: float | None, message: str) -> str:
    """Say it where the error estimate of what was reached misses tol."""
    known = [error for error in errors.values() if not math.isnan(error)]
    if tol is None or not known or max(known) <= tol or "misses tol" in message:
        return ""
    return f" (the error estimate {max(known):.1e} misses tol = {tol:g})"


def _check_options(method: str, options: Any, wanted: type) -> None:
    if options is not None and not isinstance(options, wanted):
        raise ValueError(
            f"options = {options!r} is not allowed: method {method!r} takes {wanted.__name__}"
        )


def _run(
    stepper: Stepper,
    t_end: float,
    progress: bool | None,
    callback: Callable[[Progress], None] | None,
    stop: Callable[[Progress], bool] | None,
) -> tuple[Status, str, float]:
    """Advance until t_end, a stop condition, a failure or Ctrl-C."""
    began = time.perf_counter()
    with _ctrl_c() as pressed, _bar(progress) as bar:
        while not stepper.finished:
            outcome = stepper.advance()
            now = Progress(
                stepper.t, stepper.m, stepper.mu, stepper.work_done, time.perf_counter() - began
            )
            bar.n = 100.0 * now.work_done
            bar.set_postfix_str(f"t={now.t:.4g} m={now.m:.4g} mu={now.mu:.6g}", refresh=False)
            bar.update(0)
            if not outcome.ok:
                return Status.FAILED, f"failed at t = {now.t:g}: {outcome.message}", now.seconds
            if callback is not None:
                callback(now)
            if pressed.is_set() and not stepper.finished:
                return Status.INTERRUPTED, f"interrupted at t = {now.t:g}", now.seconds
            if stop is not None and stop(now):
                return Status.STOPPED, f"stopped by condition at t = {now.t:g}", now.seconds
        seconds = time.perf_counter() - began
        beyond = "" if stepper.t <= t_end * (1 + 1e-12) else f", the last step at t = {stepper.t:g}"
    return Status.FINISHED, f"reached t = {t_end:g}{beyond}", seconds


@contextmanager
def _bar(progress: bool | None) -> Iterator[Any]:
    # disable=None: tqdm stays silent when stderr is no terminal.
    disable = None if progress is None else not progress
    layout = "{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    with tqdm(total=100.0, disable=disable, bar_format=layout, leave=False) as bar:
        yield bar


@contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event, so that the run ends between two units of work.

    The second one raises KeyboardInterrupt as usual.  Signals reach the main thread only;
    elsewhere nothing is changed.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before = signal.getsignal(signal.SIGINT)

    def handler(_number: int, _frame: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before or signal.default_int_handler)

    signal.signal(signal.SIGINT, handler)
    try:
        yield pressed
    finally:
        # None: a handler that was not installed from Python.
        signal.signal(signal.SIGINT, before or signal.default_int_handler)


def _provenance(t_end: float, tol: float | None, options: Options) -> dict[str, Any]:
    packages = ("numpy", "scipy", "numba")
    return {
        "t_end": t_end,
        "tol": tol,
        "options": {"type": type(options).__name__, **dataclasses.asdict(options)},
        "versions": {
            "dmft": dmft.__version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in packages},
        },
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
