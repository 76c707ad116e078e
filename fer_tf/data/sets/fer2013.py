"""FER2013 (Goodfellow et al. 2013, "Challenges in representation learning"), in all its common forms.

csv: columns emotion, pixels, Usage (`fer2013.csv`; the header of `icml_face_data.csv` has leading spaces), plain,
compressed or in Kaggle's tar archive, also one folder down or without a suffix. Folders: `train|test/<class>/*.jpg`.
Their `test` holds PublicTest and PrivateTest together, unless the file names tell which is which
(`PrivateTest_123.jpg`).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ...common.checks import DataError
from ...common.hashes import file_fingerprint
from ...emotions import EMOTIONS
from .. import pixel_csv
from ..base import SPLITS, DatasetSpec, FaceDataset
from ..cache import cached_arrays, listing_fingerprint
from ..folders import class_folders, class_pictures, list_images, missing_data
from ..pixel_csv import check_pixel_csv, read_pixel_csv
from ..splits import mark_held_out, naming, pick_per_class
from ..stores import ArrayImages, image_store

CLASS_NAMES = EMOTIONS[:7]
SIDE = 48
USAGES = ("Training", "PublicTest", "PrivateTest")
# A fourth usage, for folder copies that do not separate PublicTest from PrivateTest.
UNKNOWN_TEST = 3
PUBLISHED = (28709, 3589, 3589)
PUBLISHED_CLASSES = (4953, 547, 5121, 8989, 6077, 4002, 6198)
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
COLUMNS = ("emotion", "pixels", "Usage")
ARCHIVES = ("fer2013.tar.gz", "fer2013.tgz", "fer2013.tar", "fer2013.zip", "icml_face_data.zip", "archive.zip")
# Names that are tried first, in this order.
_COMMON = [f"{name}{suffix}" for suffix in ("", ".gz", ".xz", ".zip") for name in CSV_NAMES] + list(ARCHIVES)
# The names of all its files without these endings.
_STEMS = ("fer2013", "icml_face_data")
_KAGGLE = ("archive", "challenges-in-representation-learning-facial-expression-recognition-challenge")
_SUFFIXES = {".csv", ".gz", ".tar", ".tgz", ".txt", ".xz", ".zip"}
PROTOCOLS = {
    "official": "train = Training 28,709; val = PublicTest 3,589; test = PrivateTest 3,589",
    "pooled": "document [2]'s: all rows together, stratified; test = 10 %, val = 10 % of the rest",
    "balanced": "document [3]'s: per class 400 train + 30 val of Training, 100 test of Public and Private together",
    "folder": "for copies whose test folder mixes Public and Private: val = 10 % of train, test = that folder",
}
HOW_TO_GET = (
    "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge/data: "
    "put fer2013.tar.gz, fer2013.csv or icml_face_data.csv (plain, .gz, .xz or .zip), or the folders train/ and "
    "test/, into {root}"
)
_MIXED = (
    "this copy's test folder holds PublicTest and PrivateTest together ({count} images) and its file names do not "
    "tell them apart"
)


def load(root: Path, protocol: str, seed: int, stream: bool | None = None) -> FaceDataset:
    """Loads FER2013 from `root`; see `load_dataset`. 7 classes, uint8 [35887, 48, 48, 1].

    Args:
        root, protocol, seed: the fer2013 folder, a key of `PROTOCOLS`, seed of protocols that draw rows.
        stream: see `image_store`; only for folder copies.
    Returns: `FaceDataset`.
    Raises: `MissingDataError` or `DataError` for the files.
    """
    path = find_csv(root)
    store, labels, usage, source, names = _from_csv(path) if path else _from_folders(_picture_home(root), stream)
    table = pd.DataFrame(
        {"label": labels.astype(np.int64), "usage": pd.Categorical.from_codes(usage, (*USAGES, "test"))}
    )
    table["name"] = names
    table["split"] = _assign(root, protocol, labels, usage, seed)
    notes, deviation = _notes(protocol, usage), _deviation(labels, usage)
    return FaceDataset("fer2013", protocol, CLASS_NAMES, table, store, notes, source, deviation=deviation)


def _deviation(labels, usage):
    """How this copy's counts differ from the published ones. Pixels are not compared: published copies differ."""
    is_split = not (usage == UNKNOWN_TEST).any()
    counts = np.bincount(usage, minlength=3) if is_split else [(usage == 0).sum(), (usage != 0).sum()]
    published = PUBLISHED if is_split else (PUBLISHED[0], PUBLISHED[1] + PUBLISHED[2])
    if tuple(counts) == published and tuple(np.bincount(labels, minlength=7)) == PUBLISHED_CLASSES:
        return ""
    return f"this copy of FER2013 has {len(labels):,} images ({', '.join(map(str, counts))}), not the published ones"


