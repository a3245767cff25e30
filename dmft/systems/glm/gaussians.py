"""Gaussian paths of the effective process: correlated step by step, as the covariance grows.

The field omega_n is Gaussian with a covariance that is known up to step n only when step n is
taken.  Its Cholesky factor therefore grows row by row.  Gradient descent makes omega so smooth
that a new row is, to rounding, a combination of earlier ones: a new Gaussian (a pivot) is drawn
only where the residual variance exceeds PIVOT of the variance.

Gaussians are scrambled Sobol points, and each new column is made orthogonal to all earlier ones
(moment matching), which makes averages of quadratic functions exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lstsq, solve_triangular
from scipy.special import ndtri
from scipy.stats import qmc

__all__ = ["BLOCK", "Columns", "Field"]

Array = NDArray[np.float64]

# Dimensions of a block of Sobol points, which takes 34 MB for 2^15 points.  Later blocks have a
# scrambling and an order of their own: the scrambling alone leaves dimension j of two blocks
# correlated, since their leading digits are the same up to a shift.
BLOCK = 128
# Residual variance, relative to the variance, above which a new Gaussian is drawn.  Smaller values
# come too close to rounding, larger ones lose variance: C of linear regression is wrong by 2e-9 at
# 1e-10 and by 1e-11 at 1e-12.
PIVOT = 1e-12
# Combinations of Gaussians that are weaker than this in the earlier steps, relative to the
# strongest, are not fitted.
CONDITION = 1e-9
# Columns are made orthogonal to the earlier ones while these are fewer than paths/FEW: with
# hardly more paths than columns it would distort the law of the last ones.
FEW = 8


class Columns:
    """Independent columns of one replica, drawn one after the other.

    Parameters
    ----------
    paths : int
        Number of paths K.
    seed : sequence of int
        Where the random numbers begin.
    """

    def __init__(self, paths: int, seed: tuple[int, ...]) -> None:
        self.paths, self.seed = paths, seed
        self.weights = np.full(paths, 1.0 / paths)
        # What all new columns are made orthogonal to, of norm 1, one per row: first the constant.
        self.rows = np.ones((4, paths))
        self.count = 1
        self._drawn = 0
        self._block = np.empty((0, 0))

    def uniform(self) -> Array:
        """Return the next column of numbers in (0, 1), shape (paths,)."""
        block, place = divmod(self._drawn, BLOCK)
        if place == 0:
            rng = np.random.default_rng([*self.seed, block])
            sampler = qmc.Sobol(BLOCK, scramble=True, rng=rng)
            # Sobol points are balanced in powers of 2 only.
            power = max(self.paths - 1, 1).bit_length()
            points = sampler.random_base2(power)[: self.paths]
            if block > 0:
                points = points[rng.permutation(self.paths)]
            self._block = np.ascontiguousarray(points.T)
        self._drawn += 1
        # They lie on a grid of spacing 2^-30 that begins at 0: half a spacing moves them off it.
        return np.asarray(self._block[place] + 2.0**-31)

    def normal(self) -> Array:
        """Return the next standard normal column, orthogonal to all before it."""
        column = np.asarray(ndtri(self.uniform()))
        if self.count * FEW < self.paths:
            self._make_orthogonal(column)
        self._keep(column)
        return column

    def classes(self, rho: float) -> Array:
        """Return the classes +1 and -1, of weight rho and 1 - rho exactly.

        Raises
        ------
        ValueError
            There are too few paths to have both.
        """
        sign = np.where(self.uniform() < rho, 1.0, -1.0)
        for value, weight in ((1.0, rho), (-1.0, 1.0 - rho)):
            members = sign == value
            if not np.any(members):
                raise ValueError(
                    f"paths = {self.paths} is not allowed: none falls into the class of weight"
                    f" {weight:g}; take more"
                )
            self.weights[members] = weight / np.count_nonzero(members)
        contrast = sign - self.weights @ sign
        self._keep(contrast / np.sqrt(self.weights @ contrast**2))
        return sign

    def _make_orthogonal(self, column: Array) -> None:
        """Subtract from a column its part along the rows, and give it variance 1."""
        rows = self.rows[: self.count]
        # One pass is enough: a new column is nearly orthogonal, so that nothing cancels.
        column -= (rows @ (self.weights * column)) @ rows
        column /= np.sqrt(self.weights @ column**2)

    def _keep(self, column: Array) -> None:
        if self.count == len(self.rows):
            self.rows = np.concatenate([self.rows, np.empty_like(self.rows)])
        self.rows[self.count] = column
        self.count += 1


class Field:
    """A Gaussian field omega_n on the paths, whose covariance grows with n.

    Row n of its factor is fitted to the covariances with *all* earlier steps.  The pivots alone
    would determine it, but they lie early: extrapolating from them amplifies rounding without
    bound (linear regression, 120 steps: C wrong by 3e-6; with the fit 1e-11).

    Nothing but the field may draw normal columns once it exists.
    """

    def __init__(self, columns: Columns, steps: int) -> None:
        self.columns = columns
        self.first = columns.count
        self.factor = np.zeros((steps + 1, 0))
        self.rank = 0

    def row(self, covariance: Array) -> Array:
        """Return omega_n from row n of the covariance, shape (n+1,), whose last is the variance."""
        n, variance = len(covariance) - 1, float(covariance[-1])
        row = self._fit(n, covariance[:n])
        residual = variance - float(row @ row)
        if residual > PIVOT * variance:
            row = np.append(row, np.sqrt(residual))
            self._open()
        self.factor[n, : self.rank] = row
        return np.asarray(row @ self.columns.rows[self.first : self.first + self.rank])

    def _fit(self, n: int, covariance: Array) -> Array:
        factor = self.factor[:n, : self.rank]
        if n == 0:
            return np.empty(0)
        if self.rank == n:
            return np.asarray(solve_triangular(factor, covariance, lower=True))
        return np.asarray(lstsq(factor, covariance, cond=CONDITION, lapack_driver="gelsy")[0])

    def _open(self) -> None:
        """Add a Gaussian; room for further ones is made by doubling."""
        if self.rank == self.factor.shape[1]:
            more = np.zeros((len(self.factor), max(8, self.rank)))
            self.factor = np.hstack([self.factor, more])
        self.rank += 1
        self.columns.normal()
