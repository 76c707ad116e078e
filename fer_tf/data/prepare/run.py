"""`prepare_datasets`: the whole way from datasets to a folder of small pictures."""

import os
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from ...common.checks import DataError, check_whole
from ...common.paths import expanded
from .layouts import LAYOUTS, NO_FACE, plan
from .pictures import pictures
from .settings import Settings
from .sources import check_apart, check_place, load_sources
from .tables import results, save, shared_pictures
from .target import RECORD, Target

# Pictures of a set held in memory that are smaller than this (pixels) are poor ground to look for faces in.
_SMALL = 128


@dataclass(frozen=True)
class Prepared:
    """What `prepare_datasets` has made.

    Attributes:
        out: the folder.
        labels: DataFrame as in labels.csv.
        skipped: DataFrame as in record/skipped.csv.
        summary: DataFrame as in record/summary.csv, see `tables.summarise`.
        notes: sentences a reader must know, the datasets' own among them.
        new: pictures that this run wrote; the others were there.
        how_to_load: options of the command line that load it as it is.
    """

    out: Path
    labels: pd.DataFrame
    skipped: pd.DataFrame
    summary: pd.DataFrame
    notes: list
    new: int
    how_to_load: str


def prepare_datasets(
    names, out, data_dir=None, protocol=None, options=(), seed=0, workers=None, force=False, **settings
):
    """Writes datasets as small pictures in one folder structure; see the package's docstring.

    A run that was stopped, by a kill too, goes on where it was when it is called again in the same way.

    Args:
        names: list of keys of `DATASETS`; several make one aggregate.
        out: the folder to write, new or empty, or one that an earlier run with the same settings has begun.
        data_dir, protocol, options, seed: see `load_sources`.
        workers: threads that encode and write [as many as cores, at most 8]. Threads, because decoding, encoding and
            writing release Python's lock, and because a process in which TensorFlow works must not be forked.
        force: True takes away what an earlier run has written to `out`, and begins anew.
        **settings: see `Settings`.
    Returns: `Prepared`.
    Raises: `InputError` for a wrong argument; what `load_dataset` raises; `DataError` if no picture can be written. A
        picture of a streamed set that cannot be read is counted and told, and does not stop the others.
    """
    settings = Settings(**settings)
    workers = check_whole("workers", min(8, os.cpu_count() or 1) if workers is None else workers, 1, 64)
    out = expanded(out)
    check_place(names, out, data_dir)
    settings.wake_detector()
    sources = load_sources(names, data_dir, protocol, options, seed)
    check_apart(sources, out)
    record = settings.record() | {"seed": seed, "datasets": {ds.name: _identity(ds, own) for ds, own in sources}}
    folders = {folder: emotion for emotion, folder in LAYOUTS[settings.layout].items()}
    notes = [f"{ds.name}: {note}" for ds, _ in sources for note in _notes(ds, settings)]
    plans = [plan(ds, settings) for ds, _ in sources]
    target = Target(out)
    target.open(record, force)
    missing = _missing(plans, target)
    target.describe(record, folders, notes, complete=False)
    new = _write([ds for ds, _ in sources], plans, missing, settings, target, workers)
    labels, skipped, summary = results(plans, target.outcomes, settings)
    save(out, labels, skipped, summary)
    if labels.empty:
        raise DataError(f"{out}: none of {len(skipped):,} pictures could be written; {RECORD}/skipped.csv tells why")
    if len(sources) > 1:
        notes += shared_pictures(out, labels)
    target.describe(record, folders, notes, complete=True)
    how = _how_to_load(out, settings, [ds for ds, _ in sources])
    return Prepared(out, labels, skipped, summary, notes, new, how)


def _how_to_load(out, settings, datasets):
    channels = settings.channels or max(ds.image_shape[2] for ds in datasets)
    options = f"--option image_size={settings.size} --option image_channels={channels}"
    return f"--dataset folder --data-dir {shlex.quote(str(out))} {options}"


def _identity(ds, options):
    """What makes a dataset another one: files, labels, splits, options."""
    return {
        "protocol": ds.protocol,
        "fingerprint": ds.fingerprint(),
        "options": {k: str(v) for k, v in options.items()},
    }


def _notes(ds, settings):
    """What a reader must know of a dataset that becomes pictures in class folders."""
    notes = [*filter(None, [ds.deviation]), *ds.notes]
    if ds.probabilities is not None:
        notes.append("its soft labels are not kept: each picture has the one label that its protocol gives it")
    if settings.detects and not ds.store.streamed and min(ds.image_shape[:2]) < _SMALL:
        notes.append(
            f"faces are looked for in pictures of {ds.image_shape[1]}×{ds.image_shape[0]}, as it was loaded; where it "
            f"has the option image_size, --option {ds.name}.image_size=256 shows the detector more"
        )
    return notes


def _missing(plans, target):
    """For each plan the rows whose picture is still to be made, list of lists of int."""
    there = target.there({path for table in plans for path in table["path"] if path})

    def is_done(row):
        outcome = target.outcomes.get((row.dataset, row.row), ("", ""))[0]
        return outcome == NO_FACE or (outcome and row.path in there)

    return [[row.row for row in table.itertuples() if row.path and not is_done(row)] for table in plans]


def _write(datasets, plans, missing, settings, target, workers):
    """Makes the missing pictures; returns how many were written."""
    total, new = sum(map(len, missing)), 0
    bar = tqdm(total=total, desc="prepare", unit=" pictures", leave=False, disable=not sys.stderr.isatty())
    with bar, ThreadPoolExecutor(workers) as pool:
        for ds, table, rows in zip(datasets, plans, missing, strict=True):
            paths = table["path"].to_numpy()
            for folder in {os.path.dirname(path) for path in paths[rows]}:
                (target.out / folder).mkdir(parents=True, exist_ok=True)
            for batch in pictures(ds, rows, settings, pool):
                target.tell(ds.name, batch)
                made = [each for each in batch if each.image is not None]
                shares = [[(paths[each.row], each.image) for each in made[part::workers]] for part in range(workers)]
                list(pool.map(target.add_all, shares))
                new += len(made)
                bar.update(len(batch))
    return new
