"""Check values: the rows that a test compares with, copied beside the tests."""

import csv
from pathlib import Path

HERE = Path(__file__).parent


def rows(name):
    """Return the rows of a table of check values, as dictionaries of texts."""
    with (HERE / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
