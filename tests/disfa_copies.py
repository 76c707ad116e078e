"""Small copies of DISFA in the publisher's layout."""

import cv2
import numpy as np

from fer_tf.data import load_dataset
from fer_tf.data.sets.disfa_units import UNITS

FILM_FRAMES = 30

# The units of each frame, in turn; every row of ten has five emotions (and neutral), a trace and two that are dropped
FACES = [
    {},
    {6: 2, 12: 5, 25: 3},
    {1: 2, 2: 2, 5: 2, 26: 2},
    {1: 3, 2: 3, 4: 3, 20: 2},
    {1: 2, 4: 2, 15: 2},
    {9: 3, 17: 2},
    {12: 1},
    {1: 2, 2: 2, 4: 2, 5: 2, 25: 2},
    {4: 2, 5: 2, 17: 2},
    {25: 4},
]

WANTED = ["neutral", "happiness", "surprise", "fear", "sadness", "disgust", None, None, None, None]


def rows_of(faces):
    return np.array([[face.get(unit, 0) for unit in UNITS] for face in faces])


def write_video(path, frames):
    """Frame k (from 0) has brightness 10 + 8 k."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 20, (64, 48))
    for index in range(frames):
        writer.write(np.full((48, 64, 3), 10 + 8 * index, np.uint8))
    writer.release()


def write_labels(disfa_root, subject, faces):
    folder = disfa_root / "ActionUnit_Labels" / subject
    folder.mkdir(parents=True, exist_ok=True)
    for unit, column in zip(UNITS, rows_of(faces).T, strict=True):
        lines = [f"{frame},{value}" for frame, value in enumerate(column, start=1)]
        (folder / f"{subject}_au{unit}.txt").write_text("\n".join(lines) + "\n")


def write_subject(disfa_root, subject, frames=FILM_FRAMES, camera="left"):
    folder = "Videos_LeftCamera" if camera == "left" else "Video_RightCamera"
    write_video(disfa_root / folder / f"{camera.title()}Video{subject}_comp.avi", frames)
    write_labels(disfa_root, subject, [FACES[frame % 10] for frame in range(FILM_FRAMES)])


def load(disfa_root, seed=0, **options):
    return load_dataset("disfa", disfa_root.parent, seed=seed, **{"stride": 1, "image_size": 16, **options})
