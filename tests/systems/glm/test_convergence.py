"""Statistical errors: how they fall with the number of paths, and whether they cover."""

import numpy as np
import pytest

import dmft


def run(paths, seed, **how):
    return dmft.solve(
        dmft.PhaseRetrieval(4.0), t_end=1.5, m0=0.3, step=0.05, paths=paths,
        response_paths=max(paths // 16, 8), seed=seed, progress=False, **how,
    )  # fmt: skip


@pytest.mark.slow
def test_errors_fall_at_least_like_the_root_of_the_number_of_paths():
    counts = 2 ** np.arange(9, 15)
    scatter = {"m": [], "C": [], "R": []}
    for paths in counts:
        s = run(int(paths), 3, replicas=16)
        scatter["m"].append(np.sqrt(np.mean(s.standard_error("m")[1:] ** 2)))
        for name in ("C", "R"):
            scatter[name].append(s.errors[name])
    for name, values in scatter.items():
        slope = np.polyfit(np.log(counts), np.log(values), 1)[0]
        # -0.96 for m, -0.74 for C, -0.82 for R were measured; each scatter of 16 replicas is known
        # to 18 %, the slope to 0.06, so that chance raises one of them above -0.5 once in 10^4.
        assert slope <= -0.5, name


@pytest.mark.slow
def test_stated_errors_cover():
    runs = [run(2**10, seed, replicas=4) for seed in range(24)]
    best = np.mean([s.m for s in runs], axis=0)
    # 95 % intervals (Student, 3 degrees of freedom); times are correlated, so that the fraction
    # covered is that of about 24 independent runs: below 0.8 by chance in 1 of 300.
    covered = [np.abs(s.m - best)[1:] <= 3.18 * s.standard_error("m")[1:] for s in runs]
    assert np.mean(covered) > 0.8


def random_setting(rng, kind):
    """Return a model and the arguments of `solve`."""
    alpha, m0 = rng.uniform(1.0, 5.0), rng.uniform(0.05, 0.4)
    how = {"m0": m0, "step": rng.uniform(0.01, 0.03)}
    if kind in ("phase retrieval", "Langevin", "growth"):
        model = dmft.PhaseRetrieval(alpha, rng.uniform(0.6, 2.0))
        if kind == "Langevin":
            how["T"] = rng.uniform(0.05, 0.5)
        if kind == "growth":
            how["m0"] = 0.0
    else:
        loss = str(rng.choice(["logistic", "square"]))
        rho = rng.uniform(0.2, 0.8) if kind == "bias" else 0.5
        model = dmft.GaussianMixture(
            alpha, rng.uniform(0.3, 1.5), loss, rng.uniform(0.05, 0.3), rho, kind == "bias"
        )
        how["step"] *= 4.0
        if kind != "bias":
            how["batch"] = rng.uniform(0.2, 0.8)
        if kind == "persistent":
            how["persistence"] = rng.uniform(0.2, 2.0)
    return model, how | {"t_end": how["step"] * int(rng.integers(20, 50))}


@pytest.mark.slow
def test_stated_errors_cover_in_random_settings():
    # 20 settings against runs of four times the paths.  The stated level is 95 %; in 99 settings
    # (values of one run are correlated over time) 95 to 99 % were found for each quantity.
    rng, covered = np.random.default_rng(5), {}
    kinds = ("phase retrieval", "Langevin", "growth", "SGD", "persistent", "bias")
    for k in range(20):
        model, how = random_setting(rng, kinds[k % len(kinds)])
        few, many = (
            dmft.solve(model, paths=paths, response_paths=paths // 8, seed=10 * k + i,
                       progress=False, **how)
            for i, paths in enumerate((2**10, 2**12))
        )  # fmt: skip
        for name in ("m", "train_loss", "test_error", "growth", "C", "R"):
            if name in ("C", "R"):
                change = getattr(few.grid, f"{name}_packed") - getattr(many.grid, f"{name}_packed")
            elif name in few.series:
                change = (few.series[name] - many.series[name])[1:]
            else:
                continue
            stated = np.hypot(few.errors[name], many.errors[name]) + 1e-9
            covered.setdefault(name, []).append(np.abs(change).max() <= stated)
    # Of about 105 errors 5 miss at a level of 95 %; 12 or more do so by chance in 1 of 100.
    missed = sum(np.count_nonzero(~np.array(values)) for values in covered.values())
    assert missed <= 11, covered
