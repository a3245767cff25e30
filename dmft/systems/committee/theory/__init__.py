"""Theory of the Bayes-optimal committee machine in the limit of many inputs (arXiv:1806.05451).

With N inputs and ``M = alpha N`` examples, as N grows, approximate message passing follows state
evolution, and the free entropy per input decides which of its fixed points is the posterior mean.

    state_evolution, fixed_point     overlaps of message passing, and where they end
    free_entropy                     the potential whose stationary points these are
    generalization_error             errors on new inputs
    thresholds                       information-theoretic, specialisation, message passing
    learning_curve                   all branches against alpha
"""

from dmft.systems.committee.theory.curves import Branch, LearningCurve, learning_curve
from dmft.systems.committee.theory.evolution import CommitteeState, fixed_point, state_evolution
from dmft.systems.committee.theory.potential import free_entropy, generalization_error
from dmft.systems.committee.theory.transitions import Thresholds, thresholds

__all__ = [
    "Branch",
    "CommitteeState",
    "LearningCurve",
    "Thresholds",
    "fixed_point",
    "free_entropy",
    "generalization_error",
    "learning_curve",
    "state_evolution",
    "thresholds",
]
