"""Statistical errors: how they fall with the number of paths, and whether they cover."""

import numpy as np
import pytest

import dmft


def run(paths, seed, **how):
    return dmft.solve(
        dmft.PhaseRetrieval(4.0), t_end=1.5, m0=0.3, step=0.05, paths=paths,
        response_paths=paths // 2, seed=seed, progress=False, **how,
    )  # fmt: skip


@pytest.mark.slow
def test_errors_fall_at_least_like_the_root_of_the_number_of_paths():
    counts = 2 ** np.arange(9, 15)
    scatter = []
    for paths in counts:
        s = run(int(paths), 3, replicas=16)
        error = s.standard_error("m")[1:]
        scatter.append(np.sqrt(np.mean(error**2)))
    slope = np.polyfit(np.log(counts), np.log(scatter), 1)[0]
    # Each scatter of 16 replicas is known to 18 %, the slope to 0.06: a slope of -0.5 exceeds
    # -0.35 with a probability of 1 %; -0.7 to -0.85 is expected.
    assert slope <= -0.5 + 0.15


@pytest.mark.slow
def test_stated_errors_cover():
    runs = [run(2**10, seed, replicas=4) for seed in range(24)]
    best = np.mean([s.m for s in runs], axis=0)
    # 95 % intervals (Student, 3 degrees of freedom); times are correlated, so that the fraction
    # covered is that of about 24 independent runs: below 0.8 by chance in 1 of 300.
    covered = [np.abs(s.m - best)[1:] <= 3.18 * s.standard_error("m")[1:] for s in runs]
    assert np.mean(covered) > 0.8
