"""The figure of z-scores, and how texts of a page are typeset."""

import html

import numpy as np
import pytest

pytest.importorskip("plotly")

from dmft.report.scores import read, scores
from dmft.report.typography import typeset

HEADER = "quantity,theory,mean,standard_error,z"


def figure_of(tmp_path, text):
    (tmp_path / "z.csv").write_text(text)
    return scores(read(tmp_path / "z.csv")).figure


def test_z_is_drawn_against_time(tmp_path):
    rows = "".join(f"m,0,0,1,{k},{t}\n" for k, t in enumerate((0.5, 2.0, 10.0)))
    figure = figure_of(tmp_path, f"{HEADER},t\n{rows}")
    (points,) = figure.data
    np.testing.assert_array_equal(points.x, [0.5, 2.0, 10.0])
    assert (figure.layout.xaxis.title.text, figure.layout.xaxis.type) == ("t", "linear")
    late = figure_of(tmp_path, f"{HEADER},t\nm,0,0,1,1,0.5\nm,0,0,1,1,1e4\n")
    assert late.layout.xaxis.type == "log"
    assert len(late.layout.shapes) == 1  # the band |z| <= 2


def test_entries_without_a_time_are_drawn_against_what_varies(tmp_path):
    rows = "".join(f"eg,0,0,1,{k},{alpha},500\n" for k, alpha in enumerate((0.5, 1.0, 1.5)))
    figure = figure_of(tmp_path, f"{HEADER},alpha,N\n{rows}")
    assert figure.layout.xaxis.title.text == "alpha"
    np.testing.assert_array_equal(figure.data[0].x, [0.5, 1.0, 1.5])
    both = figure_of(tmp_path, f"{HEADER},t\nm,0,0,1,1,2.0\nm,0,0,1,1,\n")
    titles = (both.layout.xaxis.title.text, both.layout.xaxis2.title.text)
    assert titles == ("t", "entry without a time")
    assert len(both.layout.shapes) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Lagrange multiplier mu(t)", "Lagrange multiplier &mu;(t)"),
        ("1/Delta_2, delta_p", "1/&Delta;<sub>2</sub>, &delta;<sub>p</sub>"),
        ("m0 = 1e-10, 2.5e+06", "m<sub>0</sub> = 10<sup>-10</sup>, 2.5&times;10<sup>6</sup>"),
        ("q_v, R_0_1, run_name", "q<sub>v</sub>, R<sub>0,1</sub>, run_name"),
        ("9cfdc6beed6d: 560190472e61, 1234567890e1", "9cfdc6beed6d: 560190472e61, 1234567890e1"),
        ("museum, theta1, &lt;y&gt;", "museum, theta1, &lt;y&gt;"),
    ],
)  # fmt: skip
def test_texts_are_typeset(text, shown):
    assert html.unescape(typeset(text)) == html.unescape(shown)
