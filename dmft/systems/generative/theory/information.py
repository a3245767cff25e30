"""Mutual information between spike and matrix as a function of the overlaps.

Per component of v, in nats (arXiv:1905.12385, theorem 1), with ``q_hat = q_z/(1 - q_z)`` and
``L = (1/alpha) [(q_hat - ln(1 + q_hat))/2 - q_hat q_z/2]``,

    Wigner:   i = rho^2/(4 Delta) + q_v^2/(4 Delta) - Psi(q_v/Delta, q_z) - L
    Wishart:  i = beta rho/(2 Delta) + beta q_u q_v/(2 Delta)
                  - beta/2 (q_v/Delta - ln(1 + q_v/Delta)) - Psi(beta q_u/Delta, q_z) - L

where ``Psi = E ln Z``.  The fixed points of state evolution are its stationary points, and the
information is its value at the lowest of them.
"""

from __future__ import annotations

import math

from dmft import checks
from dmft.systems.generative.averages import averages
from dmft.systems.generative.model import SpikedGenerative
from dmft.systems.generative.theory.iteration import precision

__all__ = ["information"]


def information(model: SpikedGenerative, q_v: float, q_z: float) -> float:
    """Return the information potential per component of v at the overlaps (q_v, q_z), in nats.

    Parameters
    ----------
    model : SpikedGenerative
        The model.
    q_v : float
        Overlap of the spike, in [0, rho].
    q_z : float
        Overlap of the latent vector, in [0, 1).

    Returns
    -------
    float
        I(v; Y)/p for Wigner, I(u, v; Y)/p for Wishart, where (q_v, q_z) is the fixed point that
        minimises it; q_u of the Wishart model is q_v/(Delta + q_v).

    Raises
    ------
    ValueError
        An overlap is out of its range.

    Notes
    -----
    At fixed points ``di/d(1/Delta)`` is (rho^2 - q_v^2)/4 for Wigner and
    beta (rho - q_u q_v)/2 for Wishart (the I-MMSE relations).

    Examples
    --------
    >>> information(SpikedGenerative(alpha=1.0, delta=4.0), 0.0, 0.0)
    0.0625
    """
    q_v = checks.finite_number("q_v", q_v, low=0.0, high=model.rho, wanted="in [0, rho]")
    q_z = checks.finite_number("q_z", q_z, low=0.0, high=1.0 - 1e-15, wanted="in [0, 1)")
    q_hat = q_z / (1.0 - q_z)
    latent = 0.5 * (q_hat - math.log1p(q_hat) - q_hat * q_z) / model.alpha
    Psi = averages(model.activation, precision(model, q_v), q_z).Psi
    return _matrix(model, q_v) - Psi - latent


def _matrix(model: SpikedGenerative, q_v: float) -> float:
    rho, delta, beta = model.rho, model.delta, model.beta
    if beta is None:
        return (rho**2 + q_v**2) / (4.0 * delta)
    q_u, snr = q_v / (delta + q_v), q_v / delta
    return 0.5 * beta * ((rho + q_u * q_v) / delta - snr + math.log1p(snr))
