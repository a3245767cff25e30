"""How the model is driven: where the dynamics starts and at which temperature it runs."""

from __future__ import annotations

from dataclasses import dataclass

from dmft import checks

__all__ = ["Overlap", "Protocol"]


@dataclass(frozen=True)
class Overlap:
    """Start at random on the sphere, with a given overlap with the signal.

    Parameters
    ----------
    m0 : float
        Overlap m(0) = x(0).x*/N in [-1, 1] (dimensionless); 0 means no spike: m stays 0 and the
        dynamics is that of the spherical mixed p-spin glass.

    Raises
    ------
    ValueError
        m0 is no finite number in [-1, 1].
    """

    m0: float

    def __post_init__(self) -> None:
        wanted = "a finite number in [-1, 1] (the overlap at t = 0; 0 means no spike)"
        m0 = checks.finite_number("m0", self.m0, low=-1.0, high=1.0, wanted=wanted)
        object.__setattr__(self, "m0", m0)


@dataclass(frozen=True)
class Protocol:
    """Start and temperature of a run.

    Parameters
    ----------
    start : Overlap
        Where the dynamics starts.
    T : float, default 0
        Temperature (dimensionless): 0 is gradient flow, 1 samples the Bayes posterior.

    Raises
    ------
    ValueError
        T is negative or not finite, or start is no Overlap.
    """

    start: Overlap
    T: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.start, Overlap):
            raise ValueError(f"start = {self.start!r} is not allowed: it must be an Overlap(m0)")
        wanted = "a finite number >= 0 (temperature)"
        T = checks.finite_number("T", self.T, low=0.0, wanted=wanted)
        object.__setattr__(self, "T", T)
