"""Settings at which AMP and the spectral methods are compared with the theory.

All are away from the transitions, where fluctuations and the number of iterations grow, and alpha k
and beta p are integers at k = 1000.
"""

from __future__ import annotations

from dmft.systems.generative.model import SpikedGenerative

__all__ = ["AMP", "SPECTRAL"]

AMP: dict[str, SpikedGenerative] = {
    "linear 1": SpikedGenerative(1.0, 0.5),
    "linear 2": SpikedGenerative(2.0, 0.8),
    "sign 1": SpikedGenerative(1.0, 0.5, "sign"),
    "sign 2": SpikedGenerative(2.0, 0.4, "sign"),
    "sign 3": SpikedGenerative(3.0, 0.7, "sign"),
    "relu 1": SpikedGenerative(1.0, 0.3, "relu"),
    "relu 2": SpikedGenerative(2.0, 0.1, "relu"),
    "linear wishart": SpikedGenerative(2.0, 0.6, "linear", "wishart", 1.0),
    "sign wishart": SpikedGenerative(2.0, 0.5, "sign", "wishart", 1.0),
    "relu wishart": SpikedGenerative(1.0, 0.4, "relu", "wishart", 1.0),
}

# The second and fourth lie between the transition of PCA and that of LAMP.
SPECTRAL: dict[str, SpikedGenerative] = {
    "linear": SpikedGenerative(1.0, 0.6),
    "linear above PCA": SpikedGenerative(2.0, 1.4),
    "sign": SpikedGenerative(2.0, 0.6, "sign"),
    "sign above PCA": SpikedGenerative(3.0, 1.2, "sign"),
    "linear wishart": SpikedGenerative(2.0, 0.8, "linear", "wishart", 1.0),
    "sign wishart": SpikedGenerative(2.0, 0.7, "sign", "wishart", 1.0),
}
