"""All commands of the command line."""

import typer

from fer_tf.cli import app


def _commands(command, path=()):
    """(words of the command, click command) of every command, those of groups included."""
    for name, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from _commands(child, (*path, name))
        else:
            yield (*path, name), child


ROOT = typer.main.get_command(app)
COMMANDS = dict(_commands(ROOT))
