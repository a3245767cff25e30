"""What is solved: learning from a teacher, Bayes-optimally, with a small committee machine.

A teacher with weights ``W*`` (K x N, drawn from the prior) labels M = alpha N Gaussian inputs
``x ~ N(0, 1_N)``; the student knows the architecture and the prior, and infers W* from the labels
(arXiv:1806.05451).  All quantities are dimensionless.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import ClassVar, Literal

from dmft import checks
from dmft.notebook import Shown

__all__ = ["PRIORS", "CommitteeMachine"]

Prior = Literal["gaussian", "binary"]
PRIORS = ("gaussian", "binary")


@dataclass(frozen=True)
class CommitteeMachine(Shown):
    """Bayes-optimal committee machine with K hidden units and sign activations.

    Parameters
    ----------
    K : int
        Number of hidden units: 1 (the perceptron) or 2.
    prior : {"gaussian", "binary"}
        Distribution of each weight: N(0, 1), or +1 and -1 with probability 1/2.

    Raises
    ------
    ValueError
        K is neither 1 nor 2, or the prior is unknown.

    Notes
    -----
    The labels are ``y = sign(u_1)`` for K = 1 and ``y = sign(sign(u_1) + sign(u_2))``, which is
    -1, 0 or 1, for K = 2, where ``u = W x / sqrt(N)`` (arXiv:1806.05451).

    Examples
    --------
    >>> CommitteeMachine(K=2, prior="binary")
    CommitteeMachine(K=2, prior='binary')
    """

    K: int = 2
    prior: Prior = "gaussian"

    system: ClassVar[str] = "committee"

    def __post_init__(self) -> None:
        K = checks.integer("K", self.K, low=1)
        if K > 2:
            raise ValueError(
                f"K = {self.K!r} is not allowed: the committee machine exists for K = 1 (the"
                " perceptron) and K = 2 hidden units"
            )
        object.__setattr__(self, "K", K)
        if self.prior not in PRIORS:
            near = difflib.get_close_matches(str(self.prior).lower(), PRIORS, n=1, cutoff=0.5)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"prior = {self.prior!r} is not allowed: it must be 'gaussian' or 'binary'{meant}"
            )

    def __str__(self) -> str:
        label = "sign(u_1)" if self.K == 1 else "sign(sign(u_1) + sign(u_2))"
        weights = "N(0, 1)" if self.prior == "gaussian" else "+1 or -1"
        return f"{self!r}\n  y = {label}, u = W x/sqrt(N), W_ij ~ {weights}"
