"""The command that makes shells complete commands and options: completion."""

from __future__ import annotations

from typing import Literal

from dmft.arguments import OK

__all__ = ["completion"]


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print what makes a shell complete commands and options; changes nothing by itself.

    Parameters
    ----------
    shell
        Which shell: bash, zsh or fish.  For bash: dmft completion bash >
        ~/.local/share/bash-completion/completions/dmft, and a new terminal.
    """
    from dmft.cli.base import app

    print(app.meta.generate_completion(prog_name="dmft", shell=shell))
    return OK
