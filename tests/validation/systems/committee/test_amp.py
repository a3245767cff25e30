"""Message passing on instances, against state evolution and against definitions.

Comparisons are judged by the shared criterion: a right theory is refuted in at most 1 of 1000 of
them.  The seeds are fixed, so that a test passes always or never on one platform.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dmft.systems.committee import theory
from dmft.systems.committee.model import CommitteeMachine
from validation.comparison import Comparison, compare_numbers
from validation.systems.committee import amp, compare, instances
from validation.systems.committee.compare import Setting

# Much more asymmetric than the fluctuations, 1/sqrt(N), so that no unit changes places.
ASYMMETRIC = np.array([[0.5, 0.1], [0.1, 0.5]])
# Away from the transitions: 1.49 (K = 1, binary), 2.05 (K = 2, Gaussian), 1.59 and 1.98 (K = 2,
# binary).  The number of iterations is large enough for state evolution to be within 1e-4 of its
# fixed point.
SETTINGS = (
    (CommitteeMachine(1, "gaussian"), 0.5, 20),
    (CommitteeMachine(1, "gaussian"), 1.5, 20),
    (CommitteeMachine(1, "gaussian"), 4.0, 25),
    (CommitteeMachine(1, "binary"), 0.6, 20),
    (CommitteeMachine(1, "binary"), 1.1, 40),
    (CommitteeMachine(2, "gaussian"), 0.7, 30),
    (CommitteeMachine(2, "gaussian"), 1.2, 40),
    (CommitteeMachine(2, "gaussian"), 3.0, 70),
    (CommitteeMachine(2, "gaussian"), 4.0, 60),
    (CommitteeMachine(2, "binary"), 0.6, 30),
    (CommitteeMachine(2, "binary"), 1.1, 50),
)
# Above the AMP thresholds of binary weights instances are solved.
PERFECT = ((CommitteeMachine(1, "binary"), 2.0), (CommitteeMachine(2, "binary"), 2.6))


def start(machine: CommitteeMachine) -> np.ndarray:
    return np.array([[0.05]]) if machine.K == 1 else ASYMMETRIC


def against_theory(setting: Setting, samples: np.ndarray) -> Comparison:
    """Compare each iteration with state evolution from the same start."""
    path = theory.state_evolution(setting.machine, setting.alpha, setting.q0, setting.steps)
    expected = compare._entries(path)[1:].ravel()
    names = [f"entry {k}" for k in range(expected.size)]
    return compare_numbers(names, expected, samples[:, 1:].reshape(len(samples), -1))


@pytest.mark.parametrize(
    ("machine", "alpha"),
    [
        (CommitteeMachine(1, "gaussian"), 1.5),
        (CommitteeMachine(1, "binary"), 0.6),
        (CommitteeMachine(2, "gaussian"), 3.0),
        (CommitteeMachine(2, "binary"), 0.6),
    ],
)
def test_small_instances_follow_state_evolution(machine: CommitteeMachine, alpha: float) -> None:
    """Eight instances of N = 500, the first six iterations from a well-informed start."""
    q0 = np.array([[0.5]]) if machine.K == 1 else ASYMMETRIC
    setting = Setting(machine, alpha, 500, q0, 6)
    samples = compare.measure(setting, range(8))
    assert np.abs(samples[:, 0].mean(axis=0) - q0[0]).max() < 0.05
    assert not against_theory(setting, samples).verdict.refuted


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "alpha", "steps"), SETTINGS)
def test_state_evolution_at_2000(machine: CommitteeMachine, alpha: float, steps: int) -> None:
    """Ten instances of N = 2000: |z| <= 3 at the fixed point, and all iterations together.

    z is the normal variable of the same probability as Student's ratio.  There are 17 entries at
    fixed points, of which any is beyond 3 by chance with probability 0.045, and 11 trajectories, of
    which any is refuted with probability 0.011 or less.
    """
    setting = Setting(machine, alpha, 2000, start(machine), steps)
    samples = compare.measure(setting, range(10))
    end = theory.state_evolution(machine, alpha, setting.q0, steps)[-1]
    assert end == pytest.approx(theory.fixed_point(machine, alpha, "uninformed").q, abs=1e-4)
    last, expected = samples[:, -1], compare._entries(end[None])[0]
    ratio = (last.mean(axis=0) - expected) / (last.std(axis=0, ddof=1) / np.sqrt(len(last)))
    z = stats.norm.isf(stats.t.sf(np.abs(ratio), len(last) - 1))
    assert z.max() <= 3.0
    assert not against_theory(setting, samples).verdict.refuted


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "alpha"), PERFECT)
def test_perfect_recovery_at_2000(machine: CommitteeMachine, alpha: float) -> None:
    """All but a few weights, as an instance may become certain of some too early; and it stays."""
    setting = Setting(machine, alpha, 2000, start(machine), 40)
    samples = compare.measure(setting, range(3))
    assert samples[:, -10:].reshape(3, 10, -1)[:, :, 0].min() > 0.97


def test_gradient_of_the_labels() -> None:
    """g = d ln Z/d omega by differences of the probability, with unequal widths."""
    rng = np.random.default_rng(3)
    omega, V = 0.6 * rng.standard_normal((40, 2)), np.array([[0.7, -0.2], [-0.2, 0.4]])
    y = np.repeat([1, -1, 0, 0], 10)

    def log_probability(omega: np.ndarray) -> np.ndarray:
        h = omega / np.sqrt(np.diag(V))
        r = V[0, 1] / np.sqrt(V[0, 0] * V[1, 1])
        return np.log(amp._pair_probability(y, h, r, np.sqrt(1.0 - r * r)))

    for k in range(2):
        step = 1e-5 * np.eye(2)[k]
        numeric = (log_probability(omega + step) - log_probability(omega - step)) / 2e-5
        assert amp._labels(y, omega, V)[:, k] == pytest.approx(numeric, abs=1e-7)


def test_probability_of_the_labels_by_sampling() -> None:
    """400,000 fields at one point: |z| <= 4 in three labels, a false alarm in 5000."""
    rng, V = np.random.default_rng(4), np.array([[0.7, -0.2], [-0.2, 0.4]])
    omega = np.array([0.3, -0.5])
    u = omega + rng.standard_normal((400_000, 2)) @ np.linalg.cholesky(V).T
    labels = np.sign(np.sign(u).sum(axis=1))
    h, r = omega / np.sqrt(np.diag(V)), V[0, 1] / np.sqrt(V[0, 0] * V[1, 1])
    for y in (1, -1, 0):
        p = amp._pair_probability(np.array([y]), h[None], r, np.sqrt(1.0 - r * r))[0]
        error = np.sqrt(p * (1.0 - p) / len(labels))
        assert abs(np.mean(labels == y) - p) < 4.0 * error


def test_alignment() -> None:
    teacher = np.array([[[0.2, 0.1], [0.1, 0.2]], [[0.1, 0.7], [0.6, 0.2]]])
    own = np.array([[[0.2, 0.1], [0.1, 0.3]], [[0.5, 0.1], [0.1, 0.8]]])
    run = amp.aligned(amp.Run(teacher, own))
    assert run.teacher[-1].tolist() == [[0.6, 0.2], [0.1, 0.7]]
    assert run.teacher[0].tolist() == [[0.1, 0.2], [0.2, 0.1]]
    assert run.own[-1].tolist() == [[0.8, 0.1], [0.1, 0.5]]


def test_instances() -> None:
    machine = CommitteeMachine(2, "binary")
    instance = instances.draw(machine, 1.5, 200, 7)
    assert instance.X.dtype == np.float32
    assert instance.X.shape == (300, 200)
    assert set(np.unique(instance.W)) == {-1.0, 1.0}
    assert set(np.unique(instance.y)) == {-1, 0, 1}
    again = instances.draw(machine, 1.5, 200, 7)
    assert np.array_equal(again.y, instance.y)
    assert set(np.unique(instances.draw(CommitteeMachine(1), 1.5, 200, 7).y)) == {-1, 1}
    with pytest.raises(ValueError, match="alpha"):
        instances.draw(machine, 0.0, 200, 7)
