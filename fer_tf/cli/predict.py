"""The command that predicts."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..common.quiet import import_keras
from ..common.text import one_line
from .common import app, tell

_SHOWN = ["path", "frame", "time", "face", "detected", "label", "confidence", "error"]


@app.command(
    epilog="Examples: `fer-tf predict photos/ --out scores.csv`, "
    "`fer-tf predict 'photos/**/*.jpg' list.csv --out scores.csv --annotate marked --explain auto`, "
    "`fer-tf predict film.mp4 --fps 5 --smooth 1 --annotate marked --out film.csv`, "
    "`fer-tf predict --webcam 0 --seconds 30 --out me.csv`, "
    "`fer-tf predict a.jpg b.png --model X.h5 --no-detect`, "
    "`fer-tf predict photos/ --model X.h5 --runtime onnx --out scores.csv`"
)
def predict(
    images: Annotated[
        list[str] | None,
        typer.Argument(
            help="Pictures, videos, folders with all their subfolders, patterns in quotes, and csv files with a column "
            "path."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A .h5, .keras, .onnx or .tflite file, or a SavedModel's folder (it is a program: use only those you "
            "trust) [default: the bundled model]."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The csv to write; the same command resumes it [default: a table on the screen]."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures per step.")] = 64,
    no_detect: Annotated[bool, typer.Option("--no-detect", help="Take each picture as a ready face crop.")] = False,
    detector: Annotated[
        str | None,
        typer.Option(help="mtcnn, haar, yunet or none [default: mtcnn, else haar]; haar is faster for video."),
    ] = None,
    faces: Annotated[str, typer.Option(help="all faces of a picture, or the largest.")] = "all",
    margin: Annotated[float, typer.Option(help="Share of the face's side to add on every side.")] = 0.0,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="keras, onnx or tflite [default: the model file's own]; for onnx and tflite a .h5 is exported once."
        ),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Use every Nth frame of a video.")] = 1,
    fps: Annotated[float | None, typer.Option(help="Use this number of frames per second of a video.")] = None,
    smooth: Annotated[
        float, typer.Option(help="Seconds over which a face's probabilities in a video are averaged; 0 for no average.")
    ] = 0.0,
    annotate: Annotated[
        Path | None, typer.Option(help="Folder for copies with boxes, labels and bars: .jpg, for videos .mp4.")
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(help="Show in the copies where the model looks: auto, hirescam, gradcam, occlusion, ..."),
    ] = None,
    webcam: Annotated[int | None, typer.Option(min=0, help="Predict this camera's pictures, until Ctrl-C.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop the camera after this number of seconds.")] = None,
) -> None:
    """Predicts the emotion of the faces in pictures and videos, one row per face.

    If no face is found, the whole picture is taken and the column `detected` is False. If a file cannot be read, the
    column `error` says why; the other files are still predicted, and the exit code is 1. For videos the csv has the
    columns frame, time and track. A track follows one face from frame to frame by its position. A figure of the
    probabilities over time goes to a folder next to the csv. Paths and errors that a spreadsheet would read as a
    formula start with an apostrophe in the csv. The labels name what a face looks like to the model, not what a person
    feels.
    """
    if not images and webcam is None:
        raise typer.BadParameter("give pictures, videos, folders or --webcam")
    import_keras()
    from ..common.checks import InputError
    from ..predict import EmotionRecognizer, collect_files
    from ..predict.files import FileStream, Options, predict_files, written_places
    from ..predict.films import Camera, check_pace

    if webcam is not None and out is None:
        raise InputError("webcam: needs --out, the csv to write")
    check_pace(every, fps)
    options = Options(every, fps, smooth, annotate, explain)
    leave_out = written_places(out, options) if out else [annotate] if annotate else []
    files: list[Path | Camera] = list(collect_files(images or [], leave_out, tell))
    if not files and webcam is None:
        raise InputError(f"{', '.join(images or [])}: no files found")
    recognizer = EmotionRecognizer(model, batch_size, "none" if no_detect else detector, faces, margin, runtime=runtime)
    files += [Camera(webcam, seconds, every, fps)] if webcam is not None else []
    if out is None:
        failed, cut_short = _print_table(FileStream(recognizer, files, options, sys.stderr.isatty()), len(files))
    else:
        failed, cut_short, timelines = predict_files(recognizer, files, out, options, sys.stderr.isatty(), tell)
        for path in timelines:
            print(f"timeline  {path}.png")
        print(f"{len(files) - len(failed)} of {len(files)} files predicted; {out}")
    _report(failed, "not read")
    _report(cut_short, "partly read")
    if failed:
        raise typer.Exit(1)


def _print_table(stream, count):
    """Prints the rows of all `count` files. Returns (failed, cut short) as in `predict_files`."""
    import pandas as pd
    from tqdm.auto import tqdm

    tables = []
    with tqdm(total=count, disable=not stream.progress, unit="file", leave=False) as bar:
        for table, position in stream.batches():
            tables += [table] if len(table) else []
            bar.update(position["file"] - bar.n if position else 0)
    frame = pd.concat(tables, ignore_index=True)
    shown = frame[[name for name in _SHOWN if name in frame]].assign(path=frame["path"].map(one_line))
    shown = shown.astype(object).where(shown.notna(), "")
    print(shown.to_string(index=False, float_format="{:.4f}".format))
    broken = frame[frame["error"] != ""]
    faults = zip(broken["path"], broken["error"], strict=True)
    return [fault for fault in faults if fault not in stream.cut_short], stream.cut_short


def _report(faults, what):
    for path, error in faults:
        tell(f"{what}: {path}: {error}")
