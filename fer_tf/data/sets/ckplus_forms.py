"""Reads every form of CK+ into one kind of table; `ckplus` makes datasets of them."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ...common.checks import DataError, InputError, MissingDataError
from ...common.hashes import file_fingerprint
from ...emotions import CKPLUS_CODES, CKPLUS_CSV_CODES
from ..cache import listing_fingerprint
from ..folders import class_folders, class_pictures, list_files, list_images, missing_data
from ..images import convert, read_image, resize
from ..pixel_csv import read_pixel_csv
from ..stores import ArrayImages, image_store
from .fer2013 import USAGES

POINTS = 68
# The points end at the brows; this share of their extent on each side adds most of the forehead.
MARGIN = 0.2
# No picture has such a side in pixels.
_LARGEST = 1_000_000
CSV = "ckextended.csv"
PUBLISHED = {"anger": 45, "contempt": 18, "disgust": 59, "fear": 25, "happiness": 69, "sadness": 28, "surprise": 83}
SEQUENCES, SUBJECTS, COPY_IMAGES, CSV_ROWS = 593, 123, 981, 920
HOW_TO_GET = (
    "https://www.jeffcohn.net/Resources/ (by agreement): put the folders cohn-kanade-images/, Emotion/ and Landmarks/ "
    "into {root}; or Kaggle's 48×48 copies: the folder CK+48 of shawon10/ckplus, or ckextended.csv of "
    "davilsena/ckdataset"
)
_COLUMNS = ["path", "emotion", "subject", "sequence", "frame"]


class Copy(NamedTuple):
    """One form of CK+.

    Attributes:
        table: DataFrame with emotion and, if known, subject, sequence and frame, N rows.
        store: the N images.
        source: fingerprint of the files.
        notes: sentences that a reader must know.
        deviation: how it differs from the published dataset, or "".
    """

    table: pd.DataFrame
    store: ArrayImages
    source: str
    notes: list[str]
    deviation: str


def find_folder(root: Path, name: str) -> Path | None:
    """The folder `name` in `root` or one level deeper (archives unpack into their own folders), or None."""
    places = [root / name, *(folder / name for folder in (class_folders(root) if root.is_dir() else []))]
    return next((place for place in places if place.is_dir() and place.parent.name != "__MACOSX"), None)


def forms(root: Path) -> list[str]:
    """Which forms of CK+ are in `root`, the best first.

    Raises: `MissingDataError` if there are none.
    """
    places = {
        "publisher": find_folder(root, "cohn-kanade-images") or find_folder(root, "Emotion"),
        "CK+48": find_folder(root, "CK+48") or (root / "anger").is_dir(),
        CSV: (root / CSV).is_file(),
    }
    if not any(places.values()):
        raise missing_data(f"ckplus: none of cohn-kanade-images/, CK+48/ and {CSV} is in {root}", root, HOW_TO_GET)
    return [form for form, place in places.items() if place]


# --- the publisher's form ---


def _publisher(root, neutral, crop, shape):
    rows, notes, deviation = labelled(root, neutral)
    table = pd.DataFrame(rows, columns=_COLUMNS)
    paths = list(table.pop("path"))
    points = _landmarks(root, paths, crop)
    if points is None and crop == "auto":
        notes.append("no Landmarks folder: pictures are whole and squeezed to a square, faces are not cropped")
    table["name"] = [path.relative_to(root).as_posix() for path in paths]
    source = listing_fingerprint(root, [*paths, *_labels(root).values(), *(points or [])])
    crop_used = "landmarks" if points else "none" if crop == "auto" else crop
    store = _read_all(paths, points or [None] * len(paths), crop_used, shape)
    return Copy(table, store, f"{source}{crop_used}", notes, deviation)


def _labels(root):
    """The emotion file of each labelled sequence, dict "S005/001" -> path."""
    home, labels = find_folder(root, "Emotion"), {}
    if home is None:
        what = f"ckplus: there is no {root / 'Emotion'}, the folder of Emotion_labels.zip"
        raise missing_data(what, root, HOW_TO_GET)
    for path in list_files(home):
        if not path.name.lower().endswith("_emotion.txt"):
            continue
        key = path.parent.relative_to(home).as_posix()
        if not re.fullmatch(r"S\d{3}/\d{3}", key):
            raise DataError(f"{path}: must be in a folder like {home / 'S005' / '001'}")
        first = labels.setdefault(key, path)
        if first != path:
            raise DataError(f"{path}: a second label for the sequence of {first.name}")
    if not labels:
        raise DataError(f"{home}: holds no *_emotion.txt")
    return labels


def labelled(root: Path, neutral: bool) -> tuple[list[tuple], list[str], str]:
    """The pictures of all labelled sequences.

    Args:
        root: the ckplus folder.
        neutral: True takes the first frame of each sequence as neutral.
    Returns: list of (path, emotion, subject, sequence, frame), notes, and the deviation.
    Raises: `MissingDataError` or `DataError` that names the file.
    """
    labels, home = _labels(root), find_folder(root, "cohn-kanade-images")
    if home is None:
        raise missing_data(f"ckplus: there is no {root / 'cohn-kanade-images'}", root, HOW_TO_GET)
    sequences = [seq.relative_to(home).as_posix() for person in class_folders(home) for seq in class_folders(person)]
    rows, emotions, short, late = [], [], 0, 0
    for key, label in labels.items():
        frames = _frames(home / key, label)
        emotions.append(_emotion(label))
        rows += _rows(key, frames, emotions[-1], neutral)
        short += len(frames) < 4
        late += frames[-1].stem != _stem(label)
    notes = [f"{len(sequences) - len(labels):,} of {len(sequences):,} sequences have no label and are left out"]
    if short:
        notes.append(f"{short} labelled sequences have fewer than 4 frames, so they give fewer than three peak frames")
    if late:
        notes.append(f"{late} sequences continue after the labelled frame; their last three frames are used anyway")
    return rows, notes, _deviation(sequences, emotions)


def _rows(key, frames, emotion, neutral):
    """The rows of one sequence: its first frame as neutral, its last three frames (never the first) as the emotion."""
    first, peaks = frames[:1], frames[max(1, len(frames) - 3) :]
    if not peaks:  # a single frame is the labelled one
        first, peaks = [], frames
    chosen = [(path, "neutral") for path in first if neutral] + [(path, emotion) for path in peaks]
    return [(path, name, *key.split("/"), path.stem.split("_")[-1]) for path, name in chosen]


def _stem(label):
    return label.name[: -len("_emotion.txt")]


def _frames(folder, label):
    """The sequence's pictures in order; `MissingDataError` if the labelled one is missing."""
    frames = list_images(folder) if folder.is_dir() else []
    if _stem(label) not in {path.stem for path in frames}:
        raise MissingDataError(f"ckplus: there is no {folder / _stem(label)}.png, though {label} labels it")
    return frames


