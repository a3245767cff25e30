"""Options of the slices solver, and how they follow from tol."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from dmft import checks

__all__ = ["SlicesOptions"]


@dataclass(frozen=True)
class SlicesOptions:
    """Steps and grid of the slices solver; what is not given follows from `tol`.

    Parameters
    ----------
    max_du : float, optional
        Largest step in u = log(1 + t).  0.1 at tol = 1e-6 and like tol^(1/6).
    first_du : float, optional
        First step in u.
    order : int, optional
        Polynomial order of a panel.  At least 16, and ``order max_du >= 1.2``: a coarser grid in
        t' lets features of wavelength 2 du grow into noise.
    h0 : float, default 0.5
        Width in t' of the smallest panels.
    verify : bool, default True
        Repeat the run with ten times the tolerance and larger steps; the difference is the error
        estimate.  Without it there is none.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    max_du: float | None = None
    first_du: float | None = None
    order: int | None = None
    h0: float = 0.5
    verify: bool = True

    def __post_init__(self) -> None:
        for name, high in (("max_du", 0.3), ("first_du", 0.1)):
            value = getattr(self, name)
            if value is not None:
                wanted = f"a finite number in [1e-9, {high:g}]"
                number = checks.finite_number(name, value, low=1e-9, high=high, wanted=wanted)
                object.__setattr__(self, name, number)
        if self.order is not None:
            object.__setattr__(self, "order", checks.integer("order", self.order, low=4, high=40))
        h0 = checks.finite_number("h0", self.h0, low=0.01, high=4.0, wanted="a number in [0.01, 4]")
        object.__setattr__(self, "h0", h0)

    def chosen(self, tol: float) -> Chosen:
        """Return the options with what was not given filled in from tol."""
        max_du = self.max_du or min(0.15, max(0.03, 0.1 * (tol / 1e-6) ** (1.0 / 6.0)))
        first_du = self.first_du or min(100.0 * tol, 1e-3, max_du)
        order = self.order or min(40, max(16, 2 * math.ceil(0.6 / max_du)))
        return Chosen(max_du, first_du, order, self.h0)


@dataclass(frozen=True)
class Chosen:
    """Options without gaps."""

    max_du: float
    first_du: float
    order: int
    h0: float

    def coarser(self) -> Chosen:
        """Return the options of the run that estimates the error."""
        return replace(self, max_du=1.4 * self.max_du)
