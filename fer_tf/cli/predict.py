"""The command that predicts."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..common.quiet import import_keras
from ..common.text import one_line
from .common import (
    BatchSize,
    Channels,
    Classes,
    ClusterName,
    Detector,
    FaceAlign,
    FaceChoice,
    FaceMargin,
    Gpus,
    Guess,
    Logits,
    NoDetect,
    Pixels,
    Threads,
    app,
    declared,
    seven,
    tell,
)

# With --cluster, this number of failed files is named.
_SHOWN_FAILED = 20
_SHOWN = ["path", "frame", "time", "face", "detected", "label", "confidence", "error"]

# Options that only `predict` has.
Pictures = Annotated[
    list[str] | None,
    typer.Argument(
        help="Pictures, videos, folders with all their subfolders, patterns in quotes, csv files with a column path, "
        "addresses (https://…), streams (rtsp://…)."
    ),
]
ModelFile = Annotated[
    str | None,
    typer.Option(
        help="Name of a run, a .h5, .keras, .onnx or .tflite file, or a SavedModel's folder (it is a program: use only "
        "those you trust) [default: ferplus.h5, which ships]."
    ),
]
Csv = Annotated[
    Path | None,
    typer.Option(
        help="The csv to write (with --cluster: a folder); the same command resumes it [default: print a table]."
    ),
]
Runtime = Annotated[
    str | None,
    typer.Option(
        help="keras, onnx or tflite [default: the model file's own]; for onnx and tflite a .h5 is exported once."
    ),
]
Every = Annotated[int, typer.Option(min=1, help="Use every Nth frame of a video.")]
Fps = Annotated[float | None, typer.Option(help="Use this number of frames per second of a video.")]
Search = Annotated[
    float,
    typer.Option(
        help="Seconds between two searches for faces in a video; in between, faces are followed. 0: search every frame."
    ),
]
MinFace = Annotated[float, typer.Option(min=0, help="Leave out faces with fewer pixels; the search is then faster.")]
SmallFaces = Annotated[
    bool, typer.Option("--small-faces", help="Also search large pictures for faces that are small in them; slower.")
]
Smooth = Annotated[
    float, typer.Option(help="Seconds over which a face's probabilities in a video are averaged; 0 for no average.")
]
Copies = Annotated[
    Path | None, typer.Option(help="Folder for copies with boxes, labels and bars: .jpg, for videos .mp4.")
]
Maps = Annotated[
    str | None, typer.Option(help="Show in the copies where the model looks: auto, hirescam, gradcam, occlusion, ...")
]
Webcam = Annotated[int | None, typer.Option(min=0, help="Predict this camera's pictures, until Ctrl-C.")]
Sample = Annotated[
    bool, typer.Option("--sample", help="Predict the sample picture: an astronaut (NASA, public domain).")
]
ShardFormat = Annotated[str | None, typer.Option(help="With --cluster: csv or parquet [default: csv].")]
ShardFiles = Annotated[int | None, typer.Option(min=1, help="With --cluster: pictures in each shard [default: 1024].")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="With --cluster: largest number of processes [default: as many as fit].")
]
Seconds = Annotated[float | None, typer.Option(help="Stop the camera or stream after this number of seconds.")]


@app.command(
    epilog="Examples: `fer-tf predict photos/ --out scores.csv`, "
    "`fer-tf predict 'photos/**/*.jpg' list.csv --out scores.csv --annotate marked --explain auto`, "
    "`fer-tf predict film.mp4 --fps 5 --smooth 1 --annotate marked --out film.csv`, "
    "`fer-tf predict --webcam 0 --seconds 30 --out me.csv`, "
    "`fer-tf predict rtsp://192.168.1.5/live --seconds 30 --out live.csv`, "
    "`fer-tf predict --sample`, "
    "`fer-tf predict photos/ --align landmarks --out scores.csv`, "
    "`fer-tf predict a.jpg b.png --model X.h5 --no-detect`, "
    "`fer-tf predict photos/ --model X.h5 --runtime onnx --out scores.csv`, "
    "`fer-tf predict photos/ --model theirs.hdf5 --pixels -1..1 --classes fer2013`, "
    "`fer-tf predict list.csv --cluster ray --out scores --shard-format parquet`"
)
def predict(
    images: Pictures = None,
    model: ModelFile = None,
    out: Csv = None,
    batch_size: BatchSize = 64,
    no_detect: NoDetect = False,
    detector: Detector = None,
    faces: FaceChoice = "all",
    margin: FaceMargin = 0.0,
    align: FaceAlign = "eyes",
    min_face: MinFace = 0,
    small_faces: SmallFaces = False,
    runtime: Runtime = None,
    every: Every = 1,
    fps: Fps = None,
    search: Search = 0.5,
    smooth: Smooth = 0.0,
    annotate: Copies = None,
    explain: Maps = None,
    webcam: Webcam = None,
    seconds: Seconds = None,
    pixels: Pixels = None,
    classes: Classes = None,
    channels: Channels = None,
    guess: Guess = False,
    logits: Logits = False,
    sample: Sample = False,
    cluster: ClusterName = None,
    threads: Threads = None,
    gpus: Gpus = None,
    workers: Workers = None,
    shard_format: ShardFormat = None,
    shard_files: ShardFiles = None,
) -> None:
    """Predicts the emotion of the faces in pictures and videos, one row per face.

    If no face is found, the whole picture is used and the column `detected` is False. If a file cannot be read, the
    column `error` says why; the other files are still predicted, and the exit code is 1. For videos the csv has the
    columns frame, time and track. A model with a second output adds valence and arousal, or action units. A track
    follows one face from frame to frame by its position. A folder next to the csv gets a figure of the probabilities
    over time, a summary with the clearest moments, and a csv for each track. If a path or error looks like a
    spreadsheet formula, the csv adds an apostrophe before it. The labels name what a face looks like to the model, not
    what a person feels. With --cluster, several processes or computers predict pictures, and --out is a folder of files
    (shards).
    """
    if not images and webcam is None and not sample:
        raise typer.BadParameter("give pictures, videos, folders, --webcam or --sample")
    from ..saving.runtimes import is_exported

    if (runtime in (None, "keras") and not (model and is_exported(model))) or guess or explain:
        import_keras()  # without its start-up notes; the other runtimes start without it
    from ..predict import EmotionRecognizer, sample_path
    from ..predict.predict_files import Options

    options = Options(every, fps, search, smooth, annotate, explain)
    shards = {"form": shard_format, "shard_files": shard_files, "workers": workers}
    share = _checked_cluster(cluster, threads, gpus, shards, options != Options() or webcam is not None, out)
    images = [*(images or []), *([str(sample_path())] if sample else [])]
    files = _files(images, webcam, seconds, options, out)
    number, classes = seven(classes)
    about, detector = declared(model, pixels, classes, channels, guess, logits), "none" if no_detect else detector
    arguments: dict[str, Any] = {
        "model": model,
        "batch_size": batch_size,
        "detector": detector,
        "select": faces,
        "margin": margin,
        "align": align,
        "runtime": runtime,
        "declaration": about,
        "min_face": min_face,
        "small_faces": small_faces,
        "classes": number,
    }
    if cluster:
        _write_shards(arguments, files, out, cluster, share, shards)
        return
    recognizer = EmotionRecognizer(**arguments)
    failed, cut_short = (_print_table if out is None else _write_csv)(recognizer, files, options, out)
    for path, error in failed:
        tell(f"not read: {path}: {error}")
    for path, error in cut_short:
        tell(f"partly read: {path}: {error}")
    if failed:
        raise typer.Exit(1)


def _checked_cluster(cluster, threads, gpus, shards, has_others, out):
    """The share of each task; `InputError` for options that do not go together with a cluster, or need one."""
    from ..common.checks import InputError
    from ..common.cluster import check_options

    share = check_options(cluster, threads, gpus)
    if not cluster and any(value is not None for value in shards.values()):
        raise InputError("workers, shard_format, shard_files: can only be used with --cluster")
    if cluster and has_others:
        raise InputError(
            "cluster: predicts pictures; --annotate, --explain, --webcam and the options for films cannot be used with "
            "--cluster"
        )
    if cluster and out is None:
        raise InputError("cluster: needs --out, the folder for the shards")
    return share


def _write_shards(arguments, files, out, cluster, share, shards):
    """Predicts files on a cluster into the folder `out`; exits with code 1 if some could not be read."""
    from ..common.cluster import connected
    from ..predict.shards import predict_shards

    given = {key: value for key, value in shards.items() if value is not None}
    with connected(cluster, share) as computers:
        done = predict_shards(arguments, files, out, computers, progress=sys.stderr.isatty(), say=tell, **given)
    for path, error in done.first_failed[:_SHOWN_FAILED]:
        tell(f"not read: {path}: {error}")
    if done.failed > _SHOWN_FAILED:
        tell(f"not read: {done.failed:,} pictures in all; their rows have the reason in the column error")
    counts = f"{done.pictures - done.failed:,} of {done.pictures:,} files predicted, {done.rows:,} rows"
    print(f"{counts}; {done.shards:,} shards ({done.new:,} of them new) in {out}")
    if done.failed:
        raise typer.Exit(1)


def _files(images, webcam, seconds, options, out):
    """The files, streams and cameras to predict; `InputError` if there is none, or if a camera has no csv."""
    from ..common.checks import InputError
    from ..predict import collect_files
    from ..predict.addresses import is_stream
    from ..predict.films import Camera
    from ..predict.predict_files import written_places

    def camera(source):
        return Camera(source, seconds, options.every, options.fps)

    paths = collect_files(images, written_places(out, options), tell)
    files = [camera(str(file)) if is_stream(file) else file for file in paths]
    files += [] if webcam is None else [camera(webcam)]
    if not files:
        raise InputError(f"{', '.join(images)}: no files found")
    if out is None and any(isinstance(file, Camera) for file in files):
        raise InputError("webcam and streams: need --out, the csv to write")
    return files


def _write_csv(recognizer, files, options, out):
    """Predicts files into the csv `out`. Returns (failed, cut short) as in `predict_files`."""
    from ..predict.predict_files import predict_files

    failed, cut_short, timelines = predict_files(recognizer, files, out, options, sys.stderr.isatty(), tell)
    for path in timelines:
        print(f"timeline  {path}.png")
        print(f"summary   {path / 'summary.png'}")
    print(f"{len(files) - len(failed)} of {len(files)} files predicted; {out}")
    return failed, cut_short


def _print_table(recognizer, files, options, _):
    """Prints the rows of all files. Returns (failed, cut short) as in `predict_files`."""
    import pandas as pd
    from tqdm import tqdm

    from ..predict.predict_files import FileStream

    stream, tables = FileStream(recognizer, files, options, sys.stderr.isatty()), []
    with tqdm(total=len(files), disable=not stream.progress, unit="file", leave=False) as bar:
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
