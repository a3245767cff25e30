"""How a student is taught: where it starts, and its learning rates as functions of time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft import checks, schedules
from dmft.numerics.piecewise import Piecewise
from dmft.schedules import Annealing, PowerLaw, Schedule, Switch, TabulatedFunction
from dmft.systems.two_layer.equations import Rates
from dmft.systems.two_layer.model import OrderParameters

__all__ = ["RATES", "OnlineLearning"]

Array = NDArray[np.float64]

# The settings that may depend on time.
RATES = ("learning_rate", "second_learning_rate")
LARGEST = 1e6


@dataclass(frozen=True, eq=False)
class OnlineLearning:
    """How a student is taught.

    Parameters
    ----------
    start : OrderParameters
        State at t = 0.
    learning_rate : float, schedule or callable
        eta of the first layer: a number > 0, a schedule of :mod:`dmft.schedules`, or a function of
        time with values >= 0 (dimensionless).
    second_learning_rate : float, schedule or callable
        eta_v of the second layer, >= 0; 0 keeps it as it is (no weight decay either).
    weight_decay : float
        kappa >= 0, of both layers; it is not multiplied by a learning rate.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Notes
    -----
    A step of SGD is ``w_k -= (kappa/N) w_k + (eta/sqrt(N)) v_k g'(lambda_k) Delta x`` and
    ``v_k -= (kappa/N) v_k + (eta_v/N) g(lambda_k) Delta`` (arXiv:1906.08632); t = steps/N.
    """

    start: OrderParameters
    learning_rate: Schedule
    second_learning_rate: Schedule = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.start, OrderParameters):
            raise ValueError(
                f"start = {self.start!r} is not allowed: it must be OrderParameters(Q, R, v)"
            )
        for name in RATES:
            zero = name == "second_learning_rate"
            object.__setattr__(self, name, _checked(name, getattr(self, name), zero=zero))
        decay = checks.finite_number(
            "weight_decay", self.weight_decay, low=0.0, high=LARGEST, wanted="in [0, 1e6]"
        )
        object.__setattr__(self, "weight_decay", decay)

    @property
    def trains_both(self) -> bool:
        """Whether the second layer is trained too, at some time."""
        rate = self.second_learning_rate
        return not isinstance(rate, float) or rate > 0.0

    @property
    def constant(self) -> bool:
        """Whether both learning rates are numbers."""
        return all(isinstance(getattr(self, name), float) for name in RATES)

    @property
    def setting(self) -> str:
        """Learning rates and weight decay in words."""
        rates = [f"{name} = {_short(getattr(self, name))}" for name in RATES]
        return ", ".join([*rates, f"weight_decay = {self.weight_decay:g}"])

    def breaks(self) -> tuple[float, ...]:
        """Return the times > 0 at which a learning rate switches, ascending."""
        return tuple(
            sorted({t for name in RATES for t in schedules.switch_times(getattr(self, name))})
        )

    def after(self, t: float) -> OnlineLearning:
        """Return the same with the learning rates that hold from time t on, up to the next break.

        A second layer whose rate is the number 0 then is not trained there, and does not decay.
        """
        eta, eta_v = (schedules.resolved(getattr(self, name), t) for name in RATES)
        return replace(self, learning_rate=eta, second_learning_rate=eta_v)

    def rates(self, t: float) -> Rates:
        """Return the learning rates at time t, at a break those after it."""
        eta, eta_v = (_value(name, schedules.resolved(getattr(self, name), t), t) for name in RATES)
        return Rates(eta, eta_v, self.weight_decay)

    def lowered(self, t: float, sigma: float) -> Array:
        """Return what the compiled equations take at time t."""
        eta_v = schedules.resolved(self.second_learning_rate, t)
        trained = not isinstance(eta_v, float) or eta_v > 0.0
        return self.rates(t).lowered(sigma, decays=trained)

    def tabulated(self, end: float) -> OnlineLearning:
        """Return the same with functions as tables on [0, end].

        Raises
        ------
        ValueError
            A rate is not finite or < 0 at a time up to `end`, naming it and the time.
        """
        eta, eta_v = (_table(name, getattr(self, name), 0.0, end) for name in RATES)
        return replace(self, learning_rate=eta, second_learning_rate=eta_v)


def _checked(name: str, rate: Any, *, zero: bool) -> Schedule:
    """Return a number as a checked float, and schedules and functions as they are."""
    if isinstance(rate, Switch):
        before, after = (_checked(name, part, zero=True) for part in (rate.before, rate.after))
        return replace(rate, before=before, after=after)
    if isinstance(rate, Annealing) and rate.base is None:
        raise ValueError(
            f"{name} = {rate!r} is not allowed: it needs base, its value at late times"
        )
    if isinstance(rate, (PowerLaw, Annealing, TabulatedFunction)):
        return rate
    if callable(rate) and not isinstance(rate, type):
        function: Callable[[float], float] = rate
        _value(name, function, 0.0)
        return function
    wanted = "a number {} 1e6], a schedule or a function of time"
    if zero:
        return checks.finite_number(
            name, rate, low=0.0, high=LARGEST, wanted=wanted.format("in [0,")
        )
    return checks.finite_number(
        name, rate, low=math.nextafter(0.0, 1.0), high=LARGEST, wanted=wanted.format("in (0,")
    )


def _value(name: str, rate: Schedule, t: float) -> float:
    """Return the value of a rate that does not switch."""
    if isinstance(rate, float):
        return rate
    if isinstance(rate, TabulatedFunction):
        # The integrator may look a little beyond the table before it shortens its step.
        value: float = float(Piecewise.at(rate, t))
        # A function that touches 0 may be below it by rounding.
        return max(value, 0.0)
    if isinstance(rate, (PowerLaw, Annealing)):
        value = float(rate.at(np.asarray(t, dtype=np.float64)))
    else:
        assert callable(rate)
        value = rate(t)
    return checks.finite_number(f"{name}({t:g})", value, low=0.0, wanted="finite and >= 0")


def _table(name: str, rate: Schedule, begin: float, end: float) -> Schedule:
    """Return a rate with functions as tables on [begin, end], checked there."""
    if begin >= end:
        return rate
    if isinstance(rate, Switch):
        before = _table(name, rate.before, begin, min(rate.time, end))
        after = _table(name, rate.after, max(rate.time, begin), end)
        return replace(rate, before=before, after=after)
    try:
        if not schedules.is_closed_form(rate):
            assert callable(rate)
            return schedules.sampled(rate, begin, end, ">=")
        if isinstance(rate, TabulatedFunction):
            rate.at([begin, end])
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error.__cause__
    for t in (begin, end):
        _value(name, rate, t)
    return rate


def _short(rate: Schedule) -> str:
    if isinstance(rate, float):
        return f"{rate:g}"
    if isinstance(rate, TabulatedFunction):
        return f"table to t = {rate.edges[-1]:g}"
    if isinstance(rate, Switch):
        return f"{_short(rate.before)} to t = {rate.time:g}, then {_short(rate.after)}"
    return "function" if callable(rate) else repr(rate)