def _emotion(path):
    """The emotion in an emotion file; `DataError` if it does not hold exactly one known code."""
    words = path.read_text(encoding="utf-8", errors="replace").split()
    if len(words) != 1:
        raise DataError(f"{path}: must hold one code 0..7; it holds {' '.join(words) or 'nothing'}")
    try:
        return CKPLUS_CODES[float(words[0])]
    except (ValueError, KeyError):
        raise DataError(f"{path}: unknown code {words[0]}; allowed are 0..7") from None


def _deviation(sequences, emotions):
    subjects, counts = len({key.split("/")[0] for key in sequences}), pd.Series(emotions).value_counts().to_dict()
    if (len(sequences), subjects, counts) == (SEQUENCES, SUBJECTS, PUBLISHED):
        return ""
    emotion_counts = ", ".join(f"{name} {counts.get(name, 0)}" for name in sorted({*PUBLISHED, *counts}))
    return (
        f"this copy of CK+ has {len(emotions)} labelled of {len(sequences)} sequences of {subjects} people "
        f"({emotion_counts}), not the published {sum(PUBLISHED.values())} of {SEQUENCES} of {SUBJECTS}"
    )


# --- crops ---


def _landmarks(root, paths, crop):
    """The landmark file of each picture; None if they are not wanted, or (auto) missing."""
    home = find_folder(root, "Landmarks") if crop in ("auto", "landmarks") else None
    if home is None:
        if crop == "landmarks":
            raise MissingDataError(
                f"ckplus: crop='landmarks' needs {root / 'Landmarks'}, the folder of Landmarks.zip; "
                "crop='center' and 'none' work without it"
            )
        return None
    files = [home / path.parent.parent.name / path.parent.name / f"{path.stem}_landmarks.txt" for path in paths]
    lost = [file for file in files if not file.is_file()]
    if lost:
        raise MissingDataError(
            f"ckplus: there is no {lost[0]} ({len(lost)} are missing); crop='none' works without them"
        )
    return files


