"""The model and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from dmft.systems.committee.model import CommitteeMachine


def test_defaults() -> None:
    machine = CommitteeMachine()
    assert (machine.K, machine.prior, machine.system) == (2, "gaussian", "committee")
    assert CommitteeMachine(K=2.0) == machine  # type: ignore[arg-type]
    assert hash(CommitteeMachine(2)) == hash(machine)
    assert "sign(sign(u_1) + sign(u_2))" in str(machine)
    assert "+1 or -1" in str(CommitteeMachine(1, "binary"))


@pytest.mark.parametrize("K", [3, 10])
def test_more_units_than_exist(K: int) -> None:
    with pytest.raises(ValueError, match=f"K = {K} is not allowed.*exists for K = 1.*and K = 2"):
        CommitteeMachine(K)


@pytest.mark.parametrize("K", [0, -1, 1.5, "2", True, None])
def test_no_number_of_units(K: Any) -> None:
    with pytest.raises(ValueError, match="K = "):
        CommitteeMachine(K)


@pytest.mark.parametrize(
    ("prior", "meant"), [("gausian", "gaussian"), ("Binary", "binary"), ("binery", "binary")]
)
def test_misspelled_prior(prior: Any, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean '{meant}'"):
        CommitteeMachine(1, prior)


@pytest.mark.parametrize("prior", ["ising", None, 3])
def test_unknown_prior(prior: Any) -> None:
    with pytest.raises(ValueError, match=r"must be 'gaussian' or 'binary'$"):
        CommitteeMachine(1, prior)
