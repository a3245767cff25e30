"""What a system is to validation: the shared rooms ask a `SystemChecks`, and name no system.

A system describes itself in ``validation/systems/<name>/system.py`` and has a line in
``validation/systems/__init__.py``.  Everything of it is named as "module:attribute" and loads when
it is used, so that this is light to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from dmft.systems.base import Command

if TYPE_CHECKING:
    from validation.evidence import Claim

__all__ = ["Command", "SystemChecks", "resolve"]


class SystemChecks(NamedTuple):
    """The claims, commands and tables of one system.

    Attributes
    ----------
    name : str
        Name of the system, as in `dmft.systems.SYSTEMS`.
    title : str
        Heading of its section on the page of evidence.
    about : str
        A paragraph for that section: what is simulated, and what the symbols mean.
    claims : str
        "module:attribute" of a mapping of keys to claims (`validation.evidence.Claim`).
    slow : tuple of str
        Keys of the claims that take minutes, the slowest first: they are begun first.
    commands : tuple of Command
        Commands below ``dmft validate``; a system with several may give one command whose home is a
        cyclopts App.
    runs : str
        "module:function" that returns the `validation.runs.RunFormat` of a user's runs that are
        compared with a solution; empty: only the names of the solution's quantities are known.
    tables : str
        "module:attribute" of the reference tables that are simulated; empty: there are none.
    simulator : str
        "module:attribute" of the simulation, or of an object with several of them, that the main
        job compares the theory with; empty: the system's part in the main job needs none.
    """

    name: str
    title: str
    about: str
    claims: str
    slow: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    runs: str = ""
    tables: str = ""
    simulator: str = ""

    def load_claims(self) -> Mapping[str, Claim]:
        """Import the claims."""
        found: Mapping[str, Claim] = resolve(self.claims)
        return found


def resolve(home: str) -> Any:
    """Return what "module:attribute" names."""
    module, _, attribute = home.partition(":")
    return getattr(import_module(module), attribute)
