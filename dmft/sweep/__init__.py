"""Many runs: a recipe (TOML) names them, any `concurrent.futures.Executor` does them, a folder
keeps them."""

from dmft.run.job import Job
from dmft.sweep.collect import collect
from dmft.sweep.execute import Outcome, execute
from dmft.sweep.folder import Folder
from dmft.sweep.recipe import read

__all__ = ["Folder", "Job", "Outcome", "collect", "execute", "read"]
