"""The examples in the docstrings of the shared rooms."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("name", ["comparison", "ensemble", "statistics"])
def test_examples(name):
    found = doctest.testmod(import_module(f"validation.{name}"))
    assert found.attempted > 0
    assert found.failed == 0
