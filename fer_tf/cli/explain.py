"""The command that shows what a model looks at."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..common.quiet import import_keras
from .common import app, tell


@app.command(
    epilog="Examples: `fer-tf explain photos/ --out maps`, "
    "`fer-tf explain a.jpg --model X.h5 --method gradcam,occlusion --target fear --no-detect --out maps`"
)
def explain(
    images: Annotated[list[str], typer.Argument(help="Pictures and folders (searched through).")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    model: Annotated[str | None, typer.Option(help="A .h5 or .keras file [default: the bundled one].")] = None,
    method: Annotated[
        str,
        typer.Option(
            help="auto (hirescam where the model flattens its last map, gradcam where it pools it), cam, gradcam, "
            "gradcam++, hirescam, occlusion, integrated_gradients, smoothgrad, attention; several separated by commas."
        ),
    ] = "auto",
    target: Annotated[
        str | None, typer.Option(help="Class to explain, in capitals or not [default: each face's predicted one].")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures a step.")] = 64,
    no_detect: Annotated[bool, typer.Option("--no-detect", help="Take each picture as a ready face crop.")] = False,
    detector: Annotated[
        str | None, typer.Option(help="mtcnn, haar, yunet or none [default: mtcnn, else haar].")
    ] = None,
    faces: Annotated[str, typer.Option(help="all faces of a picture, or the largest.")] = "all",
    margin: Annotated[float, typer.Option(help="Share of the face's side added on every side.")] = 0.0,
):
    """Draws where a model looks: for every face and method the face beside its map.

    Beside these pictures come contact sheets of ten faces each, and explanations.csv with a row for each: prediction,
    explained class, method, the layer whose feature map is drawn, file. A map that says nothing is marked as empty, and
    the column `empty` says why. Where no face is found the whole picture is taken, and the column `detected` says so. A
    file that cannot be read has its reason in the column `error`; the rest is done, and the exit code is 1.
    """
    import_keras()
    from ..common.checks import InputError, check_choice
    from ..predict.explain_files import TABLE, FileExplainer, written_files
    from ..predict.recognizer import EmotionRecognizer, collect_files

    check_choice("--faces", faces, ("all", "largest"))
    files = collect_files(images, written_files(out), tell)
    if not files:
        raise InputError(f"{', '.join(images)}: holds no file")
    recognizer = EmotionRecognizer(model, batch_size, "none" if no_detect else detector, faces, margin)
    methods = dict.fromkeys(name.strip() for name in method.split(",") if name.strip())
    explainer = FileExplainer(recognizer, list(methods), target)
    for name, layer in explainer.layers.items():
        print(f"{name}: {f'the map of layer {layer}' if layer else 'the whole model'}")
    if explainer.remark:
        tell(explainer.remark)
    table = explainer.write(files, out, progress=sys.stderr.isatty())
    failed = table[table["error"] != ""]
    drawn = table[table["error"] == ""].drop_duplicates(["path", "face"])
    _report_empty(table)
    print(f"{len(drawn)} faces of {len(files) - len(failed)} of {len(files)} files explained; {out / TABLE}")
    for path in drawn.loc[~drawn["detected"].astype(bool), "path"] if recognizer.detector != "none" else ():
        tell(f"no face found: {path}: the whole picture was explained (detected is False)")
    for path, error in zip(failed["path"], failed["error"], strict=True):
        tell(f"not read: {path}: {error}")
    if len(failed):
        raise typer.Exit(1)


def _report_empty(table):
    """Says of each method how many of its maps are empty, and why."""
    for method, rows in table[table["method"] != ""].groupby("method", sort=False):
        reasons = rows.loc[rows["empty"] != "", "empty"]
        if len(reasons):
            print(f"{method}: {len(reasons)} of {len(rows)} maps are empty: {reasons.iloc[0]}")
