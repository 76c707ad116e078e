"""Backbones for the drawn world: trained to recognise drawn people and their features, never their emotions.

They are to drawn faces what networks pretrained on ImageNet or on photographs of people are to real faces. The people
they have learned are in no dataset.
"""

import functools
import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.metrics import r2_score
from tqdm.auto import tqdm

from ..common.checks import InputError, check_choice, check_whole
from ..common.files import replacing, write_json, write_text
from ..common.hashes import file_fingerprint
from ..common.paths import cache_root
from ..common.shipped import write_checksums
from ..data.cache import cached_arrays
from ..data.drawn_faces import draw_faces
from ..data.drawn_faces.difficulty import resolve_difficulty
from ..data.drawn_faces.geometry import TRAIT_NAMES
from ..data.drawn_faces.identity import BEARDS, HAIR_STYLES, draw_identities
from ..data.sets.synthetic import source_fingerprint
from ..evaluation import tables
from ..layers import BackboneInput
from ..models.backbones import load_backbone
from ..models.drawn_weights import WIDTH, backbones_root
from ..models.features import feature_extractor
from ..runs.bundle import halve
from ..runs.environment import environment, has_accelerator
from .face_nets import pair_auc
from .identities import identity_trunk

SHAPE = (48, 48, 1)
PICTURES, PER_PERSON = 60_000, 50
UNSEEN = 4_000
# Numbers far beyond those of any dataset: no person here is in a split.
FIRST_PERSON = FIRST_PICTURE = 10**8
LARGEST = 2_000_000
_POSE_UNIT = 30.0  # degrees
_BATCH = 128


@dataclass(frozen=True)
class Recipe:
    """How one backbone is pretrained.

    Attributes:
        network: () -> (model from raw pixels [N, 48, 48, 1] to features [N, D], the part of it whose weights ship).
        about: what it is for.
        epochs: over all pictures.
        learning_rate: the highest; Adam, with a cosine to zero.
    """

    network: Callable[[], tuple[keras.Model, keras.Model]]
    about: str
    epochs: int = 6
    learning_rate: float = 1e-3


def _application(name: str, mode: str) -> tuple[keras.Model, keras.Model]:
    """A network of `keras.applications` at a quarter of its width."""
    inputs = keras.Input(SHAPE, name="image")
    backbone = load_backbone(name, SHAPE[0], None, WIDTH)
    features = layers.GlobalAveragePooling2D()(backbone(BackboneInput(SHAPE[0], mode)(inputs)))
    return keras.Model(inputs, features), backbone


def _own(name: str) -> tuple[keras.Model, keras.Model]:
    """A network of the kit without its classifier, at a quarter of its width."""
    network = feature_extractor(name, SHAPE, name, WIDTH)
    return network, network


def _identities() -> tuple[keras.Model, keras.Model]:
    """The face network of chapters 6 and 7."""
    inputs = keras.Input(SHAPE, name="image")
    trunk = identity_trunk(SHAPE)
    features = layers.GlobalAveragePooling2D()(trunk(layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)))
    return keras.Model(inputs, features), trunk


RECIPES = {
    "VGG16": Recipe(
        functools.partial(_application, "VGG16", "caffe"),
        "VGG16 at a quarter of its width, also the backbone of `akhand` at quick size",
        3,
        5e-4,
    ),
    "MobileNet": Recipe(
        functools.partial(_application, "MobileNet", "tf"),
        "MobileNet at a quarter of its width",
        8,
    ),
    "cnn": Recipe(functools.partial(_own, "cnn"), "the plain CNN at a quarter of its width, the backbone of `ran`", 8),
    "identities": Recipe(_identities, "the face network that FaceNet2ExpNet is matched to", 4),
}


class DrawnPeople(keras.utils.PyDataset):
    """Drawn faces in batches: pictures uint8 [B, 48, 48, 1] and their truth by head, in another order each epoch."""

    def __init__(self, images: np.ndarray, truth: dict[str, np.ndarray], seed: int, epoch: int = 0) -> None:
        super().__init__()
        self.images, self.truth, self.seed, self.epoch = images, truth, seed, epoch
        self.order = np.random.default_rng([seed, epoch]).permutation(len(images))

    def __len__(self) -> int:
        return max(1, len(self.images) // _BATCH)

    def __getitem__(self, index: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rows = np.sort(self.order[index * _BATCH : (index + 1) * _BATCH])
        return self.images[rows], {head: values[rows] for head, values in self.truth.items()}

    def on_epoch_end(self) -> None:
        """Draws the next epoch's order."""
        self.epoch += 1
        self.order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.images))


