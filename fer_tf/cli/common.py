"""What the commands share: the applications and the options they have in common."""

import sys
from typing import Annotated

import typer

from ..common.text import one_line

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="A course kit for facial expression recognition. Every command has --help with examples.",
)
data_app = typer.Typer(no_args_is_help=True, help="Looking at datasets, preparing, examining and splitting them.")
app.add_typer(data_app, name="data")

Experiment = Annotated[str, typer.Argument(help="An experiment of `list`.")]
DatasetName = Annotated[str, typer.Argument(help="A dataset of `list`.")]
Dataset = Annotated[str, typer.Option(help="A dataset of `list`.")]
DataDir = Annotated[
    str | None, typer.Option(help="Folder with one folder a dataset [default: $FER_TF_DATA, data/raw].")
]
Protocol = Annotated[
    str | None, typer.Option(help="How rows become train, val and test [default: the dataset's first].")
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", help="One option of the dataset, name=value (fold=3, classes=7, label_mode=probability)."),
]
Size = Annotated[str, typer.Option(help="full, quick or smoke.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="One setting, name=value; may be repeated.")]


def tell(text):
    """A remark in one line, beside what the command prints."""
    print(one_line(text), file=sys.stderr)