def find_csv(root: Path) -> Path | None:
    """The csv or archive in `root`, in a folder of it, or next to it; None for the folders train/ and test/.

    Raises: `MissingDataError` if there is neither; `DataError` for the folders train/ and validation/.
    """
    if root.is_file():  # the csv itself, without a suffix
        return root
    csv_files = [path for place in _places(root) for path in _named_files(place, (*_STEMS, *_KAGGLE))]
    if csv_files or _picture_home(root):
        return csv_files[0] if csv_files else None
    beside = _named_files(root.parent, _STEMS)
    if beside:
        return beside[0]
    _refuse_own_split(root)
    what = f"none of {', '.join(CSV_NAMES)}, fer2013.tar.gz or the folders train/ and test/ is in {root}"
    raise missing_data(f"fer2013: {what}", root, HOW_TO_GET)


def _places(root):
    """The dataset's folder, then the folders in it, because some archives have their own folder inside."""
    return [root, *class_folders(root)] if root.is_dir() else []


def _named_files(folder, stems):
    """The files in a folder that have one of these names, whatever their endings; the most common names first."""
    if not folder.is_dir():
        return []
    files = [path for path in folder.iterdir() if _stem(path.name) in stems and path.is_file()]
    order = {name: place for place, name in enumerate(_COMMON)}
    return sorted(files, key=lambda path: (order.get(path.name, len(order)), path.name))


def _stem(name):
    """A file's name in small letters without its endings: fer2013 for FER2013.tar.gz."""
    path = Path(name.lower())
    while path.suffix in _SUFFIXES:
        path = path.with_suffix("")
    return path.name


def _picture_home(root):
    """The folder that has train/ and test/: `root` or a folder of it; None without one."""
    return next((home for home in _places(root) if all((home / name).is_dir() for name in ("train", "test"))), None)


def _refuse_own_split(root):
    """Raises `DataError` for folders train/ and validation/: another split than FER2013's."""
    for home in _places(root):
        other = next((name for name in ("validation", "valid", "val") if (home / name).is_dir()), None)
        if other and (home / "train").is_dir():
            raise DataError(
                f"fer2013: {home} has train/ and {other}/ and no test/, so its split is not FER2013's. `--dataset "
                f"folder` reads such folders: move both into {root.parent / 'folder'}"
            )


def check(root: Path) -> list[str]:
    """Lists which files of FER2013 are in `root`, as lines of text.

    Raises: `MissingDataError` if there are none; `DataError` if the csv cannot be opened or lacks a column.
    """
    path = find_csv(root)
    if path is not None:
        check_pixel_csv(path, CSV_NAMES, COLUMNS)
        return [f"{path} ({path.stat().st_size / 1e6:.0f} MB)"]
    home = _picture_home(root)
    return [f"{home / split}: {len(list_images(home / split))} images" for split in ("train", "test")]


def _from_csv(path):
    source = file_fingerprint(path)
    code = file_fingerprint(Path(pixel_csv.__file__))  # when the reader is fixed, old cached arrays must not be used
    arrays = cached_arrays("fer2013", f"{source[:12]}{code}", lambda: _parse_csv(path), ("images", "labels", "usage"))
    names = [f"row{row}" for row in range(len(arrays["labels"]))]
    return ArrayImages(arrays["images"]), arrays["labels"], arrays["usage"], source, names


def _parse_csv(path):
    codes = (range(len(CLASS_NAMES)), USAGES)
    images, labels, usage = read_pixel_csv(path, CSV_NAMES, COLUMNS, SIDE, codes)
    return {"images": images, "labels": labels, "usage": usage}


