"""The equations of the dynamics, once, in plain NumPy: what every kernel is tested against.

Crisanti-Horner-Sommers(-Cugliandolo-Kurchan) equations of the spiked mixture under
``dx = -mu x - grad H + eta``, ``<eta eta> = 2T`` (arXiv:1812.09066, arXiv:1907.08226), for t >= t',
with C symmetric, C(t,t) = 1, R(t,t') = 0 for t < t' and R(t'+,t') = 1:

    d_t C(t,t') = -mu(t) C(t,t') + S(m(t)) m(t') + int_0^t R(t,s) K2(C(t,s)) C(s,t') ds
                  + int_0^t' K1(C(t,s)) R(t',s) ds                                          (1)
    d_t R(t,t') = -mu(t) R(t,t') + int_t'^t R(t,s) K2(C(t,s)) R(s,t') ds                    (2)
    d_t m(t)    = -mu(t) m(t) + S(m(t)) + int_0^t R(t,s) K2(C(t,s)) m(s) ds                 (3)
    mu(t)       = T + m S(m) + int_0^t R(t,s) [K1(C(t,s)) + C(t,s) K2(C(t,s))] ds           (4)
    e_p(t)      = -signal_p m^p/p - int_0^t R(t,s) noise_p C(t,s)^(p-1) ds                  (5)

S, K1, K2 are those of :class:`dmft.systems.spiked.model.Coefficients`; for the model's own loss
K1 = S = Q' and K2 = Q''.
Where temperature, learning rate or the loss depend on time (derived in docs/spiked/protocols.md),
with w_p(t) = 1/Delta'_p(t), a_p(t) the signal coefficients, Delta_p the true variances and
``dx = -eta (mu x + grad H) dt + sqrt(2 T eta) dW``:

    S(t)    = sum_p a_p(t) m(t)^(p-1)
    K1(t,s) = sum_p Delta_p w_p(t) w_p(s) C(t,s)^(p-1),     K2 = dK1/dC

replace S, K1, K2; the right-hand sides of (1)-(3) get the factor eta(t), every memory integral the
measure eta(s) ds, and (5) has a_p(t), Delta_p w_p(t) w_p(s).  R(t,t') is the response to a field
added to dx/dt, outside eta, so R(t'+,t') = 1.  eta is a change of time.

Integrals are taken by the trapezoid rule on the given grid, split where an integrand has a kink
(s = t', always a grid point).  The code follows the formulas and is slow: no solver calls it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

from dmft.systems.spiked.model import Coefficients

__all__ = ["DrivenCoefficients", "Rates", "driven_rates", "rates", "trapezoid_weights"]

Array = NDArray[np.float64]


class Rates(NamedTuple):
    """Right-hand sides at one time t_n: shapes (n+1,), (n+1,), scalars, and (n_channels,).

    ``dC[j]`` and ``dR[j]`` are d_t C(t,t_j) and d_t R(t,t_j) at t = t_n; at j = n they are the
    one-sided derivatives t -> t_j from above.
    """

    dC: Array
    dR: Array
    dm: float
    mu: float
    e_p: Array


def trapezoid_weights(t: Array) -> Array:
    """Return the weights of the trapezoid rule on the nodes t, shape (len(t),); 0 for one node.

    Examples
    --------
    >>> trapezoid_weights(np.array([0.0, 1.0, 3.0]))
    array([0.5, 1.5, 1. ])
    """
    weights = np.zeros(len(t))
    half = 0.5 * np.diff(t)
    weights[:-1] += half
    weights[1:] += half
    return weights


def rates(model: Coefficients, T: float, t: Array, C: Array, R: Array, m: Array) -> Rates:
    """Evaluate the right-hand sides of (1)-(5) at the last time of a two-time grid.

    Parameters
    ----------
    model : Coefficients
        Orders and inverse variances.
    T : float
        Temperature (dimensionless).
    t : ndarray, shape (n+1,)
        Times, ascending from 0.
    C, R : ndarray, shape (n+1, n+1)
        Correlation (symmetric, ones on the diagonal) and response (lower triangular, ones on the
        diagonal: R(t'+,t') = 1).
    m : ndarray, shape (n+1,)
        Overlap.

    Returns
    -------
    Rates
    """
    S, K1, K2 = model.polynomials()
    n = len(t) - 1
    c, r, ds = C[n], R[n], trapezoid_weights(t)
    memory = r * polyval(c, K2)
    signal = float(polyval(m[n], S))
    mu = T + m[n] * signal + float(np.sum(ds * r * (polyval(c, K1) + c * polyval(c, K2))))

    dC, dR = np.empty(n + 1), np.empty(n + 1)
    for j in range(n + 1):
        before, after = slice(0, j + 1), slice(j, n + 1)
        ds_before, ds_after = trapezoid_weights(t[before]), trapezoid_weights(t[after])
        # (1): C(s, t_j) has a kink at s = t_j, so the first integral is split there.
        first = np.sum(ds_before * memory[before] * C[before, j])
        first += np.sum(ds_after * memory[after] * C[after, j])
        second = np.sum(ds_before * polyval(c[before], K1) * R[j, before])
        dC[j] = -mu * c[j] + signal * m[j] + first + second
        dR[j] = -mu * r[j] + np.sum(ds_after * memory[after] * R[after, j])

    dm = -mu * m[n] + signal + float(np.sum(ds * memory * m))
    e_p = np.array(
        [
            -s * m[n] ** p / p - np.sum(ds * r * k * c ** (p - 1))
            for p, s, k in zip(model.orders, model.signal, model.noise, strict=True)
        ]
    )
    return Rates(dC, dR, dm, mu, e_p)


class DrivenCoefficients(NamedTuple):
    """What (1)-(5) need at time t_n where T, eta or the loss depend on time.

    Attributes
    ----------
    orders, noise : ndarray, shape (n_channels,)
        Orders p and true noise variances Delta_p.
    T : float
        T(t_n).
    signal : ndarray, shape (n_channels,)
        a_p(t_n).
    rate : ndarray, shape (n+1,)
        eta at the times of the grid.
    weights : ndarray, shape (n+1, n_channels)
        w_p at the times of the grid.
    """

    orders: NDArray[np.int64]
    noise: Array
    T: float
    signal: Array
    rate: Array
    weights: Array


def driven_rates(given: DrivenCoefficients, t: Array, C: Array, R: Array, m: Array) -> Rates:
    """Evaluate the right-hand sides of (1)-(5) where T, eta or the loss depend on time.

    Parameters
    ----------
    given : DrivenCoefficients
        Values of the functions of time, which have no jump in (0, t_n).
    t, C, R, m : ndarray
        As of :func:`rates`.

    Returns
    -------
    Rates
        dC, dR, dm with the factor eta(t_n).
    """
    n, eta, w = len(t) - 1, given.rate, given.weights
    c, r, p = C[n], R[n], given.orders
    # Per channel, at (t_n, s): shape (n+1, n_channels).
    k1 = given.noise * w[n] * w * c[:, None] ** (p - 1)
    k2 = (p - 1) * given.noise * w[n] * w * c[:, None] ** (p - 2)
    memory, source = r * k2.sum(axis=1), k1.sum(axis=1)
    signal = float(np.sum(given.signal * m[n] ** (p - 1)))

    def integral(values: Array, part: slice) -> float:
        return float(np.sum(trapezoid_weights(t[part]) * eta[part] * values[part]))

    whole = slice(0, n + 1)
    mu = given.T + m[n] * signal + integral(r * source + c * memory, whole)
    dC, dR = np.empty(n + 1), np.empty(n + 1)
    for j in range(n + 1):
        before, after = slice(0, j + 1), slice(j, n + 1)
        first = integral(memory * C[:, j], before) + integral(memory * C[:, j], after)
        dC[j] = -mu * c[j] + signal * m[j] + first + integral(source * R[j], before)
        dR[j] = -mu * r[j] + integral(memory * R[:, j], after)
    dm = -mu * m[n] + signal + integral(memory * m, whole)
    e_p = [
        -given.signal[k] * m[n] ** p[k] / p[k] - integral(r * k1[:, k], whole)
        for k in range(len(p))
    ]
    return Rates(eta[n] * dC, eta[n] * dR, eta[n] * dm, mu, np.array(e_p))