def drawn_people(count: int, seed: int = 0, first_person: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Faces of people who are in no dataset, and what the network learns to name. They are drawn once, then read from
    the cache.

    Args:
        count: pictures, `PER_PERSON` of each person.
        seed: of the drawing.
        first_person: number of the first person.
    Returns: images uint8 [count, 48, 48, 1], and a dict of truths, [count, ...] each: person int, glasses 0 or 1, beard
        int into BEARDS, hair int into HAIR_STYLES, lines -1..1 (how deep the lines of the face are), pose float
        [count, 3] (yaw, pitch, roll in units of 30 degrees).
    """
    key = source_fingerprint({"people": [count, PER_PERSON, FIRST_PERSON + first_person], "seed": seed})
    arrays = cached_arrays("drawn-people", key, lambda: _draw(count, seed, first_person))
    images = arrays.pop("images")
    return images, arrays


def _draw(count, seed, first_person):
    person = np.arange(count) // PER_PERSON
    numbers = FIRST_PERSON + first_person + person
    people = draw_identities(np.unique(numbers), seed, resolve_difficulty("default", {}))
    images, poses = np.empty((count, *SHAPE), np.uint8), np.empty((count, 3), np.float32)
    for at in tqdm(
        range(0, count, 2000), desc="drawing people", unit="2000 faces", leave=False, disable=not sys.stderr.isatty()
    ):
        rows = slice(at, min(at + 2000, count))
        start = FIRST_PICTURE + first_person * PER_PERSON + at
        faces = draw_faces(rows.stop - at, seed=seed, start=start, identities=numbers[rows])
        images[rows], poses[rows] = faces.images, faces.table[["yaw", "pitch", "roll"]] / _POSE_UNIT
    return {
        "images": images,
        "person": person,
        "glasses": people.glasses[person].astype(np.float32),
        "beard": people.beard[person],
        "hair": people.style[person],
        "lines": people.traits[person, TRAIT_NAMES.index("fold_depth")].astype(np.float32),
        "pose": poses,
    }


def pretrain(
    name: str, pictures: int = PICTURES, epochs: int = 0, seed: int = 0, folder: str | Path | None = None
) -> dict:
    """Trains a backbone on drawn people, and writes its weights in half precision, its record and the folder's README.

    The same call resumes an interrupted training after its last epoch.

    Args:
        name: a key of `RECIPES`.
        pictures: to train on, a multiple of `PER_PERSON`.
        epochs: 0 for the recipe's.
        seed: of weights, order and drawing.
        folder: default models/bundled/backbones.
    Returns: the record, a dict; its figures are of people that the network has never seen.
    Raises: `InputError` for a wrong argument, or a file of more than 2 MB.
    """
    recipe = RECIPES[check_choice("backbone", name, RECIPES)]
    check_whole("pictures", pictures, low=2 * PER_PERSON)
    epochs = check_whole("epochs", epochs, low=0) or recipe.epochs
    folder = Path(folder) if folder else backbones_root()
    images, truth = drawn_people(pictures, seed)
    keras.utils.set_random_seed(seed)
    network, shipped = recipe.network()
    people = int(truth["person"].max()) + 1
    model = with_heads(network, people)
    begin = time.perf_counter()
    _fit(model, DrawnPeople(images, truth, seed), recipe, epochs, f"{name}-{pictures}-{epochs}-{seed}")
    seconds = time.perf_counter() - begin
    path = folder / f"{name}.weights.h5"
    _write_weights(shipped, path)
    shipped.load_weights(path)  # so that the file is measured, and not what it was made from
    record = {
        "file": path.name,
        "sha256": file_fingerprint(path),
        "bytes": path.stat().st_size,
        "network": name,
        "about": recipe.about,
        "parameters": int(shipped.count_params()),
        "width": WIDTH,
        "command": f"fer-tf pretrain {name}",
        "pictures": pictures,
        "people": people,
        "epochs": epochs,
        "learning_rate": recipe.learning_rate,
        "seed": seed,
        "seconds": round(seconds),
        "unseen_people": unseen_people(model, network, seed, -(-pictures // PER_PERSON), UNSEEN),
        "trained_on": environment(),
    }
    write_json(folder / f"{name}.json", record)
    write_index(folder)
    return record


def _write_weights(network, path):
    """Writes a network's weights in half precision; `InputError` if the file is too large to ship."""
    with replacing(path) as file:
        saved = file.with_suffix(".weights.h5")
        network.save_weights(saved)
        halve(saved)
        saved.replace(file)
    size = path.stat().st_size
    if size > LARGEST:
        raise InputError(f"{path}: has {size:,} bytes, more than the {LARGEST:,} that ship")


def with_heads(network: keras.Model, people: int) -> keras.Model:
    """The network with a head for each truth of `drawn_people`, none for an emotion."""
    inputs = keras.Input(SHAPE, name="image")
    features = network(inputs)
    heads = {
        "person": layers.Dense(people, activation="softmax", name="person")(layers.Dropout(0.2)(features)),
        "glasses": layers.Dense(1, activation="sigmoid", name="glasses")(features),
        "beard": layers.Dense(len(BEARDS), activation="softmax", name="beard")(features),
        "hair": layers.Dense(len(HAIR_STYLES), activation="softmax", name="hair")(features),
        "lines": layers.Dense(1, name="lines")(features),
        "pose": layers.Dense(3, name="pose")(features),
    }
    return keras.Model(inputs, heads)


LOSSES = {
    "person": "sparse_categorical_crossentropy",
    "glasses": "binary_crossentropy",
    "beard": "sparse_categorical_crossentropy",
    "hair": "sparse_categorical_crossentropy",
    "lines": "mean_squared_error",
    "pose": "mean_squared_error",
}


def _fit(model, batches, recipe, epochs, key):
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, epochs * len(batches), warmup_target=recipe.learning_rate, warmup_steps=len(batches) // 4
    )
    model.compile(
        keras.optimizers.Adam(schedule, global_clipnorm=1.0),
        LOSSES,
        metrics={"person": "accuracy", "glasses": "accuracy", "beard": "accuracy", "hair": "accuracy"},
        jit_compile=has_accelerator(),
    )
    folder = cache_root() / f"pretraining-{key}"
    model.fit(batches, epochs=epochs, shuffle=False, callbacks=[keras.callbacks.BackupAndRestore(folder)])
    shutil.rmtree(folder, ignore_errors=True)


