"""What a system is to the rest of the house: services ask a System, and name none.

A system is a subclass in ``dmft/systems/<name>/system.py``, named in ``dmft/systems/__init__.py``.
Importing it is light: it holds names, and its methods import what they need when they are called.
A system without dynamics leaves out what runs need.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from dmft.solution import Solution
    from dmft.storage import Contents

__all__ = ["Command", "System"]


class Command(NamedTuple):
    """A command of the command line: its name, "module:function", and a line of help."""

    name: str
    home: str
    help: str


class System:
    """One system that the package solves."""

    # In files and recipes, and the name of its folders.
    name: ClassVar[str]
    title: ClassVar[str]
    # Public name -> module that has it; which of them are models; name in `dmft.theory` -> module.
    exports: ClassVar[Mapping[str, str]]
    models: ClassVar[tuple[str, ...]]
    theory: ClassVar[Mapping[str, str]]
    commands: ClassVar[tuple[Command, ...]] = ()

    def solve(self, model: Any, t_end: float, **how: Any) -> Solution:
        """Integrate the dynamics of a model."""
        raise ValueError(f"the system {self.name!r} has no dynamics: see dmft.theory.{self.name}")

    def resume(
        self, before: Any, path: str | os.PathLike[str], t_end: float | None, **how: Any
    ) -> Solution:
        """Go on with a saved run."""
        raise ValueError(f"{str(path)!r} cannot be continued: system {self.name!r} cannot go on")

    def restore(self, contents: Contents) -> Solution:
        """Return the run that a file holds."""
        raise ValueError(f"the system {self.name!r} has no runs")
