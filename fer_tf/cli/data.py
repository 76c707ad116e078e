"""Commands on datasets."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .common import ClusterName, DataDir, DatasetName, FaceAlign, Gpus, Options, Protocol, Threads, data_app


@data_app.command("check", epilog="Example: `fer-tf data check fer2013 --data-dir data/raw`")
def data_check(
    name: Annotated[str, typer.Argument(help="A dataset, or `all`; `fer-tf list` shows all.")] = "all",
    data_dir: DataDir = None,
) -> None:
    """Says which files of a dataset are on disk, which are missing and where to get them.

    The exit code is 1 if you name a dataset and it is missing.
    """
    from ..common.checks import DataError, MissingDataError
    from ..data import DATASETS, check_dataset

    missing = False
    for key in DATASETS if name == "all" else [name]:
        try:
            for line in check_dataset(key, data_dir):
                print(f"{key}: {line}")
        except MissingDataError as error:
            print(error)
            missing = True
        except DataError as error:
            if name != "all":
                raise
            print(f"{key}: damaged: {error}")
    if missing and name != "all":
        raise typer.Exit(1)


@data_app.command("counts", epilog="Example: `fer-tf data counts fer2013 --protocol pooled`")
def data_counts(
    name: DatasetName,
    data_dir: DataDir = None,
    protocol: Protocol = None,
    seed: Annotated[int, typer.Option(help="Seed of random splits.")] = 0,
    options: Options = None,
) -> None:
    """Loads a dataset and prints its images per class and split, identical images in several splits, and notes."""
    from ..data import load_dataset, parse_options
    from ..data.doctor import examine

    ds = load_dataset(name, data_dir, protocol, seed=seed, **parse_options(name, options or []))
    print(ds.counts().to_string())
    print(examine.summary(ds).to_string())
    for note in ds.notes:
        print(f"note: {note}")


# Options that only `data prepare` has.
Names = Annotated[list[str], typer.Argument(help="Datasets; several are joined into one.")]
PreparedFolder = Annotated[
    Path, typer.Option(help="The folder to write: a new one, or that of an earlier run with the same settings.")
]
Side = Annotated[int, typer.Option(help="Side of the pictures in pixels.")]
Channels = Annotated[int | None, typer.Option(help="1 or 3 [default: those of each dataset; folder, csv: 1].")]
Format = Annotated[str, typer.Option(help="jpg (quality 95) or png.")]
Layout = Annotated[
    str,
    typer.Option(
        help="numbered (1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger; neutral and contempt are left "
        "out) or names (all, also your own classes)."
    ),
]
Detector = Annotated[str, typer.Option(help="Finds the largest face: none, mtcnn, haar or yunet.")]
Margin = Annotated[
    float, typer.Option(help="Enlarge the face box on each side by this fraction of its size (0.1 = 10 %).")
]
Missing = Annotated[str, typer.Option(help="If no face is found: whole (use the whole picture) or skip.")]
Protocols = Annotated[
    list[str] | None,
    typer.Option(help="Protocol for all datasets, or for one: ckplus=random [default: each dataset's first]."),
]
OptionsOfAll = Annotated[
    list[str] | None,
    typer.Option(
        "--option", help="One option: name=value for each dataset that has it, ckplus.name=value for one dataset."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Threads that encode and write [default: cores, up to 8]; with --cluster the largest number of processes."
    ),
]


@data_app.command(
    "prepare",
    epilog="Examples: `fer-tf data prepare fer2013 ckplus --out data/prepared/both --channels 1`, "
    "`fer-tf data prepare folder --out data/prepared/photos --detector mtcnn --align landmarks --missing skip "
    "--channels 3`, `fer-tf data prepare affectnet --out data/prepared/affectnet --detector mtcnn --cluster ray`",
)
def data_prepare(
    names: Names,
    out: PreparedFolder,
    size: Side = 64,
    channels: Channels = None,
    format: Format = "jpg",
    layout: Layout = "numbered",
    detector: Detector = "none",
    margin: Margin = 0.0,
    align: FaceAlign = "eyes",
    missing: Missing = "whole",
    protocol: Protocols = None,
    options: OptionsOfAll = None,
    seed: Annotated[int, typer.Option(help="Seed of protocols that choose rows at random.")] = 0,
    data_dir: DataDir = None,
    workers: Workers = None,
    force: Annotated[bool, typer.Option(help="Delete what an earlier run wrote there, and start again.")] = False,
    cluster: ClusterName = None,
    threads: Threads = None,
    gpus: Gpus = None,
) -> None:
    """Writes datasets as small pictures in train|val|test/CLASS/…, with a csv of labels.

    The same command resumes a stopped run. Load the result with `--dataset folder --data-dir OUT`, or `--dataset csv`.
    """
    from ..common.cluster import check_options, connected
    from ..data.prepare import prepare_datasets

    share = check_options(cluster, threads, gpus)
    pictures = {"size": size, "channels": channels, "format": format, "layout": layout}
    cropping = {"detector": detector, "margin": margin, "align": align, "missing": missing}
    settings: dict[str, Any] = {**pictures, **cropping}
    with connected(cluster, share) as computers:
        place: dict[str, Any] = {"workers": workers, "force": force, "cluster": computers}
        prepared = prepare_datasets(names, out, data_dir, protocol, options or [], seed, **place, **settings)
    _print_prepared(prepared)
    broken = prepared.skipped[prepared.skipped["reason"] == "cannot be read"]
    for detail in broken["detail"].head(10):
        print(f"not read: {detail}", file=sys.stderr)
    if len(broken):
        print(f"{len(broken):,} pictures cannot be read: {prepared.out}/record/skipped.csv", file=sys.stderr)
        raise typer.Exit(1)


def _print_prepared(prepared):
    for note in prepared.notes:
        print(f"note: {note}")
    print(prepared.summary.to_string(index=False))
    counts = f"{prepared.new:,} of them new; {len(prepared.skipped):,} rows left out"
    print(f"{len(prepared.labels):,} pictures in {prepared.out}, {counts}")
    print(f"load them with: {prepared.how_to_load}")


def _load_with_files(name, data_dir, protocol, seed, options):
    """Loads a dataset together with the paths of its files, if it has files."""
    from ..data import dataset_spec, load_dataset, parse_options

    streamed = {key: True for key in dataset_spec(name).options if key.rpartition(".")[2] == "stream"}
    return load_dataset(name, data_dir, protocol, seed=seed, **{**streamed, **parse_options(name, options or [])})


@data_app.command("doctor", epilog="Example: `fer-tf data doctor fer2013 --data-dir data/raw`")
def data_doctor(
    name: DatasetName,
    data_dir: DataDir = None,
    protocol: Protocol = None,
    seed: Annotated[int, typer.Option(help="Seed of random splits.")] = 0,
    options: Options = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to [default: reports/doctor/DATASET-PROTOCOL].")
    ] = None,
    cluster: ClusterName = None,
    threads: Threads = None,
) -> None:
    """Finds copies, near copies, conflicting labels and blank images; writes csv files and figures.

    A near copy is the same photograph after a shift, a change of scale or light, mirroring, or new compression.
    """
    from ..common.cluster import check_options, connected
    from ..common.paths import reports_root
    from ..data.doctor import examine, sheets
    from ..data.sources import pairs_between_sources, sources_of

    share = check_options(cluster, threads, None)
    ds = _load_with_files(name, data_dir, protocol, seed, options)
    with connected(cluster, share) as computers:
        findings = examine.examine(ds, progress=sys.stderr.isatty(), cluster=computers)
    out = out or reports_root() / "doctor" / f"{name}-{ds.protocol}"
    print(ds.counts().to_string(), findings.summary.to_string(), sep="\n")
    if sources_of(ds.table):
        between = pairs_between_sources(ds, findings.pairs)
        print("pairs of copies between sources (apart: in two splits):", between.to_string(index=False), sep="\n")
    for note in [*ds.notes, *findings.notes]:
        print(f"note: {note}")
    for path in [*examine.write_findings(findings, out, ds.class_names), *sheets.save_sheets(ds, findings, out)]:
        print(path)


@data_app.command("split", epilog="Example: `fer-tf data split folder --out data/raw/csv/split.csv`")
def data_split(
    name: DatasetName,
    out: Annotated[Path, typer.Option(help="The csv to write.")],
    data_dir: DataDir = None,
    protocol: Protocol = None,
    seed: Annotated[int, typer.Option(help="Seed of random splits.")] = 0,
    options: Options = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Writes a csv that splits a dataset into train, val and test (80/10/10).

    All images of a subject go into one split, where subjects are known. Copies and near copies stay together.
    """
    from ..data.split_csv import write_split

    ds = _load_with_files(name, data_dir, protocol, seed, options)
    table = write_split(ds, out, seed=seed, force=force, progress=sys.stderr.isatty())
    print(table.groupby(["label", "split"]).size().unstack(fill_value=0).to_string())
    print(out)


