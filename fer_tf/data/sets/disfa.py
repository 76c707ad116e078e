"""DISFA (Mavadati et al. 2013): 27 people filmed for four minutes (4,845 frames, 20 per second) while watching clips.

Layout: `Videos_LeftCamera/LeftVideoSN001_comp.avi`, `Video_RightCamera/RightVideoSN001_comp.avi` (both spellings of the
folders are read) and `ActionUnit_Labels/SN001/SN001_au1.txt`, with a line `frame,intensity` for each frame from 1.
Its labels are twelve facial action units; `disfa_units.py` says how emotions are derived from them.
"""

import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ...common.checks import DataError, InputError, check_choice, check_whole
from ...common.hashes import file_fingerprint
from ...emotions import EMOTIONS, TARGETS, SecondOutput
from ..base import DatasetSpec, FaceDataset
from ..cache import cached_arrays, listing_fingerprint
from ..folders import list_files, missing_data
from ..splits import group_split
from ..stores import MEMORY_LIMIT, ArrayImages
from ..video import VIDEO_SUFFIXES, read_frames
from ..video import __file__ as VIDEO_CODE
from .disfa_units import PRESENT, STRONGEST, UNITS, emotions_of, read_units

CLASS_NAMES = EMOTIONS[:7]
# The usual three parts of nine people (Shao et al. 2018, "Deep adaptive attention"); part k is the test set of fold k.
FOLDS = (
    (3, 29, 23, 25, 8, 5, 7, 17, 4),
    (13, 18, 11, 28, 12, 6, 31, 21, 24),
    (2, 10, 1, 26, 27, 32, 30, 9, 16),
)
PUBLISHED = {f"SN{number:03d}": fold for fold, numbers in enumerate(FOLDS) for number in numbers}
PROTOCOLS = {"subject": "3-fold by subject (option fold): test = 9 of 27 people, val = 3 of the other 18"}
HOW_TO_GET = (
    "https://mohammadmahoor.com/pages/databases/disfa/ (by request): unpack ActionUnit_Labels and Videos_LeftCamera "
    "or Video_RightCamera into {root}"
)
_WHY = {
    "two_rules": "match two emotions' rules",
    "trace": "only show traces: no unit at 2 and not all at 0",
    "no_rule": "show units that match no emotion",
}


def load(
    root: Path,
    protocol: str,
    seed: int,
    camera: str = "left",
    fold: int = 0,
    stride: int = 10,
    anger: bool = False,
    image_size: int = 96,
    image_channels: int = 3,
    targets: str = "expression",
) -> FaceDataset:
    """Loads DISFA from `root`; see `load_dataset`. 6 classes (7 with anger), uint8 [N, image_size, image_size, C].

    Args:
        root, protocol, seed: the dataset's folder, "subject", seed of the validation people.
        camera: "left" or "right".
        fold: 0..2, which third of the people is the test set.
        stride: takes every stride-th labelled frame (10: two per second), because neighbours are nearly equal.
        anger: see `emotions_of`.
        image_size: side in pixels; the whole frame is squeezed to a square.
        image_channels: 1 (luminance) or 3.
        targets: "expression", or "expression+action_units": a model then learns the twelve units, too. The table gets
            their intensities divided by 5 (AU1 .. AU26, 0..1), next to those of the files (au1 .. au26, 0..5).
    Returns: `FaceDataset`.
    Raises: `InputError` for a wrong argument, `MissingDataError` or `DataError` for the files.
    """
    check_choice("camera", camera, ("left", "right"))
    check_whole("stride", stride, 1)
    check_choice("targets", targets, (TARGETS[0], TARGETS[2]))
    files, shape = _subjects(root, camera), (image_size, image_size, image_channels)
    table, notes = _derive(files, stride, anger)
    _check_memory(len(table), shape)
    images, times, complaints = _decode(files, camera, table, shape)
    is_read = ~np.isnan(times)
    table.insert(2, "time", times)
    table = table[is_read].reset_index(drop=True)
    if table.empty:
        raise DataError(f"disfa: {root}: no frame of {len(files)} people matches the rule of an emotion")
    names = tuple(name for name in CLASS_NAMES if anger or name != "anger")
    table.insert(0, "label", [names.index(EMOTIONS[code]) for code in table.pop("code")])
    table.insert(1, "split", _split(files, table["subject"].to_numpy(), fold, seed))
    table["name"] = [f"{files[row.subject][0].name}#{row.frame}" for row in table.itertuples()]
    source = listing_fingerprint(root, [path for video, labels in files.values() for path in (video, *labels)])
    store, notes = ArrayImages(images if is_read.all() else images[is_read]), notes + complaints
    second = None
    if targets != "expression":
        second = SecondOutput("action_units", tuple(f"AU{unit}" for unit in UNITS), PRESENT / STRONGEST)
        table[list(second.names)] = table[[f"au{unit}" for unit in UNITS]] / STRONGEST
    ds = FaceDataset("disfa", protocol, names, table, store, notes, source, second=second)
    ds.deviation = "" if set(files) == set(PUBLISHED) else f"this copy of DISFA has {len(files)} people, not its 27"
    share = ds.counts().loc["neutral", "all"] / len(table)
    notes.append(f"neutral is {share:.0%} of the images: report balanced accuracy or macro F1 next to accuracy")
    return ds


