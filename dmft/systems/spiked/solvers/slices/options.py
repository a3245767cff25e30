"""Options of the slice method, and how they follow from tol."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dmft import checks

__all__ = ["LEAST_ORDER", "PRESETS", "SlicesOptions"]

# The error estimates do not see the error of panels of too low an order.  The largest ratio of
# error and estimate, measured against `dense` for two to nine models: at order 4 it is 1.7 (tol
# 1e-6), at order 5 0.8 (1e-7), at order 6 0.4 down to 1e-8 and 2.1 at 1e-10, at order 7 0.65 at
# 1e-10, the least tol.
LEAST_ORDER = 7


@dataclass(frozen=True)
class SlicesOptions:
    """Grid and steps of the slice method; u = log(1 + t/t0), t0 the model's time unit.

    Parameters
    ----------
    order : int, default 12
        Polynomial order of the panels in t', 7 to 20.
    end_width : float, default 1
        Largest width of the panels at t' = 0 and t' = t, in units of t0, 0.05 to 2; the others
        widen fourfold towards the middle.  In late aging it is half of that.
    halvings : int, default 0
        How often the panels far from both ends are halved, 0 to 3; see `max_step`.
    refine : float, default 0.01
        Panels are halved while their last Chebyshev coefficients exceed refine * tol.
    safety : float, default 0.1
        The interpolation between slices aims at an error of safety * tol.
    first_step : float, default 1e-4
        First step in u.
    max_step : float, optional
        Largest step in u; 0.1 unless given.
    shrink : float, default 0
        Later than 1000 t0 the largest step is max_step (t/1000 t0)^-shrink; 1/9 keeps the error of
        C(t,t/2) of aging models from growing with t.
    max_slices : int, default 20000
        The run fails when it needs more.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    order: int = 12
    end_width: float = 1.0
    halvings: int = 0
    refine: float = 0.01
    safety: float = 0.1
    first_step: float = 1e-4
    max_step: float | None = None
    shrink: float = 0.0
    max_slices: int = 20000

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "order", checks.integer("order", self.order, low=LEAST_ORDER, high=20))
        set_(self, "halvings", checks.integer("halvings", self.halvings, low=0, high=3))
        set_(self, "max_slices", checks.integer("max_slices", self.max_slices, low=10))
        bounds = {
            "end_width": (0.05, 2.0), "refine": (1e-6, 1.0), "safety": (1e-3, 1.0),
            "first_step": (1e-9, 0.01), "max_step": (1e-3, 0.3), "shrink": (0.0, 0.5),
        }  # fmt: skip
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if value is not None:
                wanted = f"a finite number in [{low:g}, {high:g}]"
                number = checks.finite_number(name, value, low=low, high=high, wanted=wanted)
                set_(self, name, number)

    def filled(self, tol: float) -> SlicesOptions:
        """Return the options with what was not given chosen for `tol`."""
        return replace(self, max_step=self.max_step or 0.1)

    def coarser(self) -> SlicesOptions:
        """Return the options of the run that measures the errors of one with these."""
        return replace(self, max_step=1.4 * (self.max_step or 0.1))


# tol and options for one purpose each.  Measured: with "loose" m, mu and e are good to 1e-4 at
# t = 1e4, in seconds; with "tight" C(t,t/2) of Q = x^3/3 differs from a run of order 16 with steps
# .07 by 1.3e-7 at t = 1e6, 5e-7 at 1e7 and 7e-7 at 1e8.
PRESETS = {
    "loose": (3e-5, SlicesOptions(order=8, max_step=0.15)),
    "default": (1e-6, SlicesOptions()),
    "tight": (1e-7, SlicesOptions(order=14, max_step=0.08)),
}