@data_app.command(
    "frames",
    epilog="Examples: `fer-tf data frames film.mp4 --out data/frames`, "
    "`fer-tf data frames Videos_LeftCamera/ --out data/frames --every 20 --format png`",
)
def data_frames(
    films: Annotated[list[str], typer.Argument(help="Video files, or folders with video files.")],
    out: Annotated[Path, typer.Option(help="The folder to write to; each film gets a folder in it.")],
    every: Annotated[int, typer.Option(min=1, help="Write every Nth frame.")] = 10,
    fps: Annotated[
        float | None, typer.Option(help="Write this number of frames per second, and not every Nth frame.")
    ] = None,
    format: Annotated[str, typer.Option(help="jpg (quality 95) or png (exact).")] = "jpg",
) -> None:
    """Writes frames of films as pictures. Their names contain the frame's number and its time in seconds.

    The same command resumes a stopped run. `frames.csv` lists all frames; `fer-tf predict OUT/frames.csv` predicts
    them. The exit code is 1 if a film cannot be read.
    """
    from ..data.film_frames import LIST, save_frames

    saved = save_frames(films, out, every, fps, format, progress=sys.stderr.isatty())
    for text in saved.complaints:
        print(f"note: {text}")
    print(f"{len(saved.table):,} frames in {out}, {saved.new:,} of them new; {Path(out) / LIST} lists them")
    for text in saved.unread:
        print(f"not read: {text}", file=sys.stderr)
    if saved.unread:
        raise typer.Exit(1)
