"""What is known of two-layer networks without following the dynamics (arXiv:1906.08632)."""

from dmft.systems.two_layer.theory.errors import asymptotic_error, generalization_error
from dmft.systems.two_layer.theory.fixed_points import FixedPoint, fixed_point, informed
from dmft.systems.two_layer.theory.plateaus import Plateau, plateau
from dmft.systems.two_layer.theory.width import Width, error_against_width

__all__ = [
    "FixedPoint",
    "Plateau",
    "Width",
    "asymptotic_error",
    "error_against_width",
    "fixed_point",
    "generalization_error",
    "informed",
    "plateau",
]
