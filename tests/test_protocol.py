"""Start and temperature: refused values."""

import math

import pytest

from dmft.protocol import Overlap, Protocol


@pytest.mark.parametrize("m0", [1.0000001, -2.0, math.nan, math.inf, "0.1", None, True])
def test_bad_m0(m0):
    with pytest.raises(ValueError, match=r"m0 = .* in \[-1, 1\]"):
        Overlap(m0)


@pytest.mark.parametrize("T", [-1e-9, math.nan, math.inf, "1", None])
def test_bad_T(T):
    with pytest.raises(ValueError, match=r"T = .* >= 0"):
        Protocol(Overlap(0.1), T)


def test_bad_start():
    with pytest.raises(ValueError, match=r"start = 0\.1 is not allowed"):
        Protocol(0.1)


def test_accepts_the_edges():
    assert Protocol(Overlap(-1), 0).T == 0.0
    assert Overlap(1e-300).m0 == 1e-300
