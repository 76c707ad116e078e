"""How many faces each detector finds, how often it is wrong, and how many pictures it takes a second.

    python benchmarks/detection.py [DATA_DIR] [--figure FILE] [--rounds N]

Scenes of four sizes are made from real faces: one to twenty a scene, 24 to 300 px, turned by up to 30 degrees, on
photographs without people. The faces are FER+'s or FER2013's test faces where DATA_DIR has them, else drawn ones, and
the astronaut of scikit-image. A face counts as found if a box overlaps its square by `MATCH` or more; all other boxes
are false alarms. All detectors see the same pictures in one process, one after another, in rounds; each one's best
round counts, because other work on the machine only ever adds time. The processor time of a picture, on all cores
together, depends less on such work.

The rows: the kit's detectors; the cascade with the settings of the package `fer`, on the full picture; the package
`mtcnn` as the kit called it before; YuNet if its file is there. `--figure` writes some of the scenes with all boxes.
"""

import argparse
import itertools
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
import pandas as pd
import skimage

from fer_tf.common.checks import DataError
from fer_tf.data import load_dataset
from fer_tf.data.faces import DETECTORS, Face, detect_faces
from fer_tf.data.faces.detectors import Detector, yunet_file
from fer_tf.data.images import convert, read_image

# name of a size -> (height, width), scenes with faces, pictures without people
SIZES = {
    "320x240": ((240, 320), 20, 6),
    "640x480": ((480, 640), 12, 6),
    "1280x720": ((720, 1280), 6, 3),
    "4000x3000": ((3000, 4000), 2, 1),
}
SMALLEST, LARGEST, TURN, MATCH = 24, 300, 30, 0.3
BANDS = {"24 to 50 px": (24, 50), "50 to 100 px": (50, 100), "100 to 300 px": (100, 301)}
WITHOUT_PEOPLE = (
    *("brick.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png"),
    *("moon.png", "motorcycle_left.png", "page.png", "rocket.jpg"),
)
# The square around the astronaut's face, in pixels of the file: left, top, side.
ASTRONAUT = (150, 45, 145)
VARIANTS = {
    "haar": ("haar", {}),
    "haar, faces from 50 px": ("haar", {"min_size": 50}),
    "OpenCV's cascade as `fer` calls it": ("cascade of fer", {}),
    "mtcnn": ("mtcnn", {}),
    "mtcnn, faces from 50 px": ("mtcnn", {"min_size": 50}),
    "mtcnn, pictures up to 640 px": ("mtcnn", {"max_side": 640}),
    "mtcnn, with small faces": ("mtcnn", {"small_faces": True}),
    "the package `mtcnn`": ("package", {}),
    "yunet": ("yunet", {}),
}
COMPARED = (
    ("the package `mtcnn`", "mtcnn"),
    ("OpenCV's cascade as `fer` calls it", "haar, faces from 50 px"),
    ("OpenCV's cascade as `fer` calls it", "mtcnn, faces from 50 px"),
)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data_dir", nargs="?")
    arguments.add_argument("--figure")
    arguments.add_argument("--rounds", type=int, default=2)
    given = arguments.parse_args()
    DETECTORS["package"] = Detector(_package, "the package `mtcnn`")
    scenes = {name: make_scenes(*size, given.data_dir) for name, size in SIZES.items()}
    variants = dict(VARIANTS) if yunet_file().is_file() else {key: VARIANTS[key] for key in VARIANTS if key != "yunet"}
    found: dict = {}
    seconds: dict = {}
    for detector, options in variants.values():
        find([picture for picture, _ in scenes["320x240"][:1]], detector, options)  # warm
    for size, _ in itertools.product(scenes, range(given.rounds)):
        pictures = [picture for picture, _ in scenes[size]]
        for name, (detector, options) in variants.items():
            started = np.array([time.perf_counter(), time.process_time()])
            found[name, size] = find(pictures, detector, options)
            taken = np.array([time.perf_counter(), time.process_time()]) - started
            seconds[name, size] = np.minimum(taken, seconds.get((name, size), taken))
        print(f"{size} done", file=sys.stderr)
    rows = {name: scores(name, scenes, found) for name in variants}
    print(pd.DataFrame(rows).T.to_string(float_format="{:.1f}".format), "\n")
    for which, title in enumerate(("pictures a second", "pictures in a second of processor time")):
        rates = {n: {size: len(scenes[size]) / seconds[n, size][which] for size in SIZES} for n in variants}
        table = pd.DataFrame(rates).T
        print(f"{title}\n{table.to_string(float_format='{:.1f}'.format)}")
        for slower, faster in COMPARED:
            print(f"{faster} / {slower}: {(table.loc[faster] / table.loc[slower]).round(1).to_dict()}")
        print()
    if given.figure:
        cv2.imwrite(given.figure, figure(scenes, found)[..., ::-1])


