"""Configuration of Sphinx."""

from dmft import __version__

project = "dmft"
author = "The dmft developers"
release = __version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.mathjax", "numpydoc", "myst_nb"]
# Formulas between dollars, as on every page of theory.
myst_enable_extensions = ["dollarmath", "amsmath"]
html_theme = "furo"
exclude_patterns = ["_build"]
nb_execution_mode = "cache"
# A first cell may have to wait for numba to compile the solver.
nb_execution_timeout = 600
nb_execution_raise_on_error = True
# Progress bars, and that a solver is compiled.
nb_output_stderr = "remove"
numpydoc_show_class_members = False
