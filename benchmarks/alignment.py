"""What aligning faces does to a model's accuracy: turned until the eyes are level, registered by landmarks, or neither.

    python benchmarks/alignment.py [DATA_DIR] [--model ferplus.h5] [--faces 600] [--figure FILE]
    python benchmarks/alignment.py DATA_DIR --template          where MTCNN finds the points of FER2013's faces

The faces are FER+'s test faces (PrivateTest). Each is pasted into a photograph without people, 320×240, at 70 to 180
px: upright, or turned by up to 20 degrees, or by 20 to 45. MTCNN finds them, and the model predicts the same faces with
each alignment. A face that is not found, or whose box is elsewhere, counts for none. The last scene has the faces as
they are, tight crops of 48 px; there the whole picture without a search is compared, too.
"""

import argparse
import sys

import cv2
import numpy as np
import pandas as pd
from detection import WITHOUT_PEOPLE, background, paste
from detection import _photograph as photograph

from fer_tf.common.quiet import import_keras
from fer_tf.data import load_dataset
from fer_tf.data.faces import ALIGNS, Face, crop_faces, detect_faces
from fer_tf.data.faces.geometry import POINTS
from fer_tf.evaluation.metrics import mcnemar
from fer_tf.evaluation.significance import paired_interval

SHAPE, SIDES, MATCH, CROP = (240, 320), (70, 180), 0.3, 48
# name of a scene -> the least and the largest turn in degrees, to either side; None: the faces as they are
SCENES = {"upright": (0, 0), "turned by up to 20°": (0, 20), "turned by 20° to 45°": (20, 45), "48 px crops": None}
REFERENCE = "eyes"


def main():
    given = parsed()
    if given.template:
        print(template(given.data_dir).round(3).to_string())
        return
    import_keras()
    from fer_tf.common.inference import predict_probabilities
    from fer_tf.saving import load_model, model_info

    ds = load_dataset("ferplus", given.data_dir)
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(ds.test))[: given.faces]
    images, labels = ds.test.images[rows], ds.test.labels[rows]
    model = load_model(given.model)
    order = [model_info(model)["class_names"].index(name) for name in ds.class_names]
    tiles, table = [], []
    for scene, turns in SCENES.items():
        pictures, places = make_scenes(images, turns, rng)
        found = [matching(boxes, place) for boxes, place in zip(detect_faces(pictures, "mtcnn"), places, strict=True)]
        kept = [number for number, face in enumerate(found) if face]
        crops = {name: crops_of(pictures, found, kept, name) for name in ALIGNS}
        crops |= {"no search": np.stack([pictures[number] for number in kept])} if turns is None else {}
        right = {}
        for name, faces in crops.items():
            answers = predict_probabilities(model, faces, 64)[:, order]
            right[name] = answers.argmax(axis=1) == labels[kept]
        table += scores(scene, right, len(kept) / len(pictures))
        print(f"{scene} done", file=sys.stderr)
        tiles.append([(pictures[kept[index]], *(crops[name][index] for name in ALIGNS)) for index in range(6)])
    print(pd.DataFrame(table).set_index(["scene", "align"]).to_string(float_format="{:.3g}".format))
    if given.figure:
        cv2.imwrite(given.figure, figure(tiles))


def make_scenes(images, turns, rng):
    """The pictures, uint8 [H, W, 1], and the true square of the face in each as a `Face`."""
    if turns is None:
        return list(images), [Face((0.0, 0.0, float(CROP), float(CROP)))] * len(images)
    photographs = [photograph(name) for name in WITHOUT_PEOPLE]
    pictures, places = [], []
    for number, image in enumerate(images):
        picture = background(photographs[number % len(photographs)], SHAPE, rng)
        side = float(rng.uniform(*SIDES))
        x, y = (float(rng.uniform(0, length - side)) for length in SHAPE[::-1])
        turn = float(rng.uniform(*turns) * rng.choice((-1, 1)))
        paste(picture, np.repeat(image, 3, axis=2), (x, y, side, side), turn)
        pictures.append(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None])
        places.append(Face((x, y, side, side)))
    return pictures, places


def matching(boxes, place):
    """The box that overlaps the true square most, None if all overlap it by less than `MATCH`."""
    best = max(boxes, key=place.overlap, default=None)
    return best if best and place.overlap(best) >= MATCH else None


def crops_of(pictures, found, kept, align):
    """uint8 [M, CROP, CROP, 1] of the faces that were found."""
    chosen, faces = [pictures[number] for number in kept], [[found[number]] for number in kept]
    crops = crop_faces(chosen, CROP, "mtcnn", margin=0, align=align, found=faces)
    return np.stack([crop.image for (crop,) in crops])


def scores(scene, right, recall):
    """A row for each alignment: accuracy in %, and the change from `REFERENCE` in points with McNemar's p."""
    rows = []
    for name, hits in right.items():
        test, both = mcnemar(hits, right[REFERENCE]), int((hits & right[REFERENCE]).sum())
        only = test["only_first"], test["only_second"]
        low, high = paired_interval(both, *only, len(hits) - both - sum(only))
        row = {
            "scene": scene,
            "align": name,
            "faces": len(hits),
            "found %": 100 * recall,
            "accuracy %": hits.mean() * 100,
        }
        row |= {"change": 100 * (only[0] - only[1]) / len(hits), "low": 100 * low, "high": 100 * high}
        rows.append(row | {"p": test["p_value"]})
    return rows


def template(data_dir, count=4000):
    """Median, mean and spread of the points in FER2013's training faces, as shares of the side; and of the box."""
    images = load_dataset("fer2013", data_dir).train.sample(count, 0)[0]
    faces = [boxes[0] for boxes in detect_faces(list(images), "mtcnn") if boxes]
    points = np.array([list(face.points.values()) for face in faces]) / images.shape[1]
    statistics = {"median": np.median(points, axis=0), "mean": points.mean(axis=0), "deviation": points.std(axis=0)}
    columns = [f"{name} {axis}" for name in POINTS for axis in "xy"]
    print(f"{len(faces)} of {len(images)} faces found")
    return pd.DataFrame({key: value.reshape(-1) for key, value in statistics.items()}, index=columns)


def figure(tiles):
    """Rows of scenes: for six faces each the picture and its crops, in the order of `ALIGNS`."""
    rows = []
    for scene in tiles:
        cells = [cv2.resize(part, (96, 96), interpolation=cv2.INTER_NEAREST) for group in scene for part in group]
        rows.append(np.hstack(cells))
    return np.vstack(rows)


def parsed():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data_dir", nargs="?")
    arguments.add_argument("--model", default="ferplus.h5")
    arguments.add_argument("--faces", type=int, default=600)
    arguments.add_argument("--figure")
    arguments.add_argument("--template", action="store_true")
    return arguments.parse_args()


if __name__ == "__main__":
    main()
