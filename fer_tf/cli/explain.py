"""The command that shows what a model looks at."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..common.quiet import import_keras
from .common import (
    BatchSize,
    Channels,
    Classes,
    Detector,
    FaceChoice,
    FaceMargin,
    Guess,
    Logits,
    NoDetect,
    Pixels,
    app,
    declared,
    tell,
)


@app.command(
    epilog="Examples: `fer-tf explain photos/ --out maps`, "
    "`fer-tf explain a.jpg --model X.h5 --method gradcam,occlusion --target fear --no-detect --out maps`, "
    "`fer-tf explain photos/ --model theirs.hdf5 --pixels 0..1 --classes alphabetical --out maps`"
)
def explain(
    images: Annotated[list[str], typer.Argument(help="Pictures, and folders with all their subfolders.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    model: Annotated[str | None, typer.Option(help="A .h5 or .keras file [default: ferplus.h5, which ships].")] = None,
    method: Annotated[
        str,
        typer.Option(
            help="auto (hirescam if the model flattens its last map, gradcam if it pools it), cam, gradcam, "
            "gradcam++, hirescam, occlusion, integrated_gradients, smoothgrad, attention; separate several by commas."
        ),
    ] = "auto",
    target: Annotated[
        str | None, typer.Option(help="Class to explain, in upper or lower case [default: each face's prediction].")
    ] = None,
    batch_size: BatchSize = 64,
    no_detect: NoDetect = False,
    detector: Detector = None,
    faces: FaceChoice = "all",
    margin: FaceMargin = 0.0,
    pixels: Pixels = None,
    classes: Classes = None,
    channels: Channels = None,
    guess: Guess = False,
    logits: Logits = False,
) -> None:
    """Draws where a model looks: for every face and method a picture of the face next to its map.

    It also writes contact sheets of ten faces each, and explanations.csv with one row per face and method: prediction,
    explained class, method, the layer whose feature map is drawn, file. A map that shows nothing is marked as empty,
    and the column `empty` says why. If no face is found, the whole picture is used and the column `detected` is False.
    If a file cannot be read, the column `error` says why. The other files are still explained, and the exit code is 1.
    """
    import_keras()
    from ..common.checks import InputError, check_choice
    from ..predict import EmotionRecognizer, collect_files
    from ..predict.explain_files import TABLE, FileExplainer, written_files

    check_choice("--faces", faces, ("all", "largest"))
    files = collect_files(images, written_files(out), tell)
    if not files:
        raise InputError(f"{', '.join(images)}: no files found")
    about, detector = declared(model, pixels, classes, channels, guess, logits), "none" if no_detect else detector
    recognizer = EmotionRecognizer(model, batch_size, detector, faces, margin, declaration=about)
    methods = dict.fromkeys(name.strip() for name in method.split(",") if name.strip())
    explainer = FileExplainer(recognizer, list(methods), target)
    for name, layer in explainer.layers.items():
        print(f"{name}: {f'the map of layer {layer}' if layer else 'the whole model'}")
    if explainer.remark:
        tell(explainer.remark)
    table = explainer.write(files, out, progress=sys.stderr.isatty())
    _report(table, len(files), out / TABLE, recognizer.detector != "none")
    if (table["error"] != "").any():
        raise typer.Exit(1)


def _report(table, count, path, is_searched):
    """Prints how many maps of each method are empty and why, what was explained, and what is wrong with files."""
    for method, rows in table[table["method"] != ""].groupby("method", sort=False):
        reasons = rows.loc[rows["empty"] != "", "empty"]
        if len(reasons):
            print(f"{method}: {len(reasons)} of {len(rows)} maps are empty: {reasons.iloc[0]}")
    failed = table[table["error"] != ""]
    faces = table[table["error"] == ""].drop_duplicates(["path", "face"])
    print(f"{len(faces)} faces of {count - len(failed)} of {count} files explained; {path}")
    for name in faces.loc[~faces["detected"].astype(bool), "path"] if is_searched else ():
        tell(f"no face found: {name}: the whole picture was explained (detected is False)")
    for name, error in zip(failed["path"], failed["error"], strict=True):
        tell(f"not read: {name}: {error}")
