"""Fixtures of several test files on datasets."""

import itertools

import numpy as np
import pytest
from affectnet_copies import SIDE
from fixtures import PHOTO_PLACES, SYNTHETIC_COUNT
from PIL import Image

from fer_tf.data import load_dataset
from fer_tf.data.prepare import target


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