def _from_folders(root, stream):
    """The folder form: labels from the class folders, usage from the file names if they contain it."""
    rows = class_pictures({split: root / split for split in ("train", "test")})
    if not rows:
        raise DataError(f"fer2013: {root}/train and {root}/test hold no class folder with a picture")
    paths, emotions, splits = zip(*rows, strict=True)
    if "contempt" in emotions:
        raise DataError(f"fer2013: {root} has a folder for contempt, which FER2013 does not know")
    labels = np.array([CLASS_NAMES.index(emotion) for emotion in emotions], np.uint8)
    usage = np.array([_usage(path, split) for path, split in zip(paths, splits, strict=True)], np.uint8)
    if (usage == UNKNOWN_TEST).any():  # if only some names contain the usage, the split would be wrong
        usage[usage != 0] = UNKNOWN_TEST
    source = listing_fingerprint(root, paths)
    names = [str(path.relative_to(root)) for path in paths]
    return image_store(paths, (SIDE, SIDE), 1, stream), labels, usage, source, names


def _usage(path, split):
    if split == "train":
        return 0
    stem = path.stem.lower()
    return next((code for code in (1, 2) if stem.startswith(USAGES[code].lower())), UNKNOWN_TEST)


def _assign(root, protocol, labels, usage, seed):
    """The split of each row under `protocol`, object [N]."""
    if protocol == "official":
        if mixed := int((usage == UNKNOWN_TEST).sum()):
            raise DataError(
                f"fer2013: {_MIXED.format(count=mixed)}, so {root} cannot give results of the official protocol; "
                "use protocol='folder', or get the csv"
            )
        return np.array(SPLITS, object)[usage]
    with naming(f"fer2013 {protocol}"):
        if protocol == "balanced":
            return _balanced(labels, usage, seed)
        split = np.where((usage != 0) & (protocol == "folder"), "test", "train").astype(object)
        for name in ("test", "val") if protocol == "pooled" else ("val",):
            mark_held_out(split, labels, name, seed)
    return split


def _balanced(labels, usage, seed):
    split, rng = np.full(len(labels), "", object), np.random.default_rng(seed)
    split[pick_per_class(labels, usage == 0, 400, rng, CLASS_NAMES)] = "train"
    split[pick_per_class(labels, (usage == 0) & (split == ""), 30, rng, CLASS_NAMES)] = "val"
    split[pick_per_class(labels, usage != 0, 100, rng, CLASS_NAMES)] = "test"
    return split


def _notes(protocol, usage):
    notes = []
    if mixed := int((usage == UNKNOWN_TEST).sum()):
        notes.append(_MIXED.format(count=mixed) + ": results on it are not official FER2013 results")
    if protocol == "folder":
        notes.append("test is PublicTest and PrivateTest together: not the official protocol")
    if protocol == "pooled":
        notes.append("Training, PublicTest and PrivateTest are pooled; train has copies of test images, as in official")
    return notes


# What a model that has learned from these pictures is known not to cover.
LIMITS = "gray 48 px faces from the web of 2013, labels that people disagree on; not tested on other cameras or ages"

SPEC = DatasetSpec(
    load=load,
    title="FER2013: 48×48 gray web faces, noisy labels",
    class_names=CLASS_NAMES,
    protocols=PROTOCOLS,
    images="35,887",
    how_to_get=HOW_TO_GET,
    licence="research use; Kaggle competition rules",
    paper_name="FER 2013",
    honest_protocol="official",
    published_splits=("official",),
    at_hand=True,
    limits=LIMITS,
    label_order=CLASS_NAMES,
    check=check,
    traps=(
        "PublicTest and PrivateTest: some well-known results took the best epoch on PrivateTest, or swapped the two.",
        "288 PrivateTest and 280 PublicTest images are also in Training, pixel for pixel.",
        "Folder copies call Public and Private together `test` (7,178 images): not the challenge's test set.",
        "Many copies on the web have altered pixels (contrast, equalised); networks lose 7 to 10 points on them.",
        "Labels are noisy: people agree with them on about 65 % of the images, and copies of one image disagree.",
        "Disgust has 1.5 % of the images: it hardly changes accuracy, but it changes macro F1.",
        "11 Training images are all black.",
    ),
)
