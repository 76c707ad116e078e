"""`prepare_datasets`: all steps from datasets to a folder of small pictures."""

import os
import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from ...common.checks import check_whole
from ...common.cluster import Cluster
from ...common.paths import expanded
from ..faces.detectors import load_detector
from .layouts import NO_FACE, plan
from .on_cluster import made_on_cluster
from .pictures import pictures
from .settings import Settings
from .sources import check_apart, check_place, load_sources
from .tables import results, save, shared_pictures
from .target import Target

# Pictures held in memory with a side below this (pixels) are too small for a good face search.
_SMALL = 128


@dataclass(frozen=True)
class Prepared:
    """What `prepare_datasets` made.

    Attributes:
        out: the folder.
        labels: DataFrame as in labels.csv.
        skipped: DataFrame as in record/skipped.csv.
        summary: DataFrame as in record/summary.csv, see `tables.summarise`.
        notes: sentences that a reader must know, with the datasets' own notes.
        new: number of pictures that this run wrote; the others existed already.
        how_to_load: options of the command line that load the result as it is.
    """

    out: Path
    labels: pd.DataFrame
    skipped: pd.DataFrame
    summary: pd.DataFrame
    notes: list[str]
    new: int
    how_to_load: str


def prepare_datasets(
    names: Sequence[str],
    out: str | Path,
    data_dir: str | Path | None = None,
    protocol: str | Sequence[str] | None = None,
    options: Sequence[str] = (),
    seed: int = 0,
    workers: int | None = None,
    force: bool = False,
    cluster: Cluster | None = None,
    **settings: Any,
) -> Prepared:
    """Writes datasets as small pictures in one folder structure; see `fer_tf.data.prepare`.

    If a run was stopped or killed, the same call resumes it.

    Args:
        names: list of keys of `DATASETS`; several datasets are written into one.
        out: the folder to write: new, empty, or started by an earlier run with the same settings.
        data_dir, protocol, options, seed: see `load_sources`.
        workers: number of threads that encode and write; default one for each core, at most 8. Threads suffice, because
            this work releases Python's lock.
        force: True deletes what an earlier run wrote to `out` and starts again.
        cluster: pictures are made in at most `workers` of its processes (None: as many as fit), each with the threads
            of its share; None for this process. All computers must see the datasets and `out` under the same paths.
        **settings: see `Settings`.
    Returns: `Prepared`.
    Raises: `InputError` for a wrong argument; the errors of `load_dataset`; `DataError` if no picture can be written.
        An unreadable picture of a streamed dataset does not stop the others; it is listed in record/skipped.csv.
    """
    chosen = Settings(**settings)
    if cluster is None:
        workers = check_whole("workers", min(8, os.cpu_count() or 1) if workers is None else workers, 1, 64)
    out = expanded(out)
    check_place(names, out, data_dir)
    load_detector(chosen.detector)  # a missing library or file raises before anything is written
    sources = load_sources(names, data_dir, protocol, options, seed)
    datasets = [ds for ds, _ in sources]
    check_apart(datasets, out)
    record = chosen.record() | {"seed": seed, "datasets": {ds.name: _identity(ds, own) for ds, own in sources}}
    notes = [f"{ds.name}: {note}" for ds in datasets for note in _notes(ds, chosen)]
    plans = [plan(ds, chosen.layout, chosen.format) for ds in datasets]
    target = Target(out)
    target.open(record, force)
    missing = _missing(plans, target)
    target.describe(record, notes, complete=False)
    new = _write(datasets, plans, missing, chosen, target, workers, cluster)
    labels, skipped, summary = results(plans, target.outcomes, chosen)
    save(out, labels, skipped, summary)
    if len(sources) > 1:
        notes += shared_pictures(out, labels)
    target.describe(record, notes, complete=True)
    return Prepared(out, labels, skipped, summary, notes, new, _how_to_load(out, chosen, datasets))


def _how_to_load(out, settings, datasets):
    channels = settings.channels or max(ds.image_shape[2] for ds in datasets)
    options = f"--option image_size={settings.size} --option image_channels={channels}"
    return f"--dataset folder --data-dir {shlex.quote(str(out))} {options}"


def _identity(ds, options):
    """What identifies a dataset: protocol, fingerprint of files, labels and splits, and options."""
    texts = {name: str(value) for name, value in options.items()}
    return {"protocol": ds.protocol, "fingerprint": ds.fingerprint(), "options": texts}


def _notes(ds, settings):
    """What a reader must know about a dataset that becomes pictures in class folders."""
    notes = [*filter(None, [ds.deviation]), *ds.notes]
    if ds.probabilities is not None:
        notes.append("its soft labels are not kept: each picture has one label, from its protocol")
    if settings.detects and not ds.store.streamed and min(ds.image_shape[:2]) < _SMALL:
        notes.append(
            f"faces are searched in pictures of {ds.image_shape[1]}×{ds.image_shape[0]}, their loaded size; if the "
            f"dataset has the option image_size, --option {ds.name}.image_size=256 gives the detector more detail"
        )
    return notes


def _missing(plans, target):
    """For each plan, the rows whose picture is not made yet, list of lists of int."""
    existing = target.existing({path for table in plans for path in table["path"] if path})

    def is_done(row):
        outcome = target.outcomes.get((row.dataset, row.row), ("", ""))[0]
        return outcome == NO_FACE or (outcome and row.path in existing)

    return [[row.row for row in table.itertuples() if row.path and not is_done(row)] for table in plans]


def _write(datasets, plans, missing, settings, target, workers, cluster):
    """Makes the missing pictures; returns the number of pictures written."""
    total, new = sum(map(len, missing)), 0
    with tqdm(total=total, desc="prepare", unit=" pictures", leave=False, disable=None) as bar:
        for ds, table, rows in zip(datasets, plans, missing, strict=True):
            paths = table["path"].to_numpy()
            for folder in {os.path.dirname(path) for path in paths[rows]}:
                (target.out / folder).mkdir(parents=True, exist_ok=True)
            if cluster is None:
                batches = _made_here(ds, rows, paths, settings, target, workers)
            else:
                batches = made_on_cluster(cluster, ds, rows, paths, settings, target, workers)
            for written, count in batches:
                new += written
                bar.update(count)
    return new


def _made_here(ds, rows, paths, settings, target, workers):
    """Makes pictures in batches; yields the numbers of pictures written and of rows for each."""
    with ThreadPoolExecutor(workers) as pool:
        for batch in pictures(ds, rows, settings, pool):
            target.log(ds.name, batch)
            yield target.add_batch(batch, paths, pool, workers), len(batch)
