"""The claims about generalized linear models at their quick size: same seeds, same verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dmft
from dmft.cli import main
from validation.comparison import compare, compare_limits
from validation.evidence import Evidence
from validation.systems import SYSTEMS
from validation.systems.glm import compare as runs
from validation.systems.glm import hessian
from validation.systems.glm.claims import CLAIMS, WRONG, WrongPhaseRetrieval
from validation.systems.glm.compare import Case, ensemble, theory
from validation.systems.glm.simulate import simulate

SMALL = runs.SETTINGS["logistic"]._replace(steps=(2, 5))


def status(*words: Any) -> int:
    return main([str(word) for word in words])


def test_a_quick_claim_holds() -> None:
    found = CLAIMS["logistic"](True)
    assert found.word == "holds"
    assert set(found.table["quantity"]) == {"m", "q", "train_loss", "C"}
    assert Evidence.parse(found.dump()).verdict == found.verdict


@pytest.mark.slow
@pytest.mark.parametrize("key", [key for key in CLAIMS if key != "logistic"])
def test_other_quick_claims_are_not_refuted(key: str) -> None:
    found = CLAIMS[key](True)
    assert not found.fails
    if key.startswith("wrong"):
        assert found.word == "holds"


def test_claims_are_named() -> None:
    assert dict(SYSTEMS["glm"].load_claims()) == CLAIMS
    assert set(SYSTEMS["glm"].slow) <= set(CLAIMS)


def test_the_wrong_theory_is_wrong() -> None:
    """The error is in l'', which the kernel A is made of, and in nothing else."""
    right, wrong = dmft.PhaseRetrieval(4.0).setting(), WrongPhaseRetrieval(4.0).setting()
    y, h = np.array([0.5, 1.0]), np.array([0.2, -2.0])
    assert wrong.loss.curvature(y, h) == pytest.approx(WRONG * right.loss.curvature(y, h))
    assert np.array_equal(wrong.loss.derivative(y, h), right.loss.derivative(y, h))


def test_ensemble_is_the_algorithm() -> None:
    """The series are those of `simulate`, at the chosen steps, from the same streams."""
    found = ensemble(SMALL, n=40, seeds=3, root_seed=5)
    streams = np.random.SeedSequence([5, 40]).spawn(3)
    for k, stream in enumerate(streams):
        one = runs.Instance(SMALL.model.setting(), 40, np.random.default_rng(stream))
        m, q, loss, C0 = one.run(SMALL.start, SMALL.options, 5, 1)
        for name, values in (("m", m), ("q", q), ("train_loss", loss)):
            assert np.array_equal(found[name][k], values[[0, 2, 5]])
        assert found["C"][k, :, 0] == pytest.approx(C0[[0, 2, 5]], rel=1e-12)
    every = simulate(SMALL.model, SMALL.start, SMALL.options, steps=5, n=40, seeds=2)
    assert every.m.shape == (2, 6)
    assert np.array_equal(found.t, [0.0, 0.4, 1.0])


def test_errors_of_the_theory_count() -> None:
    """64 paths: the theory scatters as much as 200 instances do, and it is not refuted for that."""
    case: Case = runs.SETTINGS["phase-retrieval"]._replace(steps=(2, 5))
    sampled = theory(case, paths=64)
    result = compare(sampled, ensemble(case, n=60, seeds=200))
    assert not result.verdict.refuted
    m = result.table["quantity"] == "m"
    own = sampled.standard_error("m")[[2, 5]]
    assert np.all(result.table["standard_error"][m] > own)
    rows = sampled.scatter("m", case.t, np.full(2, np.nan))
    assert np.sqrt((rows**2).sum(axis=0)) == pytest.approx(own)
    assert any("sampled itself" in note for note in result.notes)


def test_limits_take_out_a_term_in_1_over_n() -> None:
    rng = np.random.default_rng(0)
    samples = {n: 0.5 + 3.0 / n + rng.normal(0.0, 0.01, (200, 1)) for n in (50, 100)}
    assert not compare_limits(["m"], [0.5], samples).verdict.refuted
    assert compare_limits(["m"], [0.5], {50: samples[50]}).verdict.refuted
    assert compare_limits(["m"], [0.6], samples).verdict.refuted


def test_hessians_need_an_even_size() -> None:
    assert hessian.repeat(dmft.PhaseRetrieval(2.0), 10, 2).shape == (2, 2)
    with pytest.raises(ValueError, match="n = 11"):
        hessian.repeat(dmft.PhaseRetrieval(2.0), 11, 2)


def solved(path: Any, *words: Any) -> int:
    few = ("--paths", 256, "--t-end", 0.5, "--step", 0.1, "--m0", 0.3, "--output", path)
    return status(*words, *few)


def test_commands_and_own_runs(tmp_path: Any, capsys: Any) -> None:
    """A saved run is simulated, and the runs are compared like a user's own."""
    run, table = tmp_path / "run.nc", tmp_path / "runs.csv"
    assert solved(run, "phase-retrieval", "solve", "--alpha", 3) == 0
    words = ("--n", 30, 60, "--seeds", 30, "--runs", table)
    assert status("validate", "glm", "dynamics", "--theory", run, *words) == 0
    assert table.read_text().startswith("t,m,train_loss,seed,N,m0,q0,alpha,a,step")
    assert status("validate", "compare", "--theory", run, "--simulation", table) == 0
    assert "N = 60: 30 runs" in capsys.readouterr().out
    other = tmp_path / "other.nc"
    assert solved(other, "phase-retrieval", "solve", "--alpha", 4) == 0
    assert status("validate", "compare", "--theory", other, "--simulation", table) == 2
    assert "alpha = 3, but the theory has 4" in capsys.readouterr().err
    mixed = tmp_path / "mixture.nc"
    assert solved(mixed, "mixture", "solve", "--alpha", 2, "--delta", 1) == 0
    few = ("--n", 40, "--seeds", 20, "--runs", tmp_path / "mixture.csv")
    assert status("validate", "glm", "dynamics", "--theory", mixed, *few) == 0
    assert ",q,seed" in (tmp_path / "mixture.csv").read_text()
    assert status("validate", "glm", "erm", "--alpha", 2, "--delta", 1, "--loss", "square") == 0


def test_bad_input(tmp_path: Any, capsys: Any) -> None:
    run = tmp_path / "run.nc"
    assert solved(run, "mixture", "solve", "--alpha", 2, "--delta", 1) == 0
    for words, told in (
        (("--n", 5), "n = 5"),
        (("--n", 100000), "n = 100000"),
        (("--seeds", 1), "seeds = 1"),
        (("--runs", run), "exists"),
    ):
        assert status("validate", "glm", "dynamics", "--theory", run, *words) == 2
        assert told in capsys.readouterr().err
    words = ("--alpha", 2, "--delta", 1, "--ridge", 0)
    assert status("validate", "glm", "erm", *words) == 2
    assert "separable" in capsys.readouterr().err
