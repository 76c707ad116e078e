"""Frozen face-recognition networks. FaceNet2ExpNet's first stage learns to reproduce their last feature maps."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from sklearn.metrics import roc_auc_score
from tqdm.auto import tqdm

from ..common import sharing
from ..common.checks import InputError, MissingDataError, ModelFileError
from ..common.hashes import file_fingerprint
from ..data.base import Split
from ..data.cache import cached_parts
from ..data.images import convert
from ..models.drawn_weights import drawn_file, load_drawn
from ..saving.keras_files import SUFFIXES, find_model, read_description
from . import identities

# What `face_net` may be, besides the file name of a Keras model.
NAMED = ("none", "identities", "keras_facenet")
KERAS_FACENET = Path("20180402-114759") / "20180402-114759-weights.h5"
KERAS_FACENET_URL = f"https://github.com/faustomorales/keras-facenet/releases/download/v0.3.1/{KERAS_FACENET.name}"
KERAS_FACENET_SHA256 = "8b71e7045497e841c00ee568f031d1a4d30908fceadf6884aef2dec4d545202b"
_BATCH = 64


@dataclass(frozen=True)
class FaceNet:
    """A face network up to its last feature map.

    Attributes:
        trunk: `keras.Model`, normalised RGB [N, S, S, 3] → map [N, h, w, D].
        offset, scale: its input is (pixels - offset) / scale.
        fingerprint: of its weights.
        name: for records.
    """

    trunk: keras.Model
    offset: float
    scale: float
    fingerprint: str
    name: str

    @property
    def depth(self) -> int:
        """Channels of the map."""
        return int(self.trunk.output_shape[-1])

    def prepared(self, images: np.ndarray) -> np.ndarray:
        """Raw pixels [N, H, W, C], 0..255, at the net's size and range, float32 [N, S, S, channels]."""
        height, width, channels = self.trunk.input_shape[1:]
        images = convert(np.asarray(images).astype(np.uint8), (height, width), channels)
        return (images.astype(np.float32) - self.offset) / self.scale

    def maps(self, images: np.ndarray, grid: tuple) -> np.ndarray:
        """Its last map, averaged to a grid.

        Args:
            images: uint8 [N, H, W, C].
            grid: (h, w) of the expression net's map.
        Returns: float32 [N, h, w, D].
        """
        found = keras.ops.convert_to_numpy(self.trunk.predict_on_batch(self.prepared(images)))
        return to_grid(found, grid)


def to_grid(maps: np.ndarray, grid: tuple) -> np.ndarray:
    """Maps [N, h, w, D] at another size: each cell the mean of what lies in it (a linear map along each side)."""
    rows, columns = (_area_weights(old, new) for old, new in zip(maps.shape[1:3], grid, strict=True))
    return np.einsum("ai,nijd,bj->nabd", rows, maps, columns, optimize=True).astype(np.float32)