def find(pictures, detector, options):
    """Boxes of each picture, in batches as `predict` makes them."""
    if detector == "cascade of fer":
        return [_cascade_of_fer(picture) for picture in pictures]
    held = max(1, 2**25 // pictures[0][..., 0].size)
    parts = [pictures[start : start + held] for start in range(0, len(pictures), held)]
    return [faces for part in parts for faces in detect_faces(part, detector, **options)]


def _package():
    """The package `mtcnn`, called as the kit called it before it ran the networks with OpenCV."""
    from mtcnn import MTCNN

    network = MTCNN()

    def find_in(batch, smallest):
        options = {"box_format": "xyxy", "output_type": "numpy", "fit_to_image": False, "threshold_onet": 0.8}
        rows = network.detect_faces(list(batch), **options)
        boxes = [Face((x1, y1, x2 - x1, y2 - y1), score) for x1, y1, x2, y2, score in rows[:, 1:6].tolist()]
        numbers = rows[:, 0].astype(int).tolist()
        return [[box for box, own in zip(boxes, numbers, strict=True) if own == number] for number in range(len(batch))]

    return find_in


_CASCADE = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")


def _cascade_of_fer(picture):
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    boxes = _CASCADE.detectMultiScale(gray, 1.1, 5, flags=cv2.CASCADE_SCALE_IMAGE, minSize=(50, 50))
    return [Face(tuple(map(float, box))) for box in boxes]


def make_scenes(shape, scenes, empty, data_dir):
    """Pairs of a picture, uint8 [H, W, 3], and its faces as a list of (`Face` with the square, degrees turned)."""
    rng = np.random.default_rng(shape[1])
    photographs = [_photograph(name) for name in WITHOUT_PEOPLE]
    faces, made = test_faces(data_dir), []
    for number in range(scenes + empty):
        picture = background(photographs[number % len(photographs)], shape, rng)
        truth = []
        for _ in range(int(rng.integers(1, 21)) if number < scenes else 0):
            side = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(min(LARGEST, 0.6 * shape[0])))))
            x, y = (float(rng.uniform(0, length - side)) for length in shape[::-1])
            place, turn = Face((x, y, side, side)), float(rng.uniform(-TURN, TURN))
            if all(place.overlap(other) == 0 for other, _ in truth):
                face = faces[0] if rng.random() < 0.25 else faces[rng.integers(1, len(faces))]
                paste(picture, face, place.box, turn)
                truth.append((place, turn))
        made.append((picture, truth))
    return made


def _photograph(name):
    return read_image(Path(skimage.__file__).parent / "data" / name, channels=3)


def test_faces(data_dir):
    """The astronaut's face and test faces of FER+, FER2013 or, without them, drawn ones: list of uint8 [h, w, 3]."""
    left, top, side = ASTRONAUT
    astronaut = _photograph("astronaut.png")[top : top + side, left : left + side]
    for name, options in (("ferplus", {}), ("fer2013", {}), ("synthetic", {"count": 2000})):
        try:
            images = load_dataset(name, data_dir, **options).test.images[:1000]
            return [astronaut, *convert(images, None, 3)]
        except DataError:
            continue
    raise AssertionError("drawn faces need no file")


