"""The statements of docs/glm/flat-minima.md, at cos = 0.9."""

import math

import pytest
from scipy.optimize import brentq

from dmft.systems.glm.model import GaussianMixture
from dmft.systems.glm.theory import mixture

ALPHA, COS = 1.5, 0.9
AREA = 0.5 * math.log(1.0 - COS**2)
# Training error of Hebb's rule, H(sqrt((alpha + delta)/(alpha delta))).
HEBB = 0.09835
ROWS = [
    # reference, ridge, none, 5 %, own, rise
    ("square", 0.1, -0.197, -0.017, -0.102, 0.0621),
    ("square", 2.0, -0.277, -0.031, -0.028, 0.0333),
    ("hebb", 1.0, -0.538, -0.112, -0.011, 0.0243),
]


def entropy(model: GaussianMixture, reference: str, error: float) -> float:
    """ln of the number of w at this angle with this training error, less that of all of them."""

    def at(log_beta: float) -> mixture.LocalEntropy:
        return mixture.local_entropy(model, reference, cos=COS, beta=math.exp(log_beta))

    root = brentq(lambda x: at(x).train_error - error, -8.0, 2.6)
    found = at(root)
    return found.phi + math.exp(root) * ALPHA * found.train_error - AREA


@pytest.mark.parametrize(("reference", "ridge", "none", "level", "own", "rise"), ROWS)
def test_row_of_the_table(
    reference: str, ridge: float, none: float, level: float, own: float, rise: float
) -> None:
    model = GaussianMixture(ALPHA, 1.0, "square", ridge)
    error = HEBB if reference == "hebb" else mixture.erm(model).train_error
    zero = mixture.local_entropy(model, reference, cos=COS, beta=math.inf)
    free = mixture.local_entropy(model, reference, cos=COS, beta=0.0)
    assert zero.replicon > 0.0
    assert zero.phi - AREA == pytest.approx(none, abs=6e-4)
    assert entropy(model, reference, 0.05) == pytest.approx(level, abs=6e-4)
    assert entropy(model, reference, error) == pytest.approx(own, abs=6e-4)
    assert free.train_error - error == pytest.approx(rise, abs=6e-5)
