"""Fixtures of several test files on datasets."""

import itertools

import numpy as np
import pytest
from affectnet_copies import SIDE
from ferplus_copies import HEADER, USAGES, votes
from fixtures import PHOTO_PLACES, SYNTHETIC_COUNT
from PIL import Image

from fer_tf.data import load_dataset
from fer_tf.data.prepare import target
from fer_tf.data.sets.ferplus import FOLDERS
from fer_tf.emotions import EMOTIONS


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    """A cache that no other test has written to."""
    monkeypatch.setenv("FER_TF_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def faces(tiny_faces):
    """Endless different faces as Pillow pictures of SIDE × SIDE."""
    images = itertools.cycle(tiny_faces.store.array[..., 0])
    return (Image.fromarray(image).convert("RGB").resize((SIDE, SIDE)) for image in images)


@pytest.fixture(scope="module")
def source():
    """The dataset that most tests of preparing prepare."""
    return load_dataset("synthetic", count=SYNTHETIC_COUNT)


@pytest.fixture
def photos(tmp_path, tiny_faces):
    """A data_dir with a `folder` of colour photographs, a face in each, of names that clash and are hard to write."""
    home = tmp_path / "röh data" / "folder"
    for code, (place, image) in enumerate(zip(PHOTO_PLACES, tiny_faces.store.array, strict=False)):
        scene = np.full((90, 120, 3), (200, 30, 60 + code), np.uint8)
        scene[20:68, 30:78] = image
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene).save(home / place)
    return home.parent


@pytest.fixture
def count_writes(monkeypatch):
    """A list that grows by the path of each picture that is prepared."""
    written, add = [], target.Target.add
    monkeypatch.setattr(target.Target, "add", lambda self, path, image: (written.append(path), add(self, path, image)))
    return written


@pytest.fixture
def fer2013_folder(tmp_path, monkeypatch):
    """An empty fer2013 folder in a data_dir with blanks and letters beyond ASCII, and an empty cache."""
    monkeypatch.setenv("FER_TF_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "Daten für Übung 1" / "fer2013"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def ferplus_root(fer2013_root, tmp_path):
    """fer2013, and FER+ in Microsoft's layout next to it: every picture has eight votes for FER2013's own label and two
    for another; rows 0, 1 and 2 are no face (unnamed), tied, and unknown."""
    data = tmp_path / "data dir"
    data.mkdir()
    (data / "fer2013").symlink_to(fer2013_root / "fer2013")
    (data / "ferplus").mkdir()
    lines, listed = [HEADER], {folder: [] for folder in FOLDERS}
    for row, usage in enumerate(USAGES):
        label = EMOTIONS[row % 7]
        counts = votes(**{label: 8, "contempt": 2})
        counts = {0: votes(NF=10), 1: votes(anger=5, fear=5), 2: votes(unknown=8, fear=2)}.get(row, counts)
        name = "" if row == 0 else f"fer{row + 1000:07d}.png"  # image names are not row numbers
        text = ",".join(map(str, counts))
        lines.append(f"{usage},{name},{text}")
        if name:
            listed[list(FOLDERS)[["Training", "PublicTest", "PrivateTest"].index(usage)]].append(
                f'{name},"(0, 0, 48, 48)",{text}'
            )
    (data / "ferplus" / "fer2013new.csv").write_text("\n".join(lines) + "\n")
    for folder, rows in listed.items():
        (data / "ferplus" / "data" / folder).mkdir(parents=True)
        (data / "ferplus" / "data" / folder / "label.csv").write_text("\n".join(rows[::-1]) + "\n")
    return data
