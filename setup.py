"""Build step that pyproject.toml cannot say: the reference tables go into the wheel.

They lie beside the package in the sources, in ``data``, and inside it once it is installed, as
``dmft/reference_data``; :mod:`dmft.data` looks in both places.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithTables(build_py):
    """Build the packages, and copy the tables into them."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "dmft" / "reference_data"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(Path(__file__).parent / "data", target)


setup(cmdclass={"build_py": BuildWithTables})
