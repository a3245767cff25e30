"""Short public import paths, and those of earlier versions: ``import dmft.theory.thresholds``.

The code of a system lives in ``dmft/systems/<system>/``.  Users import it by short names, which
stay the same when a file moves.  An alias is the module itself, not a copy: a class has one home.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from dmft.systems import SYSTEMS

__all__ = ["install"]

SPIKED = "dmft.systems.spiked"
# A module, or a package with all that is below it.
EARLIER = {
    "dmft.analysis": f"{SPIKED}.analysis",
    "dmft.equations": f"{SPIKED}.equations",
    "dmft.growth": f"{SPIKED}.growth",
    "dmft.model": f"{SPIKED}.model",
    "dmft.observables": f"{SPIKED}.observables",
    "dmft.plots": f"{SPIKED}.plots",
    "dmft.protocol": f"{SPIKED}.protocol",
    "dmft.solvers": f"{SPIKED}.solvers",
    "dmft.stop": "dmft.run.stop",
}


def _home(name: str) -> str | None:
    """Return the name of the module that an alias stands for, or None if it is no alias."""
    if not name.startswith("dmft."):
        return None
    for alias, home in EARLIER.items():
        if name == alias or name.startswith(f"{alias}."):
            return home + name[len(alias) :]
    if name.startswith("dmft.theory."):
        short = name.removeprefix("dmft.theory.")
        return next((s.theory[short] for s in SYSTEMS.values() if short in s.theory), None)
    return None


class _Aliases:
    """Finds an alias before the import system looks for a file.

    It comes first: below an alias of a package the import system would find the files of that
    package, and load each a second time under its alias.

    A finder and loader in the sense of :mod:`importlib.abc`, which takes 25 ms to import.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        home = _home(fullname)
        return None if home is None else ModuleSpec(fullname, self, origin=home)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(str(spec.origin))
        # The import system is about to overwrite it with that of the alias.
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


def install() -> None:
    """Make the import system know the aliases, once."""
    if not any(isinstance(finder, _Aliases) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Aliases())
