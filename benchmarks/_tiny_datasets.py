"""Tiny copies of the datasets in their publishers' layouts, with the files that hold their labels, for fuzzing."""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy.io import savemat

from fer_tf.data.sets.disfa_units import UNITS
from fer_tf.data.sets.ferplus import FOLDERS
from fer_tf.emotions import FERPLUS_COLUMNS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import affectnet_copies

USAGES = ["Training"] * 28 + ["PublicTest"] * 7 + ["PrivateTest"] * 7


def _picture(path, gray, side=16):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((side, side, 3), gray % 256, np.uint8)).save(path)


def _text(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def fer2013(home):
    pixels = " ".join(["7"] * 2304)
    rows = [f"{row % 7},{pixels},{usage}" for row, usage in enumerate(USAGES)]
    return [_text(home / "fer2013" / "fer2013.csv", ["emotion,pixels,Usage", *rows])]


def ferplus(home):
    fer2013(home)
    lines, listed = [], {folder: [] for folder in FOLDERS}
    for row, usage in enumerate(USAGES):
        votes = ",".join("8" if place == row % 8 else "0" for place in range(len(FERPLUS_COLUMNS)))
        lines.append(f"{usage},fer{row:07d}.png,{votes}")
        folder = list(FOLDERS)[["Training", "PublicTest", "PrivateTest"].index(usage)]
        listed[folder].append(f'fer{row:07d}.png,"(0, 0, 48, 48)",{votes}')
    root = home / "ferplus"
    hard = [f"{row % 8}_fer{row:07d}.png 8 0" for row in range(35, 42)]
    return [
        _text(root / "fer2013new.csv", ["Usage,Image name," + ",".join(FERPLUS_COLUMNS), *lines]),
        *[_text(root / "data" / folder / "label.csv", rows) for folder, rows in listed.items()],
        _text(root / "lists" / "occlusion.csv", ["row,label", "35,3", "36,4"]),
        _text(root / "lists" / "pose_30_ferplus_list.txt", hard),
    ]


def rafdb(home):
    names = [(part, number) for part, count in (("train", 21), ("test", 7)) for number in range(count)]
    for part, number in names:
        _picture(home / "rafdb" / "Image" / "aligned" / f"{part}_{number:05d}_aligned.jpg", number)
    rows = [f"{part}_{number:05d}.jpg {number % 7 + 1}" for part, number in names]
    return [_text(home / "rafdb" / "EmoLabel" / "list_patition_label.txt", rows)]


def affectnet(home):
    faces = iter(lambda: Image.new("RGB", (32, 32)), None)
    affectnet_copies.write_manifest(home / "affectnet", faces, codes=range(8))
    return sorted((home / "affectnet").rglob("*.csv"))


def affectnet_arrays(home):
    faces = iter(lambda: Image.new("RGB", (32, 32)), None)
    affectnet_copies.write_annotations(home / "affectnet", faces, codes=range(4))
    return sorted((home / "affectnet").rglob("*_exp.npy")) + sorted((home / "affectnet").rglob("*_aro.npy"))


def ckplus(home):
    root, files = home / "ckplus", []
    for number in range(10):
        key = Path(f"S{number:03d}") / "001"
        for frame in range(1, 5):
            stem = f"S{number:03d}_001_{frame:08d}"
            _picture(root / "cohn-kanade-images" / key / f"{stem}.png", number + frame)
            points = [f"   {place % 16:.7e}   {place % 15:.7e}" for place in range(68)]
            files.append(_text(root / "Landmarks" / key / f"{stem}_landmarks.txt", points))
        files.append(_text(root / "Emotion" / key / f"{stem}_emotion.txt", [f"   {number % 7 + 1:.7e}"]))
    return files


def disfa(home):
    root, files = home / "disfa", []
    for number in range(1, 4):
        subject = f"SN{number:03d}"
        path = root / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 20, (32, 32))
        for index in range(6):
            writer.write(np.full((32, 32, 3), 10 * index, np.uint8))
        writer.release()
        for unit in UNITS:
            active = {1: 2, 2: 3, 4: 0}.get(number, 0) if unit in (6, 12) else 0
            rows = [f"{frame},{active}" for frame in range(1, 7)]
            files.append(_text(root / "ActionUnit_Labels" / subject / f"{subject}_au{unit}.txt", rows))
    return files


def folder(home):
    names = {str(number): name for number, name in enumerate(("anger", "fear", "happiness"), start=1)}
    for number in names:
        for row in range(12):
            _picture(home / "folder" / "train" / number / f"{row}.png", row)
    return [_text(home / "folder" / "prepare.json", [repr({"folders": names, "complete": 1}).replace("'", '"')])]


def csv(home):
    rows = [f"{row}.png,{('joy', 'sad', 'fear')[row % 3]},train,person {row % 4}" for row in range(24)]
    for row in range(24):
        _picture(home / "csv" / f"{row}.png", row)
    return [_text(home / "csv" / "list.csv", ["path,label,split,subject", *rows])]


def jaffe(home):
    codes = ("AN", "DI", "FE", "HA", "SA", "SU", "NE")
    for number, code in enumerate(codes * 3):
        _picture(home / "jaffe" / f"K{'ALMR'[number % 4]}.{code}{number % 3 + 1}.{number + 1}.tiff", number)
    return []


def kdef(home):
    for number in range(1, 11):
        for code in ("AF", "AN", "DI", "HA", "NE", "SA", "SU"):
            path = home / "kdef" / "KDEF" / f"AF{number:02d}" / f"AF{number:02d}{code}S.JPG"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.tile(np.arange(18, dtype=np.uint8) * number, (24, 1))).save(path)
    return []


def oulu(home):
    for number in range(1, 11):
        for emotion in ("Anger", "Happiness"):
            for frame in range(4):
                folder = home / "oulu" / "VL_Acropped" / "Strong" / f"P{number:03d}" / emotion
                _picture(folder / f"{frame:03d}.jpeg", number + frame)
    return []


def tfd(home):
    rows = np.arange(35)
    folds = np.select([(rows // 7 == 4)[:, None], (rows // 7 == 3)[:, None]], [3, 2], 1) * np.ones((35, 5), int)
    path = home / "tfd" / "TFD_48x48.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    images = np.broadcast_to(rows[:, None, None], (35, 48, 48)).astype(np.uint8)
    labels = {"labs_ex": rows[:, None] % 7 + 1, "labs_id": rows[:, None] // 7, "folds": folds}
    savemat(path, {"images": images, **labels})
    return [path]


def sfew(home):
    for number in range(8):
        for emotion in ("Angry", "Disgust", "Fear", "Happy", "Sad"):
            split = "Val" if number > 5 else "Train"
            folder = home / "sfew" / split / f"{split}_Aligned_Faces" / emotion
            _picture(folder / f"Film{number}_000519240_{number:08d}.png", number)
    return []


# dataset -> writers (data_dir) -> the files that hold its labels. A dataset with [] has its labels in names.
WRITERS: dict[str, tuple[Callable, ...]] = {
    "fer2013": (fer2013,),
    "ferplus": (ferplus,),
    "rafdb": (rafdb,),
    "affectnet": (affectnet, affectnet_arrays),
    "ckplus": (ckplus,),
    "disfa": (disfa,),
    "jaffe": (jaffe,),
    "kdef": (kdef,),
    "oulu": (oulu,),
    "tfd": (tfd,),
    "sfew": (sfew,),
    "folder": (folder,),
    "csv": (csv,),
}