def unseen_people(model: keras.Model, network: keras.Model, seed: int, first_person: int, count: int) -> dict:
    """How well a pretrained network tells apart people it has never seen.

    Args:
        model: of `with_heads`.
        network: raw pixels → features.
        seed: of the drawing.
        first_person: number of the first unseen person.
        count: pictures.
    Returns: dict with the area under the ROC curve over pairs of pictures (`pair_auc`), the accuracies of glasses,
        beard and hair, R² of the lines, and the mean error of the pose in degrees.
    """
    images, truth = drawn_people(count, seed, first_person)
    heads = model.predict(images, batch_size=_BATCH, verbose=0)
    right = {head: np.mean(heads[head].argmax(axis=1) == truth[head]) for head in ("beard", "hair")}
    right["glasses"] = np.mean((heads["glasses"][:, 0] > 0.5) == (truth["glasses"] > 0.5))
    figures = {
        "pair_auc": pair_auc(network.predict(images, batch_size=_BATCH, verbose=0), truth["person"]),
        **right,
        "lines_r2": r2_score(truth["lines"], heads["lines"][:, 0]),
        "pose_degrees": np.abs(heads["pose"] - truth["pose"]).mean() * _POSE_UNIT,
    }
    return {"pictures": count, **{key: round(float(value), 4) for key, value in figures.items()}}


def write_index(folder: Path) -> None:
    """Writes SHA256SUMS and README.md of the backbones' folder from the records in it."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    write_checksums(folder, records)
    rows = [
        {
            "file": entry["file"],
            "network": entry["about"],
            "MB": f"{entry['bytes'] / 1e6:.2f}",
            "pictures": f"{entry['pictures']:,}",
            "people": f"{entry['people']:,}",
            "epochs": entry["epochs"],
            "minutes": round(entry["seconds"] / 60),
            "pairs of unseen people (AUC)": f"{entry['unseen_people']['pair_auc']:.3f}",
            "hair": f"{entry['unseen_people']['hair']:.1%}",
            "pose error": f"{entry['unseen_people']['pose_degrees']:.1f}°",
        }
        for entry in records
    ]
    write_text(folder / "README.md", _README + tables.markdown(pd.DataFrame(rows)) + _AGAIN)


_README = """# Backbones for the drawn world

Written by `fer-tf pretrain` from the records next to the files. Each network was trained on drawn faces of people who
are in no dataset. It learned to name the person, glasses, beard, hair, the depth of the face's lines and the head's
pose. It never saw an emotion's name. `weights="drawn"` selects these weights; at quick size they are the default.
They know drawings and nothing about real faces.

"""
_AGAIN = """
`fer-tf pretrain NAME` trains one again. The columns after "minutes" are measured on 4,000 pictures of people that the
network has never seen, from the file in half precision.
"""
