"""Two-time functions on a grid, and values in between: triangles and slices.

`slices` is imported by name where it is needed: it loads numba.
"""

from dmft.two_time.grid import MeasuredGrid, TwoTimeGrid
from dmft.two_time.triangular import DEGREE, TimeMap, TriangularGrid, interpolate_uniform

__all__ = [
    "DEGREE",
    "MeasuredGrid",
    "TimeMap",
    "TriangularGrid",
    "TwoTimeGrid",
    "interpolate_uniform",
]
