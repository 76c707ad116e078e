"""`FaceDataset`: what every loader returns and everything else takes."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..common.checks import InputError
from .images import convert, read_image

SPLITS = ("train", "val", "test")
# Sets whose decoded pixels would take more are streamed from disk (AffectNet: 400,000 images).
MEMORY_LIMIT = 2 * 2**30


class ArrayImages:
    """Images held in memory: uint8 [N, H, W, C]."""

    streamed = False
    paths = None

    def __init__(self, images):
        self.array = images
        self.shape = images.shape[1:]

    def fetch(self, rows):
        """Images of the given rows, uint8 [len(rows), H, W, C]."""
        return self.array[rows]

    def described(self):
        """Bytes that change with the pictures, part by part: what is computed from them is kept under their hash."""
        yield repr(tuple(self.shape)).encode()
        yield np.ascontiguousarray(self.array)

    def taken(self, rows):
        """A store of the given rows only."""
        return ArrayImages(self.array[rows])

    def converted(self, size, channels):
        """The same images at another size (height, width) or channel count."""
        return ArrayImages(convert(self.array, size, channels))


class FileImages:
    """Images left on disk and read when asked for; nothing is held."""

    streamed = True

    def __init__(self, paths, size, channels):
        self.paths = np.asarray(paths, dtype=object)
        self.shape = (*size, channels)

    def fetch(self, rows):
        """Reads the given rows, uint8 [len(rows), H, W, C], over a few threads (decoding releases the lock)."""
        height, width, channels = self.shape
        with ThreadPoolExecutor(4) as pool:
            images = list(pool.map(lambda row: read_image(self.paths[row], channels, (height, width)), rows))
        return np.stack(images) if images else np.zeros((0, *self.shape), np.uint8)

    def described(self):
        """Bytes that change with the files, their times, or how they are read; see `ArrayImages.described`."""
        yield repr(tuple(self.shape)).encode()
        for path in self.paths:
            status = Path(path).stat()
            yield f"{path} {status.st_size} {status.st_mtime_ns}\n".encode("utf-8", "replace")

    def taken(self, rows):
        """A store of the given rows only."""
        return FileImages(self.paths[rows], self.shape[:2], self.shape[2])

    def converted(self, size, channels):
        """The same files, read at another size (height, width) or channel count."""
        return FileImages(self.paths, size or self.shape[:2], channels or self.shape[2])


def image_store(paths, size, channels, stream=None):
    """Files as `ArrayImages` if their pixels fit `MEMORY_LIMIT`, else (or with stream=True) as `FileImages`."""
    files = FileImages(paths, size, channels)
    if stream is None:
        stream = len(paths) * int(np.prod(files.shape)) > MEMORY_LIMIT
    if stream:
        return files
    return ArrayImages(files.fetch(np.arange(len(paths))))


@dataclass(frozen=True)
class Split:
    """One split of a dataset.

    Attributes:
        images: uint8 [N, H, W, C], range 0..255.
        labels: int [N], codes into class_names.
        probabilities: float [N, C] where the set has soft labels, else None.
        paths: the N files where the set is streamed, else None.
        rows: int [N], rows of the dataset's table.
    """

    store: ArrayImages | FileImages
    rows: np.ndarray
    labels: np.ndarray
    class_names: tuple
    probabilities: np.ndarray | None = None

    def __len__(self):
        return len(self.rows)

    @property
    def images(self):
        """All images of the split; refused where a streamed split would not fit `MEMORY_LIMIT`."""
        if self.streamed and len(self) * int(np.prod(self.store.shape)) > MEMORY_LIMIT:
            raise InputError(f"images: {len(self)} streamed images do not fit memory; use fetch(positions)")
        return self.store.fetch(self.rows)

    @property
    def paths(self):
        """The files of a streamed split, object [N]; None for arrays."""
        return None if self.store.paths is None else self.store.paths[self.rows]

    @property
    def streamed(self):
        """True if the images are read from disk batch by batch."""
        return self.store.streamed

    def alone(self):
        """This split with a store of its own images only."""
        return replace(self, store=self.store.taken(self.rows), rows=np.arange(len(self)))

    def sample(self, limit, seed=0):
        """At most `limit` images of the split, class shares kept: images uint8 [n, H, W, C], labels int [n]."""
        if len(self) <= limit:
            positions = np.arange(len(self))
        else:
            positions = stratified_sample(self.labels, limit, seed)
        return self.fetch(positions), self.labels[positions]

    def fetch(self, positions):
        """The images at positions 0..N-1 of this split, uint8 [len(positions), H, W, C]."""
        return self.store.fetch(self.rows[positions])


@dataclass(frozen=True)
class TrainingData:
    """All that training is ever handed: no test image, no test label."""

    train: Split
    val: Split
    class_names: tuple
    image_shape: tuple


@dataclass
class FaceDataset:
    """A dataset under a protocol.

    Attributes:
        name, protocol: as in `DATASETS`.
        class_names: tuple of emotion names; labels are codes into it.
        table: DataFrame, one row an image: `label` (int), `split` (train, val, test or "" for unused), and what
            else the set tells (`usage`, `subject`, ...).
        store: the images, `ArrayImages` or `FileImages`, by row of the table.
        notes: sentences a reader must know (what was dropped, in which way the copy at hand differs).
        source: fingerprint of the files it was read from.
        deviation: in which way the copy at hand is not the published set ("" if it is); runs on it say so.
        truth: function(rows of the table, regions=False) -> dict of masks, where the set's truth is known (synthetic).
    """

    name: str
    protocol: str
    class_names: tuple
    table: pd.DataFrame
    store: ArrayImages | FileImages
    notes: list = field(default_factory=list)
    source: str = ""
    probabilities: np.ndarray | None = None
    truth: Callable | None = None
    deviation: str = ""

    @property
    def train(self):
        """Images to learn from."""
        return self.split("train")

    @property
    def val(self):
        """Images to select epochs, models and settings on."""
        return self.split("val")

    @property
    def test(self):
        """Images read once, by evaluation."""
        return self.split("test")

    @property
    def image_shape(self):
        """(height, width, channels)."""
        return tuple(int(value) for value in self.store.shape)

    def split(self, name):
        """The split called train, val or test."""
        rows = np.flatnonzero((self.table["split"] == name).to_numpy())
        labels = self.table["label"].to_numpy(np.int64)[rows]
        soft = None if self.probabilities is None else self.probabilities[rows]
        return Split(self.store, rows, labels, self.class_names, soft)

    def training_data(self):
        """The view of this dataset that training gets: train and val, with stores that hold no other image."""
        return TrainingData(self.train.alone(), self.val.alone(), self.class_names, self.image_shape)

    def masks(self, rows, regions=False):
        """What is known of every pixel, on request.

        Args:
            rows: int [N], rows of the table.
            regions: give the face's regions instead.
        Returns: dict of bool [N, H, W]: `expression` (the regions that carry the expression, not reduced by an
            occluder), `occluder`, `face`; with `regions`: `brows`, `eyes`, `nose`, `mouth`, `cheeks`, `chin`.
        Raises: `InputError` where the truth of a set is not known.
        """
        if self.truth is None:
            raise InputError(f"masks: the truth of {self.name}'s pixels is not known, only synthetic faces have it")
        table = self.table.iloc[np.asarray(rows)]
        return self.truth(table, regions=True) if regions else self.truth(table)

    def counts(self):
        """DataFrame of images per class (rows) and split (columns), with totals."""
        names = pd.Categorical.from_codes(self.table["label"], self.class_names)
        counts = pd.crosstab(names, self.table["split"], dropna=False)
        counts = counts.reindex(index=self.class_names, columns=SPLITS, fill_value=0)
        counts.index.name, counts.columns.name = "class", None
        counts["all"] = counts.sum(axis=1)
        counts.loc["all"] = counts.sum(axis=0)
        return counts

    def fingerprint(self):
        """Hash of what was read and how it was labelled and split: equal for equal experiments."""
        basis = (self.source, self.name, self.protocol, self.class_names, self.image_shape)
        digest = hashlib.sha256(repr(basis).encode())
        digest.update(np.ascontiguousarray(self.table["label"].to_numpy(np.int64)))
        digest.update("\n".join(self.table["split"]).encode())
        if self.probabilities is not None:
            digest.update(np.ascontiguousarray(self.probabilities))
        return digest.hexdigest()[:16]

    def test_fingerprint(self):
        """Hash of which pictures are tested under which labels: equal where predictions compare row by row."""
        test = self.table[self.table["split"] == "test"]
        basis = (self.source, self.class_names, list(test["name"]), test["label"].tolist())
        return hashlib.sha256(repr(basis).encode()).hexdigest()[:16]

    def with_classes(self, class_names):
        """The dataset restricted to `class_names` (in that order); rows of other classes leave, and a note says so."""
        if tuple(class_names) == tuple(self.class_names):
            return self
        code = {self.class_names.index(name): new for new, name in enumerate(class_names)}
        keep = np.flatnonzero(self.table["label"].isin(list(code)).to_numpy())
        table = self.table.iloc[keep].reset_index(drop=True)
        table["label"] = table["label"].map(code)
        dropped = [name for name in self.class_names if name not in class_names]
        note = f"{len(self.table) - len(keep)} images of {', '.join(dropped)} left out (classes={len(class_names)})"
        soft = None if self.probabilities is None else _renormalise(self.probabilities[keep][:, list(code)])
        store = self.store.taken(keep)
        return replace(
            self,
            class_names=tuple(class_names),
            table=table,
            store=store,
            notes=[*self.notes, note],
            probabilities=soft,
        )

    def limited(self, limit, seed=0):
        """At most `limit` images a split, class shares kept: for smoke runs; the record calls such runs reduced."""
        table = self.table.copy()
        for name in SPLITS:
            chosen = table.index[table["split"] == name]
            if len(chosen) > limit:
                kept = stratified_sample(table.loc[chosen, "label"].to_numpy(), limit, seed)
                table.loc[chosen.delete(kept), "split"] = ""
        note = f"at most {limit} images a split are used"
        return replace(self, table=table, notes=[*self.notes, note])

    def with_train_share(self, share, seed=0):
        """Only so many of the training images, class shares kept; val and test stay as they are.

        The others get the split "". Every class that has a training image keeps at least one, and of one seed a
        smaller share is part of a larger one.

        Args:
            share: float, above 0 and at most 1.
            seed: of the draw.
        """
        table = self.table.copy()
        chosen = table.index[table["split"] == "train"]
        labels = table.loc[chosen, "label"].to_numpy(np.int64)
        order = _stratified_order(labels, seed)
        is_first = ~pd.Series(labels[order]).duplicated().to_numpy()
        order = np.concatenate([order[is_first], order[~is_first]])  # an image of every class, then all others
        count = max(round(share * len(labels)), int(is_first.sum()))
        table.loc[chosen[order[count:]], "split"] = ""
        note = f"train_share {share:g}: {count:,} of {len(labels):,} training images are used, class shares kept"
        return replace(self, table=table, notes=[*self.notes, note])


def stratified_sample(labels, count, seed):
    """Sorted positions of `count` of the labels, class shares kept to within one (largest remainders)."""
    return np.sort(_stratified_order(labels, seed)[:count])


def _stratified_order(labels, seed):
    """Positions of all labels in an order of which every beginning keeps the class shares."""
    order = np.random.default_rng(seed).permutation(len(labels))
    rank = pd.Series(labels[order]).groupby(labels[order]).cumcount().to_numpy()
    size = np.bincount(labels)[labels[order]]
    # an image of rank r in a class of n comes at (r + 1/2) / n of the way: the first `count` keep the shares
    return order[np.argsort((rank + 0.5) / size, kind="stable")]


def _renormalise(probabilities):
    total = probabilities.sum(axis=1, keepdims=True)
    return np.divide(probabilities, total, out=np.full_like(probabilities, 1 / probabilities.shape[1]), where=total > 0)


@dataclass(frozen=True)
class DatasetSpec:
    """A line of the `DATASETS` table.

    Attributes:
        load: function(root, protocol, seed, **options) -> FaceDataset; `root` is the dataset's own folder.
        title: one line for listings.
        class_names: the classes it has.
        protocols: dict protocol -> one line; the first is the default.
        images: about how many, as text.
        how_to_get: where a student gets it, and which file goes where.
        licence: terms in a few words.
        traps: what goes wrong with it, a sentence each.
        options: dict of further keyword options of `load` and their defaults.
        folds: dict protocol -> number of folds, chosen by the option `fold`.
        check: function(root) -> list of lines that say what is there; raises `MissingDataError`.
    """

    load: Callable
    title: str
    class_names: tuple
    protocols: dict
    images: str
    how_to_get: str
    licence: str
    check: Callable
    traps: tuple = ()
    options: dict = field(default_factory=dict)
    folds: dict = field(default_factory=dict)