def _area_weights(old, new):
    """float [new, old], rows sum to one: which share of new cell a lies in old cell i."""
    edges = np.arange(new + 1) * old / new
    low = np.maximum(edges[:-1, None], np.arange(old))
    high = np.minimum(edges[1:, None], np.arange(old) + 1)
    weights = np.clip(high - low, 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


def open_face_net(name: str) -> FaceNet:
    """The face net meant by an experiment's `face_net`.

    Args:
        name: "identities" (ships; trained on drawn people who are in no dataset), "keras_facenet"
            (Inception-ResNet v1 of the package keras-facenet), or the file of a Keras model with a spatial map, looked
            for as `load_model` does. A file is given (pixels - 127.5) / 128, as MobileFaceNet wants them; a model of
            the kit (its file has a description) is given raw pixels, which it normalises by itself. A net that wants
            another range: put a `Rescaling` layer before it and save it again.
    """
    if name == "identities":
        return _identities()
    if name == "keras_facenet":
        return _keras_facenet()
    return _from_file(name)


def face_net_fingerprint(name: str) -> str:
    """What a run that is matched to this face net depends on, without opening it where that takes long."""
    if name == "identities":
        return file_fingerprint(drawn_file("identities"))[:16]
    path = _facenet_file() if name == "keras_facenet" else _own_file(name)
    return file_fingerprint(path)[:16]


def _identities():
    """The kit's own, which `fer-tf pretrain identities` trained on drawn people who are in no dataset."""
    trunk = identities.identity_trunk((48, 48, 1))
    load_drawn(trunk, "identities")
    return FaceNet(trunk, 127.5, 127.5, face_net_fingerprint("identities"), "identities")


def _facenet_file():
    """The path of keras-facenet's weights, where its own package keeps them. They are downloaded once."""
    folder = Path.home() / ".keras-facenet"
    path = folder / KERAS_FACENET
    try:
        keras.utils.get_file(
            KERAS_FACENET.name,
            KERAS_FACENET_URL,
            cache_dir=folder,
            cache_subdir=KERAS_FACENET.parent,
            file_hash=KERAS_FACENET_SHA256,
        )
    except Exception as error:  # Keras raises a bare Exception when it cannot fetch, ValueError on another hash
        raise MissingDataError(
            f"face_net: keras_facenet's weights are not at {path} and could not be fetched ({KERAS_FACENET_URL}: "
            f"{type(error).__name__}). Put them there (95 MB, sha256 {KERAS_FACENET_SHA256[:12]}…), or take another: "
            "--set face_net=FILE (any Keras face model with a spatial map, given (pixels - 127.5) / 128) or "
            "--set face_net=identities"
        ) from None
    return path


def _keras_facenet():
    """keras-facenet's network, built from its code with its weights: this Keras cannot load its saved form."""
    try:
        from keras_facenet.inception_resnet_v1 import InceptionResNetV1
    except ImportError:
        raise InputError("face_net: keras_facenet needs the package: pip install keras-facenet==0.3.2") from None
    path = _facenet_file()
    # 160 px is what its weights were trained at
    model = InceptionResNetV1(input_shape=(160, 160, 3), classes=512, weights_path=str(path))
    trunk = keras.Model(model.input, model.get_layer("AvgPool").input)
    return FaceNet(trunk, 127.5, 127.5, file_fingerprint(path)[:16], "keras_facenet")


def _own_file(name):
    if name == "none":
        raise InputError(
            "face_net: allowed are identities, keras_facenet or a Keras model's file (which is given (pixels - 127.5) "
            "/ 128; raw pixels if the kit saved it); received 'none', which goes with matching_epochs=0 alone"
        )
    try:
        return find_model(name)
    except ModelFileError as error:
        raise ModelFileError(f"face_net: {error}; models/README.md tells where to get one") from None


def _from_file(name):
    path = _own_file(name)
    trunk = up_to_last_map(_loaded(path))
    _check_rows(trunk, path)
    offset, scale = (127.5, 128.0) if _description(path) is None else (0.0, 1.0)
    return FaceNet(trunk, offset, scale, file_fingerprint(path)[:16], path.name)


def _description(path):
    """The kit's description in a model's file; None where it has none."""
    return read_description(path) if path.suffix in SUFFIXES else None


def _loaded(path):
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises anything on a broken file
        raise ModelFileError(f"face_net: {path} cannot be loaded as a Keras model ({error})") from None


def up_to_last_map(model: keras.Model) -> keras.Model:
    """The model up to its last output of more than one cell, [N, h, w, D]."""
    shape = model.input_shape
    if len(shape) != 4 or None in shape[1:] or shape[3] not in (1, 3):
        raise InputError(f"face_net: must take pictures of a fixed size; {model.name} takes {shape}")
    maps = [layer for layer in model.layers if _is_map(layer)]
    if not maps or isinstance(maps[-1], keras.layers.InputLayer):
        raise InputError(f"face_net: {model.name} has no layer with a spatial map")
    return keras.Model(model.inputs[0], _output(maps[-1]))


def _check_rows(trunk, path):
    """Refuses a net that gives several maps for a picture, such as one that folds regions into the batch."""
    rows = len(sharing.once(trunk.predict_on_batch(np.zeros((1, *trunk.input_shape[1:]), np.float32))))
    if rows != 1:
        raise InputError(f"face_net: must give one map a picture; {path} gives {rows}: it looks at regions")


def _output(layer):
    """A layer's output in the graph around it, or None. (A nested model's own `output` is the one inside it.)"""
    try:
        return keras.Operation.output.fget(layer)
    except AttributeError:  # never called
        return None


def _is_map(layer):
    shape = getattr(_output(layer), "shape", ())
    return len(shape) == 4 and None not in shape[1:] and min(shape[1:3]) > 1


def cached_maps(face_net: FaceNet, split: Split, grid: tuple, flipped: bool = False) -> np.ndarray:
    """A split's maps, computed once and kept in the cache: the frozen net sees every picture one time.

    Args:
        face_net: `FaceNet`.
        split: `Split`.
        grid: (h, w).
        flipped: True for the maps of the mirrored pictures.
    Returns: float16 [N, h, w, D], read from the disk as needed: AffectNet's take 8 GB with keras-facenet.
    """
    digest = hashlib.sha256(f"{face_net.fingerprint} {grid} {flipped} {pictures_fingerprint(split)}".encode())
    name = f"facemaps-{Path(face_net.name).stem}"
    shape = (len(split), *grid, face_net.depth)
    return cached_parts(name, digest.hexdigest(), shape, np.float16, lambda: _parts(face_net, split, grid, flipped))


def pictures_fingerprint(split: Split) -> str:
    """Hash of what a net sees of a split: pixels, or for streamed sets the files and how they are read."""
    digest = hashlib.sha256()
    for part in split.store.described():
        digest.update(part)  # type: ignore[arg-type]
    return digest.hexdigest()


def _parts(face_net, split, grid, flipped):
    """The split's maps in order, a batch at a time."""
    bar = tqdm(
        range(0, len(split), _BATCH),
        desc=f"maps of {face_net.name}",
        unit="batch",
        leave=False,
        disable=not sys.stderr.isatty(),
    )
    for start in bar:
        images = split.fetch(np.arange(start, min(start + _BATCH, len(split))))
        found = face_net.maps(images[:, :, ::-1] if flipped else images, grid)
        if not np.abs(found).max() <= np.finfo(np.float16).max:
            raise InputError(f"face_net: {face_net.name}'s maps have values beyond 65,504, the end of half precision")
        yield found.astype(np.float16)


def verification_auc(
    face_net: FaceNet, images: np.ndarray, people: np.ndarray, pairs: int = 20000, seed: int = 0
) -> float:
    """How well a face net tells people apart, see `pair_auc`.

    Args:
        face_net: `FaceNet`; a picture's features are its map's means.
        images: uint8 [N, H, W, C].
        people: [N], who is in each; the figure is fair only for people it was not trained on.
        pairs, seed: see `pair_auc`.
    Returns: float, 0.5 is chance.
    """
    features = [
        face_net.maps(images[start : start + _BATCH], (1, 1))[:, 0, 0] for start in range(0, len(images), _BATCH)
    ]
    return pair_auc(np.concatenate(features), people, pairs, seed)


def pair_auc(features: np.ndarray, people: np.ndarray, pairs: int = 20000, seed: int = 0) -> float:
    """Area under the ROC curve over pairs of pictures, by the cosine between their features: one person or two?

    Args:
        features: float [N, D].
        people: [N], who is in each picture.
        pairs: number of pairs drawn, half of them of one person.
        seed: of the draw.
    Returns: float, 0.5 is chance.
    """
    features = features / (np.linalg.norm(features, axis=1, keepdims=True) + 1e-9)
    first, second, same = _pairs(np.asarray(people), pairs, np.random.default_rng(seed))
    return float(roc_auc_score(same, np.sum(features[first] * features[second], axis=1)))


def _pairs(people, count, rng):
    """Rows of two pictures each, and whether they show one person."""
    first, second = rng.integers(0, len(people), (2, 20 * count))
    different = first != second
    first, second = first[different], second[different]
    same = people[first] == people[second]
    half = min(count // 2, int(same.sum()), int((~same).sum()))
    chosen = np.concatenate([np.flatnonzero(same)[:half], np.flatnonzero(~same)[:half]])
    return first[chosen], second[chosen], same[chosen]
