"""Loads datasets by name: the table `DATASETS` and `load_dataset`.

To add a dataset: write a file with `load`, `check` and a `SPEC`, put its code map into `fer_tf/emotions.py`, and add a
line here. Several datasets with "+" between them are one: `load_dataset("ferplus+rafdb+ckplus")`, see `joined`.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from ..common.checks import InputError, check_choice, check_names, check_whole
from ..common.paths import data_root
from ..common.text import shown_path
from ..emotions import class_subset
from . import joined
from .base import SPLITS, DatasetSpec, FaceDataset
from .sets import (
    affectnet,
    ckplus,
    disfa,
    fer2013,
    ferg,
    ferplus,
    folder_and_csv,
    jaffe,
    kdef,
    oulu,
    rafdb,
    sfew,
    synthetic,
    tfd,
    tfeid,
)

DATASETS = {
    "synthetic": synthetic.SPEC,
    "fer2013": fer2013.SPEC,
    "ferplus": ferplus.SPEC,
    "rafdb": rafdb.SPEC,
    "affectnet": affectnet.SPEC,
    "ckplus": ckplus.SPEC,
    "jaffe": jaffe.SPEC,
    "ferg": ferg.SPEC,
    "tfeid": tfeid.SPEC,
    "disfa": disfa.SPEC,
    "kdef": kdef.SPEC,
    "oulu": oulu.SPEC,
    "tfd": tfd.SPEC,
    "sfew": sfew.SPEC,
    "folder": folder_and_csv.FOLDER_SPEC,
    "csv": folder_and_csv.CSV_SPEC,
}


def dataset_spec(name: str) -> DatasetSpec:
    """What is known about a dataset: its line of `DATASETS`, or for several with "+" between them a `JoinedSpec`.

    Raises: `InputError` for an unknown name.
    """
    if joined.SIGN not in str(name):
        return DATASETS[check_choice("dataset", name, DATASETS)]

    def load(root, protocol, seed, **options):
        return load_dataset(root.name, root.parent, protocol, seed=seed, **options)

    return joined.joined_spec(name, DATASETS, load, lambda root: check_dataset(root.name, root.parent))


def is_known(name: str | None) -> bool:
    """True for a dataset of `DATASETS`, or several of them with "+" between them."""
    return bool(name) and all(part in DATASETS for part in str(name).split(joined.SIGN))


def load_dataset(
    name: str,
    data_dir: str | Path | None = None,
    protocol: str | None = None,
    *,
    classes: int | Sequence[str] | None = None,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    train_share: float | None = None,
    seed: int = 0,
    **options: Any,
) -> FaceDataset:
    """Loads a dataset under a protocol.

    Args:
        name: a key of `DATASETS`, or several with "+" between them. Of several, those that are on disk are loaded.
        data_dir: the folder with one folder for each dataset; default $FER_TF_DATA, then data/raw.
        protocol: how rows become train, val and test; default the dataset's first protocol.
        classes: None (all classes; of several datasets those that all of them have), 6, 7 or 8 (the first names of
            `EMOTIONS`), or a tuple of names.
        size: (height, width) in pixels, or one int for a square; default the dataset's own size.
        channels: 1 (gray) or 3 (RGB); default the dataset's own.
        train_share: share of the training images to use, above 0 and at most 1 (all, the default). Class shares are
            kept, see `FaceDataset.with_train_share`.
        seed: for protocols that draw rows, and for train_share.
        **options: the dataset's own options, see `dataset_spec(name).options`.
    Returns: `FaceDataset`.
    Raises: `InputError` for a wrong argument, `MissingDataError` for missing files, `DataError` for broken ones.
    """
    spec = dataset_spec(name)
    protocol = check_choice("protocol", protocol or next(iter(spec.protocols)), spec.protocols)
    check_names(f"options of {name}", options, spec.options)
    check_whole("seed", seed, low=0)
    if not spec.own_classes:
        class_subset(classes, spec.class_names)  # a wrong choice raises before any file is read
    train_share = _checked_share(train_share)
    if isinstance(spec, joined.JoinedSpec):
        settings = {"size": size, "channels": channels, "train_share": train_share, "seed": seed}
        return _load_joined(spec, data_root(data_dir), protocol, classes, settings, options)
    _check_options(spec, protocol, options)
    ds = spec.load(data_root(data_dir) / name, protocol, seed, **options)
    if "name" in ds.table:  # they go into csv files, also if the system's names are not UTF-8
        ds.table["name"] = ds.table["name"].map(shown_path)
    ds = ds.with_classes(class_subset(classes, ds.class_names))
    ds = ds if train_share == 1 else ds.with_train_share(train_share, seed)
    if size is not None or channels is not None:
        shape = _checked_size(size)
        ds.store = ds.store.converted(shape, channels and check_choice("channels", channels, (1, 3)))
    ds.notes.extend(_absent(ds))
    return ds


def _load_joined(spec, home, protocol, classes, settings, options):
    """Several datasets as one; those that are not on disk are named in its notes and its deviation."""
    for name, part in spec.parts.items():  # a wrong value raises before any file is read
        _check_options(part, joined.honest(part), joined.options_of(name, options))
    _check_apart([(name, joined.honest(part)) for name, part in spec.parts.items()])
    name = joined.SIGN.join(spec.parts)
    parts = joined.load_parts(spec, home, protocol, load_dataset, settings, options)
    ds = join_datasets(parts, classes, name, protocol)
    ds = joined.without_missing(ds, [part for part in spec.parts if part not in {loaded.name for loaded in parts}])
    ds.notes.extend(_absent(ds))
    return ds


def join_datasets(
    datasets: Sequence[FaceDataset],
    classes: int | Sequence[str] | None = None,
    name: str = "",
    protocol: str = "own",
) -> FaceDataset:
    """Joins datasets that were loaded under protocols of your choice; `load_dataset("a+b")` takes the honest ones.

    Args:
        datasets: two or more, with pictures of one size and the same channels.
        classes: see `load_dataset`; None: those that all of them have.
        name, protocol: of the result; default their names with "+" between them, and "own".
    Returns: `FaceDataset`, see `joined.join`.
    Raises: `InputError` if two of them have the same pictures in different splits: a picture would be in train of one
        and in test of the other. Also for pictures of different sizes.
    """
    _check_apart([(ds.name, ds.protocol) for ds in datasets])
    shapes = {ds.image_shape for ds in datasets}
    if len(shapes) > 1 or len(datasets) < 2:
        raise InputError(f"datasets: need two or more with pictures of one shape; received {sorted(shapes)}")
    return joined.join(name or joined.SIGN.join(ds.name for ds in datasets), protocol, datasets, classes)


def _check_apart(pairs):
    """Raises `InputError` if two of some (dataset, protocol) pairs may have one picture in different splits."""
    for first, second in combinations(pairs, 2):
        if has_same_pictures(first[0], second[0]) and not has_same_rows(first, second):
            raise InputError(
                f"datasets: {first[0]} ({first[1]}) and {second[0]} ({second[1]}) have the same pictures in different "
                "splits, so a picture may be in train of one and in test of the other; leave one of them out, or load "
                "both under the published split (official)"
            )


def _check_options(spec, protocol, options):
    """Raises `InputError` for a wrong value of an option that several datasets have."""
    for name, value in options.items():
        default = spec.options[name]
        if name == "stream" or isinstance(default, bool):  # an on/off option; None: the dataset's size decides
            check_choice(name, value, (True, False, None) if default is None else (True, False))
        elif name == "image_size":
            check_whole(name, value, 8, 4096)
        elif name == "image_channels":
            check_choice(name, value, (1, 3))
        elif name == "fold":
            check_whole(name, value, 0, max(spec.folds.values()) - 1)
            if value and protocol not in spec.folds:
                raise InputError(
                    f"fold: only the protocol {' or '.join(spec.folds)} has folds; received {value} for {protocol}"
                )


def _absent(ds):
    """A list with one note on classes without an image in some split; empty if there are none."""
    counts = ds.counts().drop(index="all")
    gaps = [f"{split}: {', '.join(counts.index[counts[split] == 0])}" for split in SPLITS if (counts[split] == 0).any()]
    return [f"classes without an image in {'; in '.join(gaps)}"] if gaps else []


# Options of `load_dataset` that every dataset takes.
COMMON_OPTIONS = ("classes", "size", "channels", "train_share")


def parse_options(name: str, text: str | Iterable[str]) -> dict[str, Any]:
    """Reads a dataset's options from text.

    Args:
        name: as for `load_dataset`.
        text: "fold=3 classes=7 label_mode=probability", or a list of such items. `classes` takes a number or names with
            commas between them. Numbers, true, false and none are converted, everything else stays text. An option of
            one part of a joined dataset has its name in front: "ckplus.fold=3".
    Returns: dict for `load_dataset`. A `train_share` of 1 is left out: it means the whole dataset, under its usual
        name.
    Raises: `InputError` for an unknown option or an item without "=".
    """
    spec = dataset_spec(name)
    options = {}
    for item in text.split() if isinstance(text, str) else text:
        key, sign, value = item.partition("=")
        if not sign or not value:
            raise InputError(f"options: each must be name=value; received {item!r}")
        check_names(f"options of {name}", [key], [*COMMON_OPTIONS, *spec.options])
        options[key] = tuple(value.split(",")) if key == "classes" and not value.isdigit() else _typed(value)
    if "train_share" in options and _checked_share(options["train_share"]) == 1:
        del options["train_share"]
    return options


def _typed(text):
    """The text as a number, True, False or None if it is one of these, else the text itself."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def has_same_pictures(first: str | None, second: str) -> bool:
    """True if two datasets have pictures in common: they are one, or label the same ones (FER+ has FER2013's), or one
    is made of the other.

    A joined dataset has those of all its parts. An unknown name has none.
    """
    return first == second or bool(_origins(first) & _origins(second))


