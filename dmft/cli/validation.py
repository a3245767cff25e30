"""`dmft validate`: the application of `validation`, whatever else has that name.

`validation` is a top-level package beside `dmft`, which never imports it otherwise.  A folder of
that name in the directory of a user, which comes first in the search with ``python -m dmft``, must
not be taken for it.
"""

from __future__ import annotations

import sys
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["own"]

NAME = "validation"


def own(module: str) -> Any:
    """Return a module of the package beside `dmft`, also in processes that are begun later.

    Raises
    ------
    ImportError
        It is not there, or another package of that name has been imported.
    """
    home = Path(__file__).parents[2]
    spec = find_spec(NAME)
    if spec is None or spec.origin is None or Path(spec.origin).parents[1] != home:
        if NAME in sys.modules:
            raise ImportError(f"another package of the name {NAME!r} has been imported")
        # Processes that are begun later search the same path.
        sys.path.insert(0, str(home))
        invalidate_caches()
    return import_module(f"{NAME}.{module}")


def __getattr__(name: str) -> Any:
    """Return `app`, the command, when it is called: not before something else is needed."""
    if name == "app":
        return own("cli").app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