def _subjects(root, camera):
    """dict subject -> (video, label files in the order of `UNITS`); one without the other raises."""
    videos, homes = _videos(root, camera), _label_folders(root)
    if not homes or not videos:
        what = "ActionUnit_Labels/SN001 and so on" if not homes else f"{camera.title()}VideoSN001_comp.avi and so on"
        raise _missing(root, f"there is no {what} in {root}")
    for subject in sorted({*homes, *videos}):
        if subject not in videos:
            raise _missing(root, f"{camera.title()}Video{subject}_comp.avi is not there, though {homes[subject]} is")
        if subject not in homes:
            raise _missing(root, f"{root / 'ActionUnit_Labels' / subject} is not there, though {videos[subject]} is")
    return {subject: (videos[subject], _label_files(root, homes[subject])) for subject in sorted(homes)}


def _missing(root, what):
    return missing_data(f"disfa: {what}", root, HOW_TO_GET)


def _videos(root, camera):
    """dict subject -> video of this camera, anywhere below `Video(s)_LeftCamera`."""
    videos = {}
    for folder in (root / f"{word}_{camera.title()}Camera" for word in ("Videos", "Video")):
        for path in list_files(folder):
            name = re.fullmatch(rf"{camera}video(sn\d{{3}})(_comp)?", path.stem.lower())
            if not name or path.suffix.lower() not in VIDEO_SUFFIXES:
                continue
            subject = name[1].upper()
            if subject in videos:
                raise DataError(f"disfa: {videos[subject]} and {path} are both {subject}'s video; move one away")
            videos[subject] = path
    return videos


def _label_folders(root):
    """dict subject -> its folder in ActionUnit_Labels."""
    home = root / "ActionUnit_Labels"
    folders = sorted(home.iterdir()) if home.is_dir() else []
    return {path.name: path for path in folders if path.is_dir() and re.fullmatch(r"SN\d{3}", path.name)}


def _label_files(root, folder):
    files = [folder / f"{folder.name}_au{unit}.txt" for unit in UNITS]
    for path in files:
        if not path.is_file():
            raise _missing(root, f"{path} is not there")
    return files


def _derive(files, stride, anger):
    """(table of subject, frame, code and units of the frames that have an emotion, notes on the other frames)."""
    tables, total = [], 0
    for subject, (_, labels) in files.items():
        units = read_units(labels)
        table = pd.DataFrame(units[::stride], columns=[f"au{unit}" for unit in UNITS])
        table.insert(0, "subject", subject)
        table.insert(1, "frame", np.arange(1, len(units) + 1, stride))
        tables.append(table)
        total += len(units)
    table = pd.concat(tables, ignore_index=True)
    codes, counts = emotions_of(table.iloc[:, 2:].to_numpy(), anger)
    table.insert(2, "code", codes)
    notes = [f"emotions are derived from action units, not labelled; anger is {'' if anger else 'not '}among them"]
    if stride > 1:
        notes.append(f"{total - len(table):,} of {total:,} labelled frames left out (stride={stride})")
    notes += [f"{count:,} of {len(table):,} frames dropped: they {_WHY[why]}" for why, count in counts.items() if count]
    return table[codes >= 0].reset_index(drop=True), notes


def _check_memory(count, shape):
    need = count * np.prod(shape)
    if need > MEMORY_LIMIT:
        raise InputError(
            f"stride, image_size: {count:,} frames of {'×'.join(map(str, shape))} take {need / 2**30:.1f} GiB, "
            f"at most {MEMORY_LIMIT / 2**30:.0f} are held; take a larger stride or a smaller image_size"
        )


def _decode(files, camera, table, shape):
    """Frames of the table's rows: images uint8 [N, S, S, C], times float [N] (NaN: not in the video), notes."""
    images, times, notes = np.zeros((len(table), *shape), np.uint8), np.full(len(table), np.nan), []
    groups = list(table.groupby("subject")["frame"])
    for subject, frames in tqdm(groups, "disfa", leave=False, unit=" videos", disable=None):
        decoded = _read(f"disfa-{subject}-{camera}", files[subject][0], frames.to_numpy() - 1, shape)
        rows = frames.index[np.isin(frames - 1, decoded["index"])]
        images[rows], times[rows] = decoded["images"], decoded["time"]
        notes += _faults(files[subject][0].name, len(frames), decoded)
    return images, times, notes


