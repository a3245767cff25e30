"""The figure of a run of every system: labelled axes, named curves, parameters as papers write."""

import re

import pytest

import dmft
from dmft import figures
from dmft.cli import main

RUNS = {
    "spiked": ("solve --p 3 --delta-2 0.7 --delta-p 1 --m0 0.1 --t-end 5 --preset loose",
               [r"$\Delta_{2}=0.7$", "$m_0=0.1$", "$T=0$"]),
    "two_layer": ("two-layer solve --K 2 --M 2 --learning-rate 0.5 --t-end 5 --n 100",
                  ["$K=2$", r"$\eta=0.5$", r"$\sigma=0$", r"$\epsilon_g(0)="]),
    "phase_retrieval": (
        "phase-retrieval solve --alpha 4 --m0 0.2 --step 0.1 --t-end 1 --paths 64",
        ["Phase retrieval", r"$\alpha=4$", "$a=1$", "$m_0=0.2$", "step = 0.1"],
    ),
    "mixture": (
        "mixture solve --alpha 2 --delta 0.5 --m0 0.1 --step 0.1 --t-end 1 --paths 64",
        ["Gaussian mixture", r"$\Delta=0.5$", "logistic loss", r"$\lambda=0.1$", r"$\rho=0.5$"],
    ),
    "committee": ("committee fixed-point --alpha 3",
                  ["$K=2$", "Gaussian weights", r"$\alpha=3$", "start = uninformed"]),
    "generative": (
        "generative fixed-point --alpha 2 --delta 0.5 --activation sign",
        [r"$\alpha=2$", r"$\Delta=0.5$", "sign activation", "Wigner channel", "fixed point"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_figure_says_what_it_shows(name, tmp_path):
    pytest.importorskip("matplotlib")
    command, told = RUNS[name]
    assert main([*command.split(), "--output", str(tmp_path / "run.nc")]) == 0
    figure = dmft.load(tmp_path / "run.nc").plot()
    title = figure.get_suptitle()
    assert all(part in title for part in told), title
    assert not re.search(r"(?<!\\)\b(alpha|delta|sigma|ridge) ?=", title)
    for ax in figure.axes:
        assert ax.get_xlabel()
        assert ax.get_ylabel()
        curves = [line for line in ax.lines if len(line.get_xdata()) > 2]
        if len(curves) > 1:
            assert len(ax.get_legend().get_texts()) >= len(curves)
    figure.savefig(tmp_path / "run.png")


def test_parameters_in_mathtext():
    assert figures.typeset("alpha = 1e-3, m0=2, K = 3.") == r"$\alpha=0.001$, $m_0=2$, $K=3$"
    told = figures.typeset("learning_rate = PowerLaw(value=1), alphabet = 3")
    assert told == r"$\eta=$PowerLaw(value=1), alphabet = 3"
    assert figures.given(dmft.PhaseRetrieval(4.0, None)) == "alpha = 4"
