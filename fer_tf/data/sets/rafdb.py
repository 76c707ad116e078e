"""RAF-DB basic (Li, Deng & Du 2017): 15,339 aligned 100×100 colour faces from the web, seven emotions.

The publisher's form is `Image/aligned/train_00001_aligned.jpg` with `EmoLabel/list_patition_label.txt` (that spelling).
Kaggle's form is `DATASET/train|test/<1..7>/*.jpg`, with or without `train_labels.csv` and `test_labels.csv` (columns
image, label).
"""

import os
from pathlib import Path

import pandas as pd

from ...common.checks import DataError, MissingDataError
from ...emotions import EMOTIONS, RAFDB_CODES
from ..base import DatasetSpec, FaceDataset
from ..cache import listing_fingerprint
from ..csv_files import check_columns, read_csv, read_lines
from ..folders import class_pictures, list_images, missing_data
from ..splits import mark_held_out, naming
from ..stores import image_store

CLASS_NAMES = EMOTIONS[:7]
SIDE = 100
LIST = "EmoLabel/list_patition_label.txt"
PUBLISHED = {"train": 12271, "test": 3068}
PROTOCOLS = {"official": "train and test by file name; val = 10 % of train, stratified"}
HOW_TO_GET = (
    "http://www.whdeld.cn/raf/model1.html (ask by e-mail): put EmoLabel/ and Image/aligned/ into {root}; or Kaggle's "
    "shuvoalok/raf-db-dataset: put its folder DATASET into {root}"
)


def load(root: Path, protocol: str, seed: int, stream: bool | None = None) -> FaceDataset:
    """Loads RAF-DB from `root`; see `load_dataset`. 7 classes, uint8 [15339, 100, 100, 3].

    Args:
        root, protocol, seed: the rafdb folder, "official", seed of the validation rows.
        stream: see `image_store`.
    Returns: `FaceDataset`.
    Raises: `MissingDataError` or `DataError` for the files.
    """
    rows = _publisher(root) if (root / LIST).is_file() else _kaggle(root)
    table = pd.DataFrame(rows, columns=["path", "code", "split"])
    paths = list(table.pop("path"))
    table.insert(0, "label", [CLASS_NAMES.index(RAFDB_CODES[code]) for code in table["code"]])
    table["name"] = [path.relative_to(root).as_posix() for path in paths]
    split = table["split"].to_numpy(object, copy=True)
    with naming(f"rafdb: {root}"):
        mark_held_out(split, table["label"].to_numpy(), "val", seed)
    table["split"] = split
    store = image_store(paths, (SIDE, SIDE), 3, stream)
    source = listing_fingerprint(root, paths)
    notes = _unlisted(root, paths)
    return FaceDataset("rafdb", protocol, CLASS_NAMES, table, store, notes, source, deviation=_deviation(rows))


def _unlisted(root, paths):
    """A list with one note on aligned pictures that are not in the list of labels, or an empty list."""
    home = root / "Image" / "aligned"
    more = len(set(list_images(home)) - set(paths)) if home.is_dir() else 0
    return [f"{more} pictures of Image/aligned are not in the list of labels and are left out"] if more else []


def _publisher(root):
    """(path, code, split) of every line of the list; a missing picture raises."""
    path, rows = root / LIST, []
    for number, line in enumerate(read_lines(path), start=1):
        name, _, label = line.strip().partition(" ")
        if not line.strip():
            continue
        split = name.split("_")[0]
        if split not in PUBLISHED or not name.lower().endswith(".jpg"):
            raise DataError(f"{path}, line {number}: {name!r} is not a name like train_00001.jpg or test_0001.jpg")
        if label.strip() not in map(str, RAFDB_CODES):
            raise DataError(f"{path}, line {number}: unknown label {label.strip()!r}; allowed are 1..7")
        rows.append((root / "Image" / "aligned" / f"{name[:-4]}_aligned.jpg", int(label), split))
    return _existing(path, rows)


def _existing(path, rows):
    names = pd.Series([image for image, _, _ in rows])
    if names.duplicated().any():
        raise DataError(f"{path}: names {names[names.duplicated()].iloc[0].name} twice")
    lost = [image for image, _, _ in rows if not os.path.isfile(image)]
    if lost:
        raise MissingDataError(f"rafdb: {lost[0]} is missing, but {path} lists it ({len(lost)} files are missing)")
    if not rows:
        raise DataError(f"{path}: lists no picture")
    return rows


def _kaggle(root):
    """(path, code, split) from the numbered folders of DATASET/ (or of the root itself)."""
    home = root / "DATASET" if (root / "DATASET").is_dir() else root
    if not all((home / split).is_dir() for split in PUBLISHED):
        raise missing_data(f"rafdb: neither {LIST} nor DATASET/train and DATASET/test is in {root}", root, HOW_TO_GET)
    rows = class_pictures({split: home / split for split in PUBLISHED}, _folder_code)
    return _existing(home, _agree_with_csv(root, home, rows))


def _folder_code(folder):
    if folder.name not in map(str, RAFDB_CODES):
        raise DataError(f"{folder}: unknown class folder; allowed are 1..7 ({', '.join(RAFDB_CODES.values())})")
    return int(folder.name)


def _agree_with_csv(root, home, rows):
    """The same rows; raises if one of Kaggle's label files, where they exist, says something else."""
    for split in PUBLISHED:
        path = next(filter(Path.is_file, (place / f"{split}_labels.csv" for place in (root, home))), None)
        if path is None:
            continue
        table = read_csv(path)
        check_columns(path, table, ("image", "label"))
        listed = dict(zip(table["image"], table["label"], strict=True))
        for image, code, row_split in rows:
            if row_split == split and listed.get(image.name, str(code)) != str(code):
                raise DataError(f"{path}: calls {image.name} {listed[image.name]}, its folder is {image.parent.name}")
    return rows


def _deviation(rows):
    counts = {split: sum(row_split == split for _, _, row_split in rows) for split in PUBLISHED}
    if counts == PUBLISHED:
        return ""
    return f"this copy of RAF-DB has {counts['train']:,} train and {counts['test']:,} test images, not 12,271 and 3,068"


def check(root: Path) -> list[str]:
    """Lists which parts of RAF-DB are in `root`, as lines of text; raises `MissingDataError` or `DataError`."""
    rows = _publisher(root) if (root / LIST).is_file() else _kaggle(root)
    return [f"{root}: {len(rows):,} images listed and there", *filter(None, [_deviation(rows)])]


SPEC = DatasetSpec(
    load=load,
    title="RAF-DB basic: aligned colour web faces, crowd labels",
    class_names=CLASS_NAMES,
    protocols=PROTOCOLS,
    images="15,339",
    how_to_get=HOW_TO_GET,
    licence="non-commercial research, by agreement",
    paper_name="RAF-DB",
    honest_protocol="official",
    label_order=tuple(RAFDB_CODES.values()),
    check=check,
    traps=(
        "Its codes begin with 1 surprise, 2 fear, 3 disgust: read with FER2013's codes, they mean other emotions.",
        "It has no validation set: some well-known results took the best epoch on test.",
        "Happiness has 39 % of the images and fear 2 %: report balanced accuracy next to accuracy.",
    ),
)
