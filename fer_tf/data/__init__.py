"""Datasets: `load_dataset(name)` gives a `FaceDataset`; `DATASETS` lists what there is.

To add one: a file with `load`, `check` and a `SPEC`, its code map in `fer_tf/emotions.py`, and a line here.
"""

from ..common.checks import InputError, check_choice, check_names, check_whole
from ..common.paths import data_root
from ..emotions import class_subset
from .base import SPLITS, DatasetSpec, FaceDataset, Split, TrainingData
from .sets import affectnet, ckplus, disfa, fer2013, ferg, ferplus, jaffe, own, rafdb, synthetic, tfeid

__all__ = [
    "DATASETS",
    "DatasetSpec",
    "FaceDataset",
    "Split",
    "TrainingData",
    "check_dataset",
    "load_dataset",
    "parse_options",
]

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
    "folder": own.FOLDER_SPEC,
    "csv": own.CSV_SPEC,
}


def load_dataset(
    name, data_dir=None, protocol=None, *, classes=None, size=None, channels=None, train_share=None, seed=0, **options
):
    """Loads a dataset under a protocol.

    Args:
        name: a key of `DATASETS`.
        data_dir: the folder that holds one folder a dataset; default $FER_TF_DATA, then data/raw.
        protocol: how rows become train, val and test; default the dataset's first.
        classes: None (all it has), 6, 7, 8 (that prefix of `EMOTIONS`) or a tuple of names.
        size: (height, width) or one int to resize to; default as the set is.
        channels: 1 or 3; default as the set is.
        train_share: of the training images only so many, above 0 to 1 (all, the default), class shares kept; see
            `FaceDataset.with_train_share`.
        seed: for protocols that draw rows, and for train_share.
        **options: the dataset's own, see `DATASETS[name].options`.
    Returns: `FaceDataset`.
    Raises: `InputError` for a wrong argument, `MissingDataError` or `DataError` for its files.
    """
    spec = DATASETS[check_choice("dataset", name, DATASETS)]
    protocol = check_choice("protocol", protocol or next(iter(spec.protocols)), spec.protocols)
    check_names(f"options of {name}", options, spec.options)
    _check_switches(spec, options)
    check_whole("seed", seed, low=0)
    class_subset(classes, spec.class_names)  # a wrong choice is told before anything is read
    train_share = _checked_share(train_share)
    ds = spec.load(data_root(data_dir) / name, protocol, seed, **options)
    ds = ds.with_classes(class_subset(classes, ds.class_names))
    ds = ds if train_share == 1 else ds.with_train_share(train_share, seed)
    if size is not None or channels is not None:
        size = _checked_size(size)
        ds.store = ds.store.converted(size, channels and check_choice("channels", channels, (1, 3)))
    ds.notes.extend(_absent(ds))
    return ds


def _check_switches(spec, options):
    """Raises `InputError` where an option that is on or off got something else; `stream` also takes None (by size)."""
    for name, value in options.items():
        default = spec.options[name]
        if name == "stream" or isinstance(default, bool):
            check_choice(name, value, (True, False, None) if default is None else (True, False))


def _absent(ds):
    """A note, as a list of none or one, on classes without an image in some split."""
    counts = ds.counts().drop(index="all")
    found = [
        f"{split}: {', '.join(counts.index[counts[split] == 0])}" for split in SPLITS if (counts[split] == 0).any()
    ]
    return [f"classes without an image in {'; in '.join(found)}"] if found else []


# Options of `load_dataset` that every dataset takes.
COMMON_OPTIONS = ("classes", "size", "channels", "train_share")


def parse_options(name, text):
    """A dataset's options written as text, "fold=3 classes=7 label_mode=probability", as a dict for `load_dataset`.

    `classes` takes a number or names joined by commas; numbers, true, false and none are converted, all else is text.
    A `train_share` of 1 is left out: it is the whole set, under the whole set's name.
    """
    spec = DATASETS[check_choice("dataset", name, DATASETS)]
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
    """A number, True, False or None where the text is one, else the text."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def check_dataset(name, data_dir=None):
    """What of a dataset is on disk, as lines of text; raises `MissingDataError` telling how to get what is not."""
    spec = DATASETS[check_choice("dataset", name, DATASETS)]
    return spec.check(data_root(data_dir) / name)


def _checked_share(share):
    """A share above 0 and at most 1; None is all."""
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
