"""The order parameters of online learning as functions of time.

The equations are integrated twice, the second time at COARSER times the tolerance.  The
difference of the two is reported as the error estimate: it is dominated by the coarser run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.run.contract import Record, StepResult
from dmft.systems.two_layer.chain import Chain, Checkpoint
from dmft.systems.two_layer.learning import OnlineLearning
from dmft.systems.two_layer.lowering import Layout, errors_of, flow_of
from dmft.systems.two_layer.model import TwoLayerNetwork
from dmft.systems.two_layer.pieces import Pieces

__all__ = ["LOOSEST", "TwoLayerSolver"]

Array = NDArray[np.float64]

COARSER = 10.0
# A looser tolerance would hide that [[Q, R], [R', T]] is no covariance any more.
LOOSEST = 1e-2
# A learning rate that is too large makes eg grow without end; a transient does not get this far.
GROWTH = 1e6
# The part of the absolute tolerance in the relative one: overlaps start near 0.
ABSOLUTE = 0.1


class TwoLayerSolver:
    """Advance Q, R and v of online learning from t = 0 to t_end.

    Contract: :class:`dmft.run.contract.Solver`.

    Parameters
    ----------
    net : TwoLayerNetwork
        Student and teacher.
    t_end : float
        Time to reach, > 0, in steps per input dimension.
    how : OnlineLearning
        Start and learning rates.
    tol : float
        Relative tolerance of the integrator, in [1e-13, 0.01].
    before : Record, optional
        What :meth:`record` of an earlier run with the same parameters returned.  The run goes on
        from there and gets the numbers of one that was not interrupted.

    Raises
    ------
    ValueError
        A parameter is out of its range, or the start is not possible for this network.

    Examples
    --------
    >>> from dmft.systems.two_layer.model import OrderParameters
    >>> net = TwoLayerNetwork(K=2, M=2)
    >>> start = OrderParameters(np.eye(2), 0.1 * np.eye(2))
    >>> solver = TwoLayerSolver(net, 10.0, OnlineLearning(start, learning_rate=0.5))
    >>> while not solver.finished:
    ...     ok, message = solver.advance()
    >>> solver.errors["eg"] < 1e-8
    True
    """

    def __init__(
        self,
        net: TwoLayerNetwork,
        t_end: float,
        how: OnlineLearning,
        *,
        tol: float = 1e-10,
        before: Record | None = None,
    ) -> None:
        self.net, self.how = net, how
        self.t_end = checks.positive_number("t_end", t_end)
        self.tol = checks.finite_number(
            "tol", tol, low=1e-13, high=LOOSEST, wanted=f"in [1e-13, {LOOSEST:g}]"
        )
        how.start.check(net)
        self.layout = Layout.of(net)
        start = Checkpoint(0.0, self.layout.pack(how.start), 0.0)
        size = max(float(np.abs(how.start.Q).max()), float(np.abs(net.T).max()), 1e-30)
        height = max(float(np.abs(how.start.v).max()), float(np.abs(net.v_teacher).max()), 1e-30)
        scale = np.full(self.layout.size, size)
        scale[-net.K :] = height
        self.scale = size
        nothing = np.zeros(self.layout.size)
        self.largest = GROWTH * float(
            errors_of(net, start.y) + errors_of(net, nothing) + 0.5 * net.sigma**2
        )
        self.fine, self.coarse = (
            Chain(
                [self._fun(begin) for begin in (0.0, *how.breaks())], how.breaks(), start,
                self.t_end, rtol, ABSOLUTE * rtol * scale,
            )
            for rtol in (self.tol, COARSER * self.tol)
        )  # fmt: skip
        self._errors = dict.fromkeys(("Q", "R", "v", "eg"), 0.0)
        self._compared = self._checked = 0.0
        if before is not None:
            self._take_up(before)

    def _fun(self, begin: float) -> Callable[[float, Array], Array]:
        """Return the right-hand side from a time on, up to where a learning rate switches."""
        how, sigma, slope = self.how.after(begin), self.net.sigma, flow_of(self.net)
        if how.constant:
            constant = how.lowered(begin, sigma)
            return lambda _t, y: slope(y, constant)
        return lambda t, y: slope(y, how.lowered(t, sigma))

    @property
    def t(self) -> float:
        """Time reached by both runs."""
        return min(self.fine.t, self.coarse.t)

    @property
    def values(self) -> dict[str, float]:
        """The generalisation error at the last step up to t."""
        return {"eg": float(errors_of(self.net, self.fine.pieces.node(self.t)))}

    @property
    def finished(self) -> bool:
        return self.t >= self.t_end

    @property
    def work_done(self) -> float:
        """Fraction of the time that is reached."""
        return self.t / self.t_end

    @property
    def errors(self) -> dict[str, float]:
        """Absolute error estimates of Q, R, v and eg that hold at every time reached."""
        return dict(self._errors)

    @property
    def stats(self) -> dict[str, Any]:
        """Steps of the two runs, and which integrator is at work."""
        method = "LSODA" if self.fine.checkpoint.stiff else "DOP853"
        return {"steps": self.fine.steps, "coarse_steps": self.coarse.steps, "integrator": method}

    def advance(self) -> StepResult:
        """Do one unit of work: a block of steps of the run that is behind."""
        chain = self.coarse if self.coarse.t < self.fine.t else self.fine
        self._advance(chain)
        if self.fine.failed:
            # What was reached keeps its error estimate.
            while self.coarse.t < self.fine.t and not self.coarse.failed:
                self._advance(self.coarse)
        if self.t > self._compared:
            self._compare()
        if chain.failed:
            self.fine.pieces.cut(self.t)
            return StepResult(False, f"{chain.failed}; {self._advice(chain)}")
        return StepResult(True)

    def _advance(self, chain: Chain) -> None:
        try:
            chain.advance()
        except ValueError as error:
            # A learning rate that is a function of time can be wrong at a later time only.
            chain.failed = str(error)
        if chain is self.fine:
            self._look_at_steps()

    def _advice(self, chain: Chain) -> str:
        if "semidefiniteness" in chain.failed:
            return f"tol = {self.tol:g} may be too loose"
        if not self.how.constant:
            return "the learning rates may be too large, or not smooth"
        return f"learning_rate = {self.how.rates(0.0).eta:g} may be too large"

    def _look_at_steps(self) -> None:
        """Find where eg grows beyond all bounds or the covariance is none any more."""
        pieces = self.fine.pieces
        first = int(np.searchsorted(pieces.edges, self._checked, side="right"))
        states = np.array([values[-1] for values in pieces.values[first - 1 :]])
        if not len(states):
            return
        eg = errors_of(self.net, states)
        least = np.linalg.eigvalsh(self.layout.covariance(states, self.net.T))[:, 0]
        slack = max(1e-6, 1e4 * self.tol) * np.maximum(self.scale, np.abs(states).max(axis=1))
        bad = (eg > self.largest) | (least < -slack)
        if np.any(bad):
            at = int(np.argmax(bad))
            self.fine.failed = (
                f"the generalisation error reached {eg[at]:.3g}: the dynamics diverges"
                if eg[at] > self.largest
                else "[[Q, R], [R', T]] lost its positive semidefiniteness"
                f" (smallest eigenvalue {least[at]:.3g})"
            )
            pieces.cut(pieces.edges[first - 1 + at])
        self._checked = pieces.end

    def _compare(self) -> None:
        """Compare the two runs at the steps of the finer one, and halfway between them."""
        edges = np.array(self.fine.pieces.edges)
        times = np.union1d(edges, 0.5 * (edges[1:] + edges[:-1]))
        times = times[(times > self._compared) & (times <= self.t)]
        if len(times):
            fine, coarse = self.fine.pieces.at(times), self.coarse.pieces.at(times)
            apart = {
                "Q": self.layout.Q(fine) - self.layout.Q(coarse),
                "R": self.layout.R(fine) - self.layout.R(coarse),
                "v": self.layout.v(fine) - self.layout.v(coarse),
                "eg": errors_of(self.net, fine) - errors_of(self.net, coarse),
            }
            for name, difference in apart.items():
                self._errors[name] = max(self._errors[name], float(np.abs(difference).max()))
        self._compared = self.t
        # A continued run may have to compare again from the checkpoints on.
        self.coarse.pieces.forget(min(self.t, self.coarse.checkpoint.t, self.fine.checkpoint.t))

    @property
    def times(self) -> Array:
        """Times of the steps up to the time reached, and that one, shape (n,)."""
        edges = np.array(self.fine.pieces.edges)
        return np.union1d(edges[edges <= self.t], self.t)

    def at(self, t: ArrayLike) -> Array:
        """Return packed states at times in [0, t reached], to the accuracy of the steps."""
        return self.fine.pieces.at(checks.array_in("t", t, 0.0, self.t, slack=1e-12 * self.t_end))

    def series(self, t: ArrayLike | None = None) -> dict[str, Array]:
        """Return t, Q (n, K, K), R (n, K, M), v (n, K) and eg (n,) at the steps or at times t."""
        times = self.times if t is None else np.asarray(t, dtype=np.float64)
        y = self.at(times)
        if t is None:
            # At the steps without the rounding of an interpolation.
            at_steps = self.fine.pieces.nodes()[: len(times)]
            known = len(times) - int(times[-1] not in self.fine.pieces.edges)
            y[:known] = at_steps[:known]
        parts = {"Q": self.layout.Q(y), "R": self.layout.R(y), "v": self.layout.v(y)}
        return {"t": times, **parts, "eg": errors_of(self.net, y)}

    def record(self) -> Record:
        """Return everything reached; a run that failed cannot be continued.

        The polynomials of the finer run are the record's `grid`; they may reach beyond the last
        time.  Its `state` has what else a continued run needs: where both runs can be taken up, the
        polynomials of the coarser one, the errors.
        """
        series = self.series()
        t = series.pop("t")
        state = {} if self.fine.failed or self.coarse.failed else self._state()
        return Record(t, series, self.errors, self.fine.pieces.copy(), self.stats, state)

    def _state(self) -> dict[str, Array]:
        steps = [self.fine.steps, self.coarse.steps]
        return {
            "fine_checkpoint": self.fine.checkpoint.flat(),
            "coarse_checkpoint": self.coarse.checkpoint.flat(),
            **{f"coarse_{key}": value for key, value in self.coarse.pieces.arrays().items()},
            "errors": np.array([*self._errors.values(), *steps], dtype=np.float64),
        }

    def _take_up(self, before: Record) -> None:
        state: Mapping[str, Array] = before.state
        if self.t_end < before.t[-1]:
            raise ValueError(
                f"t_end = {self.t_end:g} is not allowed: the run to continue has reached"
                f" t = {before.t[-1]:g}"
            )
        self.fine.pieces = before.grid.copy()
        keys = ("edges", "start", "counts", "samples")
        self.coarse.pieces = Pieces.from_arrays({key: state[f"coarse_{key}"] for key in keys})
        for name, run in {"fine": self.fine, "coarse": self.coarse}.items():
            run.checkpoint = Checkpoint.from_flat(state[f"{name}_checkpoint"])
            run.extend(self.t_end)
        *errors, fine, coarse = state["errors"]
        self._errors = dict(zip(self._errors, map(float, errors), strict=True))
        self.fine.steps, self.coarse.steps = int(fine), int(coarse)
        self._compared = self._checked = self.t
