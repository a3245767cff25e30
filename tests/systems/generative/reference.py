"""Brute force: the averages straight from their definition, by sums over h, the prior and the data.

The package averages over data drawn with the spike, with the integral over h done analytically.
Here the integral over h is a Gauss-Legendre sum, and the data are drawn without a spike and weighed
with the likelihood ratio Z: ``E f = E_(xi, U) Z f`` for ``B = sqrt(A) U``, U ~ N(0, 1).
"""

import numpy as np

PHI = {"linear": lambda h: h, "sign": np.sign, "relu": lambda h: np.maximum(h, 0.0)}


def layer_nodes(omega, V, n=60):
    """Return nodes and prior weights of h for each omega, split at 0, shape (..., 2 n)."""
    x, w = np.polynomial.legendre.leggauss(n)
    omega = np.asarray(omega, dtype=float)[..., None]
    half = 4.5 * np.sqrt(V)
    nodes, weights = [], []
    for low, high in ((-np.inf, 0.0), (0.0, np.inf)):
        a, b = np.clip(omega - 2 * half, low, high), np.clip(omega + 2 * half, low, high)
        h = 0.5 * (a + b) + 0.5 * (b - a) * x
        density = np.exp(-((h - omega) ** 2) / (2 * V)) / np.sqrt(2 * np.pi * V)
        nodes.append(h)
        weights.append(0.5 * (b - a) * w * density)
    return np.concatenate(nodes, axis=-1), np.concatenate(weights, axis=-1)


def brute_posterior(activation, B, A, omega, V):
    """Return ln Z, v_hat, Var v, E[h] and Var h by sums over h; arrays B and omega of one shape."""
    h, weights = layer_nodes(omega, V)
    v = PHI[activation](h)
    exponent = np.asarray(B)[..., None] * v - 0.5 * A * v * v
    top = exponent.max(axis=-1, keepdims=True)
    terms = weights * np.exp(exponent - top)
    Z = terms.sum(axis=-1)

    def mean(f):
        return (terms * f).sum(axis=-1) / Z

    v_hat, h_hat = mean(v), mean(h)
    variance, variance_h = mean((v - v_hat[..., None]) ** 2), mean((h - h_hat[..., None]) ** 2)
    return np.log(Z) + top[..., 0], v_hat, variance, h_hat, variance_h


def brute_averages(activation, A, q_z, step=0.1):
    """Return E v_hat^2, E g^2 and E ln Z."""
    V = 1.0 - q_z
    xi = np.arange(-8.0, 8.0, step)
    U = np.arange(-8.0 - 6.0 * np.sqrt(A), 8.0 + 6.0 * np.sqrt(A), step)
    total = np.zeros(3)
    for one in xi:  # One value of the prior's variable at a time, to save memory.
        omega = np.full(U.shape, np.sqrt(q_z) * one)
        log_Z, v_hat, _, h_hat, _ = brute_posterior(activation, np.sqrt(A) * U, A, omega, V)
        weights = np.exp(log_Z - 0.5 * one**2 - 0.5 * U**2) * step**2 / (2 * np.pi)
        g = (h_hat - omega) / V
        total += [(weights * f).sum() for f in (v_hat**2, g**2, log_Z)]
    return total
