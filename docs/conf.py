"""Configuration of Sphinx."""

from dmft import __version__

project = "dmft"
author = "The dmft developers"
release = __version__
extensions = ["sphinx.ext.autodoc", "sphinxcontrib.katex", "numpydoc", "myst_nb"]
# Formulas between dollars, as on every page of theory.
myst_enable_extensions = ["dollarmath", "amsmath"]
# KaTeX comes with the extension and writes MathML, which browsers show with their own fonts: the
# pages need no network.  `docs/check_offline.py` looks whether it stays so.
html_math_renderer = "katex"
katex_css_path = "katex-math.css"
katex_options = "output: 'mathml', throwOnError: false"
html_theme = "furo"
exclude_patterns = ["_build"]
nb_execution_mode = "cache"
# A first cell may have to wait for numba to compile the solver.
nb_execution_timeout = 600
nb_execution_raise_on_error = True
# Progress bars, and that a solver is compiled.
nb_output_stderr = "remove"
numpydoc_show_class_members = False
