"""`FaceDataset`: what every loader returns and all other code works on."""

import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..common.checks import InputError
from ..emotions import SecondOutput
from .splits import stratified_order, stratified_sample
from .stores import ArrayImages, FileImages, JoinedImages, fits_memory

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """One split of a dataset, N images.

    Attributes:
        labels: int [N], codes into class_names.
        class_names: tuple of C class names.
        probabilities: float [N, C] if the dataset has soft labels, else None.
        values: float32 [N, K], the values of `FaceDataset.second`, NaN where unknown; None without them.
        rows: int [N], rows of the dataset's table.
        store: where the images are.
    """

    store: ArrayImages | FileImages | JoinedImages
    rows: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    probabilities: np.ndarray | None = None
    values: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def images(self) -> np.ndarray:
        """All images of the split, uint8 [N, H, W, C], range 0..255.

        Raises: `InputError` if the split is streamed and does not fit into memory.
        """
        if self.streamed and not fits_memory(len(self), self.store.shape):
            raise InputError(f"images: {len(self)} streamed images do not fit memory; use fetch(positions)")
        return self.store.fetch(self.rows)

    @property
    def paths(self) -> np.ndarray | None:
        """The files of a streamed split, object [N]; None if the images are in memory."""
        return None if self.store.paths is None else self.store.paths[self.rows]

    @property
    def streamed(self) -> bool:
        """True if the images are read from disk, batch by batch."""
        return self.store.streamed

    def alone(self) -> "Split":
        """The same split with a store that holds only its own images."""
        return replace(self, store=self.store.taken(self.rows), rows=np.arange(len(self)))

    def sample(self, limit: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """At most `limit` images of the split, with the class shares kept.

        Returns: images uint8 [n, H, W, C] and labels int [n].
        """
        if len(self) <= limit:
            positions = np.arange(len(self))
        else:
            positions = stratified_sample(self.labels, limit, seed)
        return self.fetch(positions), self.labels[positions]

    def fetch(self, positions: np.ndarray) -> np.ndarray:
        """The images at some positions of this split.

        Args:
            positions: int [n], from 0 to N-1.
        Returns: uint8 [n, H, W, C].
        """
        return self.store.fetch(self.rows[positions])


@dataclass(frozen=True)
class TrainingData:
    """Everything that training gets: train and val, no test image and no test label."""

    train: Split
    val: Split
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    second: SecondOutput | None = None


@dataclass
class FaceDataset:
    """A dataset under a protocol.

    Attributes:
        name, protocol: as in `DATASETS`.
        class_names: tuple of class names; labels are codes into it.
        table: DataFrame, one row for each image: `label` (int), `split` (train, val, test, or "" for unused), `name`,
            and whatever else the dataset knows (`usage`, `subject`, ...).
        store: the images, `ArrayImages`, `FileImages` or `JoinedImages`, in the order of the table.
        notes: sentences that a reader must know (what was left out, how this copy differs).
        source: fingerprint of the files that were read.
        probabilities: float [N, C], soft labels, or None.
        truth: function(rows of the table, regions=False) -> dict of masks; None if the truth is not known. Only
            synthetic faces have it.
        deviation: how this copy differs from the published dataset, "" if it does not. Runs on it show this text.
        second: what is learned next to the classes; its names are columns of the table. None: the classes alone.
    """

    name: str
    protocol: str
    class_names: tuple[str, ...]
    table: pd.DataFrame
    store: ArrayImages | FileImages | JoinedImages
    notes: list[str] = field(default_factory=list)
    source: str = ""
    probabilities: np.ndarray | None = None
    truth: Callable[..., dict[str, np.ndarray]] | None = None
    deviation: str = ""
    second: SecondOutput | None = None

    @property
    def train(self) -> Split:
        """Images to train on."""
        return self.split("train")

    @property
    def val(self) -> Split:
        """Images on which epochs, models and settings are chosen."""
        return self.split("val")

    @property
    def test(self) -> Split:
        """Images that only the evaluation reads, once."""
        return self.split("test")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images."""
        height, width, channels = self.store.shape
        return int(height), int(width), int(channels)

    def split(self, name: str) -> Split:
        """The split with this name: train, val or test."""
        rows = np.flatnonzero((self.table["split"] == name).to_numpy())
        labels = self.table["label"].to_numpy(np.int64)[rows]
        soft = None if self.probabilities is None else self.probabilities[rows]
        values = None if self.second is None else self.table[list(self.second.names)].to_numpy(np.float32)[rows]
        return Split(self.store, rows, labels, self.class_names, soft, values)

    def training_data(self) -> TrainingData:
        """What training may see: train and val, with stores that hold no other image."""
        return TrainingData(self.train.alone(), self.val.alone(), self.class_names, self.image_shape, self.second)

    def masks(self, rows: Sequence[int] | np.ndarray, regions: bool = False) -> dict[str, np.ndarray]:
        """What is known about every pixel of some images.

        Args:
            rows: int [N], rows of the table.
            regions: True returns the regions of the face instead.
        Returns: dict of bool [N, H, W]: `expression` (the regions that carry the expression, also where an occluder
            covers them), `occluder` and `face`; with `regions`: `brows`, `eyes`, `nose`, `mouth`, `cheeks` and `chin`.
        Raises: `InputError` if the dataset does not know its pixels.
        """
        if self.truth is None:
            raise InputError(f"masks: {self.name} does not know what its pixels show; only synthetic faces do")
        table = self.table.iloc[np.asarray(rows)]
        return self.truth(table, regions=True) if regions else self.truth(table)

    def counts(self) -> pd.DataFrame:
        """DataFrame of image counts: a row for each class, a column for each split, and totals (`all`)."""
        names = pd.Categorical.from_codes(self.table["label"], self.class_names)
        counts = pd.crosstab(names, self.table["split"], dropna=False)
        counts = counts.reindex(index=self.class_names, columns=SPLITS, fill_value=0)
        counts.index.name, counts.columns.name = "class", None
        counts["all"] = counts.sum(axis=1)
        counts.loc["all"] = counts.sum(axis=0)
        return counts

    def fingerprint(self) -> str:
        """Hash of the files, labels and splits: equal for equal experiments."""
        basis = (self.source, self.name, self.protocol, self.class_names, self.image_shape)
        digest = hashlib.sha256(repr(basis).encode())
        digest.update(np.ascontiguousarray(self.table["label"].to_numpy(np.int64)))  # type: ignore[arg-type]
        digest.update("\n".join(self.table["split"]).encode())
        if self.probabilities is not None:
            digest.update(np.ascontiguousarray(self.probabilities))  # type: ignore[arg-type]
        if self.second is not None:
            values = self.table[list(self.second.names)].to_numpy(np.float32)
            digest.update(repr(self.second).encode() + values.tobytes())
        return digest.hexdigest()[:16]

    def test_fingerprint(self) -> str:
        """Hash of the test images and their labels: if it is equal, predictions can be compared row by row."""
        test = self.table[self.table["split"] == "test"]
        basis = (self.source, self.class_names, list(test["name"]), test["label"].tolist())
        return hashlib.sha256(repr(basis).encode()).hexdigest()[:16]

    def with_classes(self, class_names: Sequence[str]) -> "FaceDataset":
        """The dataset with some of its classes only.

        Args:
            class_names: the classes to keep, in this order. Soft labels are scaled to sum 1 again.
        Returns: a new `FaceDataset` without the rows of other classes; a note says how many.
        """
        if tuple(class_names) == tuple(self.class_names):
            return self
        code = {self.class_names.index(name): new for new, name in enumerate(class_names)}
        keep = np.flatnonzero(self.table["label"].isin(list(code)).to_numpy())
        table = self.table.iloc[keep].reset_index(drop=True)
        table["label"] = table["label"].map(code)
        dropped = [name for name in self.class_names if name not in class_names]
        note = f"{len(self.table) - len(keep)} images of {', '.join(dropped)} left out (classes={len(class_names)})"
        soft = None if self.probabilities is None else renormalised(self.probabilities[keep][:, list(code)])
        names, notes = tuple(class_names), [*self.notes, note]
        store = self.store.taken(keep)
        return replace(self, class_names=names, table=table, store=store, notes=notes, probabilities=soft)

    def limited(self, limit: int, seed: int = 0) -> "FaceDataset":
        """The dataset with at most `limit` images in each split, class shares kept.

        It is for quick trial runs; the record calls such runs reduced. Images that are left out get the split "".
        """
        table = self.table.copy()
        for name in SPLITS:
            chosen = table.index[table["split"] == name]
            if len(chosen) > limit:
                sampled = stratified_sample(table.loc[chosen, "label"].to_numpy(), limit, seed)
                table.loc[chosen.delete(sampled), "split"] = ""
        note = f"at most {limit} images per split are used"
        return replace(self, table=table, notes=[*self.notes, note])

    def with_train_share(self, share: float, seed: int = 0) -> "FaceDataset":
        """The dataset with only a share of its training images, class shares kept. val and test do not change.

        The other training images get the split "". Each class keeps at least one training image. With the same seed, a
        smaller share is part of a larger one.

        Args:
            share: float, above 0 and at most 1.
            seed: of the draw.
        """
        table = self.table.copy()
        chosen = table.index[table["split"] == "train"]
        labels = table.loc[chosen, "label"].to_numpy(np.int64)
        order = stratified_order(labels, seed)
        is_first = ~pd.Series(labels[order]).duplicated().to_numpy()
        order = np.concatenate([order[is_first], order[~is_first]])  # first an image of every class, then all others
        count = max(round(share * len(labels)), int(is_first.sum()))
        table.loc[chosen[order[count:]], "split"] = ""
        note = f"train_share {share:g}: {count:,} of {len(labels):,} training images are used, class shares kept"
        return replace(self, table=table, notes=[*self.notes, note])


def renormalised(probabilities: np.ndarray) -> np.ndarray:
    """Scales rows, float [N, C], to sum 1; a row of zeros becomes uniform."""
    total = probabilities.sum(axis=1, keepdims=True)
    return np.divide(probabilities, total, out=np.full_like(probabilities, 1 / probabilities.shape[1]), where=total > 0)


@dataclass(frozen=True)
class DatasetSpec:
    """A line of the `DATASETS` table.

    Attributes:
        load: function(root, protocol, seed, **options) -> FaceDataset; `root` is the dataset's own folder.
        title: one line for lists.
        class_names: all classes of the dataset.
        protocols: dict protocol -> one line; the first is the default.
        images: the number of images, as text.
        how_to_get: where a student gets the dataset, and which file goes where.
        licence: the terms in a few words.
        traps: common mistakes with it, one sentence each.
        folds: dict protocol -> number of folds, chosen by the option `fold`.
        check: function(root) -> list of lines that say which files there are; raises `MissingDataError`.
        paper_name: what papers call it.
        honest_protocol: the protocol whose results are comparable with others' and that selects nothing on test (train
            may still have copies of test images); tables show it next to a claim's protocol. "": the kit knows none.
        also_compared: more protocols that tables show next to a claim's protocol.
        published_splits: protocols whose train, val and test are the publisher's own rows.
        pictures_of: the dataset whose pictures it labels again ("": its own).
        made_of: other datasets that some of its pictures come from.
        at_hand: True if the kit's makers had it. Claims about other datasets wait for someone who has them.
        is_drawn: True for drawn faces.
        own_classes: True if it also takes classes that are not emotions, by their own names.
        limits: what is known not to hold of a model that has learned from it, in a line.
        published_lists: dict of a list of test images (a yes-or-no column of the table) -> experiment -> the accuracy
            that its paper prints, in per cent.
        label_order: the emotions in the order of the publisher's codes, which is also that of the outputs of other
            people's models; empty if it has none.
    """

    load: Callable[..., FaceDataset]
    title: str
    class_names: tuple[str, ...]
    protocols: dict[str, str]
    images: str
    how_to_get: str
    licence: str
    check: Callable[[Path], list[str]]
    traps: tuple[str, ...] = ()
    folds: dict[str, int] = field(default_factory=dict)
    paper_name: str = ""
    honest_protocol: str = ""
    also_compared: tuple[str, ...] = ()
    published_splits: tuple[str, ...] = ()
    pictures_of: str = ""
    made_of: tuple[str, ...] = ()
    at_hand: bool = False
    is_drawn: bool = False
    own_classes: bool = False
    limits: str = "measured on this set alone"
    published_lists: dict[str, dict[str, float]] = field(default_factory=dict)
    label_order: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """The keyword options of `load` and their defaults."""
        parameters = inspect.signature(self.load).parameters.values()
        return {option.name: option.default for option in parameters if option.default is not option.empty}
