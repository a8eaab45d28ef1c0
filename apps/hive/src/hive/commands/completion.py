"""`hive completion`: have the shell complete Hive's commands and options."""

from enum import StrEnum, unique
from typing import Annotated

import typer

__all__ = ["EPILOG", "completion"]

EPILOG = (
    'In ~/.bashrc: eval "$(hive completion bash)". In ~/.zshrc, after compinit: '
    'eval "$(hive completion zsh)". For fish: '
    "hive completion fish > ~/.config/fish/completions/hive.fish"
)


@unique
class Shell(StrEnum):
    """A shell that can be taught."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="Which is to learn it.")],
) -> None:
    """Print the script that teaches a shell to complete what is typed after `hive`.

    Example: eval "$(hive completion bash)"
    """
    from typer.completion import (  # noqa: PLC0415
        get_completion_script,  # pyright: ignore[reportPrivateImportUsage] - made for this
    )

    from hive.printing import show  # noqa: PLC0415

    script = get_completion_script(prog_name="hive", complete_var="_HIVE_COMPLETE", shell=shell)
    show(script)
