"""`fastconnect completion`: prints the script that makes a shell complete fastconnect's commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what SHELL needs to complete fastconnect's commands, options and file names.

    \b
    Examples:
      fastconnect completion bash >> ~/.bashrc
      fastconnect completion zsh >> ~/.zshrc
      fastconnect completion fish > ~/.config/fish/completions/fastconnect.fish
    """
    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(completer(ctx.find_root().command, {}, "fastconnect", "_FASTCONNECT_COMPLETE").source())
