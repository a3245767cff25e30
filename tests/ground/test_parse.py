"""Texts that stand for numbers, and what recipes have in their place."""

import pytest

from dmft import parse
from dmft.schedules import PowerLaw


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("2=0.9,3=1.5", {2: 0.9, 3: 1.5}),
        (" 2 = 0.9 , 4=1e-3", {2: 0.9, 4: 1e-3}),
        ({"2": 0.9, "3": 1}, {2: 0.9, 3: 1.0}),
        ({2: "0.9"}, {2: 0.9}),
    ],
)
def test_numbers_by_order(value, found):
    assert parse.by_order("channels", value) == found


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("2", "channels = '2' is not allowed: it must look like 2=0.9,3=1.5"),
        ("", "channels = '' is not allowed: it must look like 2=0.9,3=1.5"),
        ("2=1,", "it must look like 2=0.9,3=1.5"),
        ("two=1", "'two' is no order"),
        ("-2=1", "'-2' is no order"),
        ("2=1,2=3", "order 2 is given twice"),
        ("2=1, 2 =3", "order 2 is given twice"),
        ("2=much", r"channels\[2\] = 'much' is not allowed: it must be a number"),
        ("2=1e-400", r"channels\[2\] = '1e-400' is not allowed: it must be 0 or at least 5e-324"),
        ({"a": 1}, "'a' is no order"),
        ({2: True}, r"channels\[2\] = True is not allowed: it must be a number"),
        ({2: [1]}, r"channels\[2\] = \[1\] is not allowed"),
        (3, "channels = 3 is not allowed: it must be like { 2 = 0.9 }"),
    ],
)
def test_bad_numbers_by_order(value, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse.by_order("channels", value)


@pytest.mark.parametrize("value", ["1,10,1e2", [1, 10, 100.0], (1, "10", 100)])
def test_numbers(value):
    assert parse.numbers("times", value) == [1.0, 10.0, 100.0]
    assert parse.numbers("times", value, count=3) == [1.0, 10.0, 100.0]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("1,2", "anneal = '1,2' is not allowed: it must be numbers, such as 1,10,100"),
        ([], r"anneal = \[\] is not allowed"),
        ("1,,2", "anneal = '' is not allowed: it must be a number"),
        ([1, None, 2], "anneal = None is not allowed: it must be a number"),
        ([1, True, 2], "anneal = True is not allowed: it must be a number"),
    ],
)
def test_bad_numbers(value, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse.numbers("anneal", value, count=3)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("0.5", 0.5),
        (2, 2.0),
        ("1,2,0.5", PowerLaw(1.0, 2.0, 0.5)),
        ([1, 2, 0.5], PowerLaw(1.0, 2.0, 0.5)),
    ],
)
def test_schedules(value, found):
    assert parse.schedule("T", value) == found


@pytest.mark.parametrize("value", ["1,2", "hot", [], [1, 2], "1,2,3,4", None, True])
def test_bad_schedules(value):
    with pytest.raises(ValueError, match=r"T = .* is not allowed: it must be a number"):
        parse.schedule("T", value)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["0.5", "1"], [0.5, 1.0]),
        ("0.5,1", [0.5, 1.0]),
        (0.5, [0.5]),
        ("0.1:0.5:0.1", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("1:2:0.3", [1.0, 1.3, 1.6, 1.9]),
        (["3", "1:1:1"], [3.0, 1.0]),
        ("0.01:100:log5", [0.01, 0.1, 1.0, 10.0, 100.0]),
    ],
)
def test_grids(values, found):
    assert parse.grid("delta_p", values) == pytest.approx(found, rel=1e-15)


def test_a_fine_grid_has_all_its_points():
    found = parse.grid("delta_p", "0:1:1e-4")
    assert len(found) == 10001
    assert found[3] == 0.0003
    assert found[-1] == 1.0


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ("1:2", "delta_p = '1:2' is not allowed: a grid is FIRST:LAST:STEP"),
        ("1:2:3:4", "a grid is FIRST:LAST:STEP"),
        ("2:1:0.1", "FIRST <= LAST and STEP > 0 must hold"),
        ("1:2:0", "FIRST <= LAST and STEP > 0"),
        ("1:2:nan", "FIRST <= LAST and STEP > 0"),
        ("0:1:1e-9", "at most 100000 points"),
        ("1:inf:1", "delta_p = inf is not allowed: it must be a finite number"),
        ("0:1:log5", "0 < FIRST < LAST must hold"),
        ("1:2:log1", r"it must be an integer in \[2, 100000\]"),
        ("1:2:log", "it must be a number"),
        ("1:x:1", "delta_p = 'x' is not allowed: it must be a number"),
        (["1", "x"], "delta_p = 'x' is not allowed"),
    ],
)
def test_bad_grids(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse.grid("delta_p", values)
