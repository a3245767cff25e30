"""Averages with 24 digits, and by brute force, from formulas the package does not use."""

import itertools

import mpmath as mp
import numpy as np
from scipy.stats import multivariate_normal


def relu_products(rho):
    """Return E x_a x_b Theta_0..Theta_3 for a != b, 4 x 4 correlations, to 20 digits.

    Plackett's path scales all six correlations; the package scales three.
    """
    with mp.workdps(24):
        R = mp.matrix(rho.tolist())
        least = min(mp.eigsy(R, eigvals_only=True))
        cuts, distance = [mp.mpf(0), mp.mpf("0.5")], mp.mpf("0.25")
        while distance > least / 4:
            cuts.append(1 - distance)
            distance /= 8

        def slope(t):
            S = t * R
            for i in range(4):
                S[i, i] = mp.mpf(1)
            return sum(R[j, l] * _edge(S, j, l) for j, l in itertools.combinations(range(4), 2))

        positive = mp.mpf(1) / 16 + mp.quad(slope, [*cuts, mp.mpf(1)])
        out = np.full((4, 4), np.nan)
        for a, b in itertools.permutations(range(4), 2):
            value = R[a, b] * positive
            for j, l in itertools.permutations(range(4), 2):
                value += R[a, j] * (R[b, l] - R[b, j] * R[l, j]) * _edge(R, j, l)
            out[a, b] = float(value)
        return out


def _edge(R, j, l):
    """Density of x_j = x_l = 0 times the probability that the other two are positive."""
    left = 1 - R[j, l] ** 2

    def cov(x, y):
        same = R[x, j] * R[y, j] + R[x, l] * R[y, l]
        crossed = R[j, l] * (R[x, j] * R[y, l] + R[x, l] * R[y, j])
        return R[x, y] - (same - crossed) / left

    p, q = (x for x in range(4) if x not in (j, l))
    r = cov(p, q) / mp.sqrt(cov(p, p) * cov(q, q))
    return (mp.mpf(1) / 4 + mp.asin(r) / (2 * mp.pi)) / (2 * mp.pi * mp.sqrt(left))


def relu_four_by_quadrature(C, i, k, a, b, nodes=60):
    """E Theta_i Theta_k relu_a relu_b: Gauss-Legendre in (x_a, x_b), bivariate normal for the rest.

    Nothing is integrated by parts, and no path of correlations is followed.
    """
    x, w = np.polynomial.legendre.leggauss(nodes)
    sa, sb = np.sqrt(C[a, a]), np.sqrt(C[b, b])
    xa, xb = np.meshgrid(4.75 * sa * (x + 1), 4.75 * sb * (x + 1), indexing="ij")
    weight = np.outer(w, w) * 4.75**2 * sa * sb
    outer, inner = [a, b], [i, k]
    P = C[np.ix_(outer, outer)]
    gain = C[np.ix_(inner, outer)] @ np.linalg.inv(P)
    left = C[np.ix_(inner, inner)] - gain @ C[np.ix_(outer, inner)]
    points = np.stack([xa.ravel(), xb.ravel()], axis=-1)
    both = multivariate_normal([0, 0], left).cdf(points @ gain.T)
    density = multivariate_normal([0, 0], P).pdf(points)
    return float(np.sum(weight.ravel() * points.prod(axis=1) * density * both))


def hermite_average(C, function, nodes=24):
    """E function(x) over 4 Gaussian fields by a product Gauss-Hermite rule."""
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / w.sum()
    grid = np.stack(np.meshgrid(x, x, x, x, indexing="ij"), axis=-1) @ np.linalg.cholesky(C).T
    weight = np.einsum("i,j,k,l->ijkl", w, w, w, w)
    return float(np.sum(weight * function(*np.moveaxis(grid, -1, 0))))


def correlations(weights):
    """Return the correlations of fields with these weights, shape (units, inputs)."""
    C = weights @ weights.T
    s = np.sqrt(np.diag(C))
    rho = np.clip(C / np.outer(s, s), -1.0, 1.0)
    np.fill_diagonal(rho, 1.0)
    return 0.5 * (rho + rho.T)