def _read(name, video, indices, shape):
    """The frames at `indices`, cached: images uint8 [n, S, S, C], index int [n], time (s) float [n], fps float [1]."""

    def read():
        reader = read_frames(video, indices=indices, size=shape[:2], channels=shape[2])
        frames = list(reader)
        images = np.array([frame.image for frame in frames], np.uint8).reshape(-1, *shape)
        index, time = ([getattr(frame, name) for frame in frames] for name in ("index", "time"))
        return {"images": images, "index": np.array(index, int), "time": time, "fps": [reader.info.fps or np.nan]}

    # when the reader is fixed, old cached frames must not be used
    basis = (listing_fingerprint(video.parent, [video]), file_fingerprint(VIDEO_CODE), indices.tolist(), shape)
    key = hashlib.sha256(repr(basis).encode()).hexdigest()
    return cached_arrays(name, key, read, ("images", "index", "time", "fps"))


def _faults(name, expected, decoded):
    """Notes on one video: missing frames, and frames with times that fit another number."""
    lost, shift = expected - len(decoded["index"]), decoded["time"] - decoded["index"] / decoded["fps"]
    astray = int((np.abs(shift - shift[:1]) * decoded["fps"] > 0.5).sum())
    notes = []
    if lost:
        what = f"{name} ends before them or cannot be decoded there"
        notes.append(f"{lost:,} of {expected:,} labelled frames dropped: {what}")
    if astray:
        what = "frames have times that do not fit their number; their labels may belong to other frames"
        notes.append(f"{name}: {astray:,} {what}")
    return notes


def _split(files, subjects, fold, seed):
    """The split of each row, object [N]: test is the fold's part of the people, val a sixth of the others."""
    people = np.array(sorted(files))
    if len(people) < 3:
        raise DataError(f"disfa: {len(people)} people cannot be split by subject; three or more are needed")
    if set(people) == set(PUBLISHED):
        folds = np.array([PUBLISHED[subject] for subject in people])
    else:
        folds = group_split(people, dict.fromkeys(range(len(FOLDS)), 1 / len(FOLDS)), seed)
    others = people[folds != fold]
    split = dict(zip(others, group_split(others, {"train": 5 / 6, "val": 1 / 6}, seed), strict=True))
    return np.array([split.get(subject, "test") for subject in subjects], object)


def check(root: Path) -> list[str]:
    """Lists which parts of DISFA are in `root`, as lines of text: who has labels, and who has a video of which camera.

    Raises: `MissingDataError` for a missing label file, `DataError` if the first person's files have a wrong form.
    """
    homes = _label_folders(root)
    videos = {camera: _videos(root, camera) for camera in ("left", "right")}
    if not homes or not any(videos.values()):
        raise _missing(root, f"ActionUnit_Labels has {len(homes)} people, but {root} has no videos of them")
    labels = [_label_files(root, home) for home in homes.values()]
    read_units(labels[0])
    lines = [f"{root / 'ActionUnit_Labels'}: {len(homes)} of {len(PUBLISHED)} people"]
    for camera, filmed in videos.items():
        people = {"labels but no video": {*homes} - {*filmed}, "video but no labels": {*filmed} - {*homes}}
        gaps = "".join(f"; {what}: {', '.join(sorted(names))}" for what, names in people.items() if names)
        lines.append(f"{camera} camera: {len(filmed)} videos{gaps if filmed else ''}")
    return lines


SPEC = DatasetSpec(
    load=load,
    title="DISFA: filmed spontaneous expressions, emotions derived from action units",
    class_names=CLASS_NAMES,
    protocols=PROTOCOLS,
    images="130,815 frames",
    how_to_get=HOW_TO_GET,
    licence="non-commercial research, by agreement",
    paper_name="DISFA",
    honest_protocol="subject",
    check=check,
    traps=(
        "It has no emotion labels: scores here are about rules on action units, not about what people saw or felt.",
        "Neighbouring frames are nearly equal: 130,815 frames are 27 people, so split by subject and take every tenth.",
        "Neutral and happiness have nearly all frames; fear and sadness come from a few people and can miss a split.",
        "Frames are whole pictures with head, shoulders and background, squeezed to a square: the face is small.",
        "Labels count frames from 1, video readers from 0.",
    ),
    folds={"subject": 3},
)
