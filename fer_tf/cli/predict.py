"""The command that predicts."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..quiet import import_keras
from .common import app


@app.command(
    epilog="Examples: `fer-tf predict photos/ --model models/cnn-synthetic-identity-seed0.h5 --out scores.csv`, "
    "`fer-tf predict a.jpg b.png --model X.h5 --no-detect`"
)
def predict(
    images: Annotated[list[str], typer.Argument(help="Pictures and folders (searched through).")],
    model: Annotated[str, typer.Option(help="A .h5 or .keras file.")],
    out: Annotated[Path | None, typer.Option(help="The csv to write [default: a table on the screen].")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures a step.")] = 64,
    no_detect: Annotated[bool, typer.Option("--no-detect", help="Take each picture as a ready face crop.")] = False,
    detector: Annotated[
        str | None, typer.Option(help="mtcnn, haar, yunet or none [default: mtcnn, else haar].")
    ] = None,
    faces: Annotated[str, typer.Option(help="all faces of a picture, or the largest.")] = "all",
    margin: Annotated[float, typer.Option(help="Share of the face's side added on every side.")] = 0.0,
):
    """Predicts the emotion of the faces in pictures, one row a face.

    Where no face is found the whole picture is taken, and the column `detected` says so. A file that cannot be read has
    its reason in the column `error`; the rest is done, and the exit code is 1.
    """
    import_keras()
    from ..checks import InputError
    from ..predict import EmotionRecognizer, collect_files

    files = collect_files(images, leave_out=[out] if out else [])
    if not files:
        raise InputError(f"{', '.join(images)}: holds no file")
    recognizer = EmotionRecognizer(model, batch_size, "none" if no_detect else detector, faces, margin)
    if out is None:
        frame = recognizer.predict(files)
        print(frame[["path", "face", "detected", "label", "confidence", "error"]].to_string(index=False, na_rep=""))
        failed = list(frame.loc[frame["error"] != "", ["path", "error"]].itertuples(index=False, name=None))
    else:
        failed = recognizer.predict_to_csv(files, out, progress=sys.stderr.isatty())
        print(f"{len(files) - len(failed)} of {len(files)} files predicted; {out}")
    for path, error in failed:
        print(f"not read: {path}: {error}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)
