"""What the commands share: the Typer applications and the common options."""

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
data_app = typer.Typer(no_args_is_help=True, help="Look at datasets, prepare, examine and split them.")
app.add_typer(data_app, name="data")

Experiment = Annotated[str, typer.Argument(help="An experiment; `fer-tf list` shows all.")]
DatasetName = Annotated[str, typer.Argument(help="A dataset; `fer-tf list` shows all.")]
Dataset = Annotated[str, typer.Option(help="A dataset; `fer-tf list` shows all.")]
DataDir = Annotated[
    str | None, typer.Option(help="Folder with one folder per dataset [default: $FER_TF_DATA, data/raw].")
]
Protocol = Annotated[
    str | None,
    typer.Option(help="How rows become train, val and test [default: the dataset's first protocol]."),
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        help="One option of the dataset, name=value (fold=3, classes=7, label_mode=probability); can be repeated.",
    ),
]
Size = Annotated[str, typer.Option(help="full, quick or smoke.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="One setting of `list settings`, name=value; can be repeated.")
]
# Options of the commands that look for faces.
BatchSize = Annotated[int, typer.Option(min=1, help="Pictures per step.")]
NoDetect = Annotated[bool, typer.Option("--no-detect", help="Take each picture as a ready face crop.")]
Detector = Annotated[
    str | None, typer.Option(help="mtcnn, haar, yunet or none [default: mtcnn, else haar]; haar is faster.")
]
FaceChoice = Annotated[str, typer.Option(help="all faces of a picture, or the largest.")]
FaceMargin = Annotated[float, typer.Option(help="Share of the face's side to add on every side.")]


def tell(text: object) -> None:
    """Prints a note on stderr in one line, so that it does not mix with the command's output."""
    print(one_line(text), file=sys.stderr)
