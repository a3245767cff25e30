"""Where a slice needs finer panels, and how far the interpolation between slices is off."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.solvers.slices.drive_mesh import MOST_PANELS, DriveMesh
from dmft.systems.spiked.solvers.slices.history import History
from dmft.two_time import _lookups as lookups
from dmft.two_time import panels
from dmft.two_time.panels import PLAIN, Layout, PanelGrid

__all__ = ["Defect", "Mesh", "interpolation_defect", "new_grid"]

Array = NDArray[np.float64]

# A panel is halved at most HALVINGS times, and not below FINEST times the width of the end panels.
HALVINGS, FINEST = 8, 0.1
# Functions of time may ask for more: halvings down to 1e-9 t.
DRIVE_HALVINGS = 30
# The bulk of a slice is what is further from its ends than this fraction of t.
BULK = 0.01
# Where the newest slice has finer panels, they stay fine until the coefficients are below STAY
# times the limit: a grid that switches back and forth from slice to slice makes noise.
STAY = 0.01


class Mesh(NamedTuple):
    """How fine a grid has to be.

    Attributes
    ----------
    h0 : float
        Width of the panels at both ends.
    eps : float
        Panels are halved while their last Chebyshev coefficients exceed it.
    halvings : int
        How often the panels of the bulk are halved in any case.
    layout : Layout
        How the panels widen from the ends.
    drive : DriveMesh, optional
        Functions of time that have to be resolved.
    """

    h0: float
    eps: float
    halvings: int = 0
    layout: Layout = PLAIN
    drive: DriveMesh | None = None


def new_grid(history: History, t: float, mesh: Mesh) -> PanelGrid:
    """Return the grid of slice t, with panels cut in two where the newest slice is not resolved.

    The newest slice is looked up at the new nodes, and panels on which the last Chebyshev
    coefficients of C or R exceed eps are halved.

    Panels of the bulk, far from both ends, are halved `halvings` times in any case.  Each slice
    leaves a small error in all later ones, at t' equal to its own time; panels too wide to resolve
    these errors turn them into noise.
    """
    grid = _graded(history, t, mesh)
    n, one = history.n, np.ones(1)
    # The lookup is at fixed t'/t: a curve that bends inside a panel would add to the coefficients.
    past = history.past()._replace(curved=False)

    def newest(grid: PanelGrid) -> tuple[Array, Array]:
        s = np.full(len(grid.nodes), t)
        values: tuple[Array, Array] = lookups.evaluate(
            past, n, s, grid.nodes, grid.nodes_tau, n, 1, one
        )
        return values

    for _ in range(HALVINGS):
        C, R = newest(grid)
        worst = np.maximum(panels.tails(C, grid.order), panels.tails(R, grid.order))
        width = grid.widths
        centres = 0.5 * (grid.edges[1:] + grid.edges[:-1])
        finer = history.panel_widths(centres, t) < 0.75 * width
        limit = np.where(finer, STAY * mesh.eps, mesh.eps)
        marked = (worst > limit) & (width > FINEST * mesh.h0)
        if not marked.any():
            break
        grid = panels.bisect(grid, marked)
    if mesh.drive is None:
        return grid
    for _ in range(DRIVE_HALVINGS):
        marked = mesh.drive.marked(grid, *newest(grid), mesh.eps)
        if not marked.any() or len(grid.widths) > MOST_PANELS:
            break
        grid = panels.bisect(grid, marked)
    return grid


def _graded(history: History, t: float, mesh: Mesh) -> PanelGrid:
    """Return the panels of slice t before they are refined, those of the bulk halved."""
    breaks = _breaks(history, t, mesh.h0)
    grid = panels.slice_grid(t, mesh.h0, history.order, mesh.layout, breaks)
    b = breaks[-1][0] if breaks else 0.0
    for _ in range(mesh.halvings):
        far = np.minimum(grid.edges[:-1] - b, grid.edges_tau[1:]) >= BULK * (t - b)
        grid = panels.bisect(grid, far)
    return grid


def _breaks(history: History, t: float, h0: float) -> list[tuple[float, float]]:
    """Return the events before t, and how finely panels are graded next to each."""
    found = []
    for origin, width, _, _, since in history.segments[1:]:
        if t > origin + 1e-9:
            # Next to a jump panels are graded as at t' = 0, next to an escape down to its duration.
            escape = min(max(0.5 * (t - origin), h0), max(h0, width))
            found.append((float(origin), h0 if origin == since else escape))
    return found


class Defect(NamedTuple):
    """Error of the interpolation between slices: of C and R, of m (relative), and of mu."""

    two_times: float
    m: float
    mu: float


def interpolation_defect(history: History, grid: PanelGrid) -> Defect:
    """Return how far the interpolation on the last interval is off, for C and R, log m and mu.

    The degree that is used there is compared with degree 6 half way between the last two slices,
    along the curves through the nodes of the newest slice.
    """
    nodes, first = history.nodes()
    past, n = history.past(), history.n
    x = 0.5 * float(nodes[-1] + nodes[-2])
    used = np.empty(lookups.ROOM)
    number = lookups.last_interval(past, n, lookups.segment_of(past.segments, n), x, used)
    full = min(lookups.INTERIOR + 1, history.count - first)
    count = max(number, full)
    start = history.count - count
    weights = np.zeros(count)
    lookups.lagrange(nodes, history.count - full, full, x, weights[count - full :])
    weights[count - number :] -= used[:number]
    s = np.full(len(grid.nodes), grid.t)
    C, R = lookups.evaluate(past, n, s, grid.nodes, grid.nodes_tau, start, count, weights)
    values, mu = history.m[start:], abs(float(weights @ history.mu[start:]))
    if np.all(history.log_m[start:]):
        relative = abs(float(weights @ np.log(values))) * float(values[-1]) / history.m_scale
    else:
        # m may pass through zero, so the error is relative to the largest value of the stencil.
        relative = abs(float(weights @ values)) / max(history.m_scale, np.max(np.abs(values)))
    return Defect(float(max(np.max(np.abs(C)), np.max(np.abs(R)))), relative, mu)