def background(photograph, shape, rng):
    """A random part of a photograph, half of it or more, in the shape of the scene."""
    scale = max(shape[0] / photograph.shape[0], shape[1] / photograph.shape[1]) * rng.uniform(1, 2)
    size = [max(part, round(side * scale)) for part, side in zip(shape[::-1], photograph.shape[1::-1], strict=True)]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    large = cv2.resize(photograph, size, interpolation=method)
    left, top = rng.integers(0, size[0] - shape[1] + 1), rng.integers(0, size[1] - shape[0] + 1)
    return large[top : top + shape[0], left : left + shape[1]].copy()


def paste(picture, face, box, turn):
    """Puts a face into a square of the picture, turned around its middle, with soft edges."""
    x, y, side = (round(value) for value in box[:3])
    if len(face) > side:
        face = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    own = len(face)
    turned = cv2.getRotationMatrix2D((own / 2 - 0.5, own / 2 - 0.5), turn, side / own)
    turned[:, 2] += side / 2 - own / 2
    edges = np.zeros((own, own), np.float32)
    cv2.ellipse(edges, (own // 2, own // 2), (round(own * 0.44), round(own * 0.5)), 0, 0, 360, 1.0, -1)
    mask = cv2.warpAffine(cv2.GaussianBlur(edges, (0, 0), own / 24), turned, (side, side))[..., None]
    pixels = cv2.warpAffine(face, turned, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    part = picture[y : y + side, x : x + side]
    mask, pixels = (layer[: part.shape[0], : part.shape[1]] for layer in (mask, pixels))
    part[:] = (pixels * mask + part * (1 - mask)).round()


def scores(name, scenes, found):
    """A row of the table: recall in %, of all faces and of some, and false alarms for 100 pictures."""
    faces, alarms, alarms_empty, empty, count = [], 0, 0, 0, 0
    for size, pictures in scenes.items():
        for (_, truth), boxes in zip(pictures, found[name, size], strict=True):
            matched = matches([place for place, _ in truth], boxes)
            faces += [(place.box[2], abs(turn), index in matched) for index, (place, turn) in enumerate(truth)]
            alarms += len(boxes) - len(matched)
            alarms_empty += len(boxes) * (not truth)
            empty += not truth
            count += 1
    table = pd.DataFrame(faces, columns=["side", "turn", "is_found"])
    row = {"recall %": 100 * table["is_found"].mean()}
    row |= {band: 100 * table["is_found"][table["side"].between(*ends, "left")].mean() for band, ends in BANDS.items()}
    row["turned by 15 or more"] = 100 * table["is_found"][table["turn"] >= 15].mean()
    row["false alarms in 100"] = 100 * alarms / count
    row["in 100 without people"] = 100 * alarms_empty / empty
    return row


def matches(truth, boxes):
    """dict index of a face -> index of its box; each box counts once, the largest overlaps first."""
    pairs = [(face.overlap(box), row, column) for row, face in enumerate(truth) for column, box in enumerate(boxes)]
    matched: dict = {}
    for overlap, row, column in sorted(pairs, reverse=True):
        if overlap >= MATCH and row not in matched and column not in matched.values():
            matched[row] = column
    return matched


def figure(scenes, found):
    """The first scenes of 640x480 with their faces in white, MTCNN's boxes in green and Haar's in red."""
    tiles = []
    for index, (picture, truth) in enumerate(scenes["640x480"][:6]):
        tile = picture.copy()
        boxes = [((255, 255, 255), [place for place, _ in truth])]
        boxes += [
            (colour, found[name, "640x480"][index]) for colour, name in (((0, 255, 0), "mtcnn"), ((255, 0, 0), "haar"))
        ]
        for colour, faces in boxes:
            for face in faces:
                x, y, w, h = map(round, face.box)
                cv2.rectangle(tile, (x, y), (x + w, y + h), colour, 2)
        tiles.append(tile)
    return np.vstack([np.hstack(tiles[row : row + 3]) for row in (0, 3)])


if __name__ == "__main__":
    main()