def _read_all(paths, points, crop, shape):
    """The pictures, cropped and resized, as `ArrayImages` uint8 [N, *shape]."""

    def read(path, file):
        pixels = read_image(path, shape[2])
        if file:
            pixels = cut(pixels, _face_box(file))
        elif crop == "center":
            height, width = pixels.shape[:2]
            side = min(height, width)
            pixels = cut(pixels, ((width - side) // 2, (height - side) // 2, side))
        return resize(pixels, shape[:2])

    with ThreadPoolExecutor(4) as pool:  # decoding releases Python's lock
        return ArrayImages(np.stack(list(pool.map(read, paths, points))))


def _face_box(file):
    """(left, top, side) in pixels of the square around a landmark file's 68 points, `MARGIN` wider on each side."""
    try:
        points = np.loadtxt(file, ndmin=2)
    except ValueError as error:
        raise DataError(f"{file}: is not a list of points ({error})") from None
    if points.shape != (POINTS, 2) or not (np.abs(points) < _LARGEST).all():
        raise DataError(f"{file}: must hold {POINTS} lines of x y in pixels; it holds an array of {points.shape}")
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(1, round((high - low).max() * (1 + 2 * MARGIN)))
    left, top = np.round((low + high - side) / 2).astype(int)
    return left, top, side


def cut(pixels: np.ndarray, box: tuple[int, int, int]) -> np.ndarray:
    """Cuts a square out of a picture.

    Args:
        pixels: uint8 [H, W, C].
        box: (left, top, side) in pixels. Outside the picture, its edge pixels are repeated.
    Returns: uint8 [side, side, C].
    """
    left, top, side = box
    height, width = pixels.shape[:2]
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    return np.ascontiguousarray(pixels[rows][:, columns])


# --- the copies at 48×48 ---


def _copy_crop(crop, form):
    if crop not in ("auto", "none"):
        raise InputError(f"crop: the copy {form} is cropped already, allowed are auto and none; received {crop!r}")


def list_copy(root: Path) -> list[tuple]:
    """The pictures of the folder copy CK+48. The emotion comes from the folder, everything else from the file name.

    Returns: list of (path, emotion, subject, sequence, frame).
    Raises: `DataError` for a file with another name, or if there are no pictures.
    """
    home, rows = find_folder(root, "CK+48") or root, []
    for path, emotion, _ in class_pictures({"": home}):
        match = re.fullmatch(r"(S\d{3})_(\d{3})_(\d{8})", path.stem)
        if match is None:
            raise DataError(
                f"{path}: has no name like S010_004_00000017.png, so its subject is not known; "
                "the dataset `folder` reads pictures of any name"
            )
        rows.append((path, emotion, *match.groups()))
    if not rows:
        raise DataError(f"{home}: holds no picture")
    return rows


def _folder(root, neutral, crop, shape):
    _copy_crop(crop, "CK+48")
    rows = list_copy(root)
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table, notes = _without_neutral(table, neutral)
    paths = list(table.pop("path"))
    table["name"] = [path.relative_to(root).as_posix() for path in paths]
    short = "" if len(rows) == COPY_IMAGES else f"; it has {len(rows):,} images, not {COPY_IMAGES}"
    deviation = f"the 48×48 folder copy CK+48, not the publisher's pictures{short}"
    store = image_store(paths, shape[:2], shape[2], stream=False)
    return Copy(table, store, listing_fingerprint(root, paths), notes, deviation)


def read_csv_copy(root: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The csv copy: images uint8 [N, 48, 48, 1], labels uint8 [N], usage uint8 [N]; see `read_pixel_csv`."""
    codes = (tuple(CKPLUS_CSV_CODES), USAGES)
    return read_pixel_csv(root / CSV, (CSV,), ("emotion", "pixels", "Usage"), 48, codes)


def _csv(root, neutral, crop, shape):
    """The csv copy: one peak and one first frame for each sequence, no names. Its Usage is kept, but not used."""
    _copy_crop(crop, CSV)
    images, labels, usage = read_csv_copy(root)
    table = pd.DataFrame({"emotion": [CKPLUS_CSV_CODES[code] for code in labels]})
    table["usage"] = pd.Categorical.from_codes(usage, USAGES)
    table["name"] = [f"row{row}" for row in range(len(table))]
    table, notes = _without_neutral(table, neutral)
    store = ArrayImages(convert(images[table.index], shape[:2], shape[2]))
    notes.append(f"{CSV} has no subjects and no sequences: it is not known which faces are in several splits")
    short = "" if len(labels) == CSV_ROWS else f"; it has {len(labels):,} rows, not {CSV_ROWS}"
    deviation = f"the 48×48 csv copy {CSV}, not the publisher's pictures{short}"
    return Copy(table.reset_index(drop=True), store, file_fingerprint(root / CSV), notes, deviation)


def _without_neutral(table, neutral):
    """The wanted rows, with their old index, and notes."""
    is_neutral = table["emotion"] == "neutral"
    if neutral:
        return table, [] if is_neutral.any() else ["this copy has no neutral images"]
    note = f"{is_neutral.sum():,} neutral images left out (neutral=False)"
    return table[~is_neutral], [note] if is_neutral.any() else []


READERS = {"publisher": _publisher, "CK+48": _folder, CSV: _csv}