def _origins(name):
    """The datasets whose pictures a dataset has, or a joined one's parts have."""
    specs = {part: DATASETS[part] for part in str(name).split(joined.SIGN) if part in DATASETS}
    return {origin for part, spec in specs.items() for origin in (spec.pictures_of or part, *spec.made_of)}


def has_same_rows(first: tuple[str | None, str | None], second: tuple[str, str]) -> bool:
    """True if two (dataset, protocol) pairs split the pictures that they share in the publisher's own way."""
    pairs = [_parts_with_protocols(*pair) for pair in (first, second)]
    shared = [(mine, theirs) for mine in pairs[0] for theirs in pairs[1] if has_same_pictures(mine[0], theirs[0])]
    return bool(shared) and all(_is_published(*mine) and _is_published(*theirs) for mine, theirs in shared)


def _parts_with_protocols(name, protocol):
    """(dataset, protocol) of each part of a dataset that may be joined."""
    parts = str(name).split(joined.SIGN)
    if len(parts) == 1:
        return [(name, protocol)]
    return [(part, joined.honest(DATASETS[part]) if part in DATASETS else None) for part in parts]


def _is_published(name, protocol):
    return name in DATASETS and protocol in DATASETS[name].published_splits


def check_dataset(name: str, data_dir: str | Path | None = None) -> list[str]:
    """Lists what a dataset has on disk.

    Args:
        name, data_dir: see `load_dataset`.
    Returns: list of lines of text.
    Raises: `MissingDataError` that says how to get missing files, `DataError` for broken ones.
    """
    spec = dataset_spec(name)
    if isinstance(spec, joined.JoinedSpec):
        present = joined.present_parts(spec, data_root(data_dir))
        lines = [f"{part}: {line}" for part in present for line in check_dataset(part, data_dir)]
        return lines + [f"{part}: not on disk, left out" for part in spec.parts if part not in present]
    return spec.check(data_root(data_dir) / name)


def _checked_share(share):
    """The share as a number above 0 and at most 1. None means all images, and gives 1."""
    share = 1 if share is None else share
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise InputError(f"train_share: must be a number above 0 and at most 1 (all); received {share!r}")
    return share


def _checked_size(size):
    """None, or (height, width) of whole numbers from 1 to 4096."""
    sides = (size, size) if isinstance(size, int) else size
    if sides is None:
        return None
    if not isinstance(sides, tuple | list) or len(sides) != 2:
        raise InputError(f"size: must be a whole number or (height, width); received {size!r}")
    return tuple(check_whole("size", side, 1, 4096) for side in sides)
