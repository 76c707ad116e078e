"""The saliency step of document [3]: pictures are weighted by, or cropped to, their occlusion maps.

The document says only that "saliency mapping" raised the test accuracy on JAFFE from 89.38 to 93.89 %, and that it did
not work on FER2013, whose faces are covered or cut off. We read it as follows. A first model is trained on the train
split. For every picture of train, val and test it computes an occlusion map (Zeiler & Fergus 2014) of the class that it
*predicts*; labels are not used. A second model is trained and tested on pictures that these maps have changed.

Two limits: the first model knows the train pictures and is more confident on them, so their maps differ from those of
test pictures. And the second model only works together with the first one.
"""

import hashlib
import sys
from dataclasses import asdict, dataclass, replace
from typing import Any

import keras
import numpy as np
from tqdm.auto import tqdm

from ..common.checks import InputError, check_choice, check_names, check_range
from ..common.hashes import code_fingerprint
from ..data.base import ArrayImages, FaceDataset
from ..data.cache import cached_arrays
from ..data.images import resize
from ..saving.keras_files import model_info, model_shape
from . import occlusion
from .maps import is_empty, scaled
from .methods import explain

FORMS = ("weight", "crop")


@dataclass(frozen=True)
class SaliencySettings:
    """How pictures are changed. Document [3] does not give these values, so we chose them.

    Attributes:
        form: "weight" multiplies pixels by the map, so unimportant ones become black, as under the squares of the map.
            "crop" takes the box with the largest sum of the map and resizes it to the size of the picture.
        floor: for "weight": the factor for pixels without importance, 0..1; 0 is the plain product.
        share: for "crop": sides of the box as a share of the picture's sides, 0.1..1 (3/4 as in document [1]'s crops).
        map_form: "drop" measures how far the probability of the predicted class falls. "change" marks where the
            prediction changes, as in the document's figure; it is often empty on pictures where the model is confident.
        size, stride, fill: squares of the map, see `occlusion_maps`. Here stride 0 takes half of the square's side,
            which needs a third of the time, because every picture of the dataset gets a map.
    """

    form: str = "weight"
    floor: float = 0.0
    share: float = 0.75
    map_form: str = "drop"
    size: int = 0
    stride: int = 0
    fill: int = 0

    def __post_init__(self) -> None:
        check_choice("form", self.form, FORMS)
        check_choice("map_form", self.map_form, occlusion.FORMS)
        check_range("floor", self.floor, 0, 1)
        check_range("share", self.share, 0.1, 1)


def salient(model: keras.Model, images: np.ndarray, form: str = "weight", **options: Any) -> np.ndarray:
    """Weights pictures by, or crops them to, their occlusion maps of the predicted class.

    Args:
        model: `keras.Model` of the kit.
        images: [N, H, W, C] at the size of the model, raw 0..255.
        form: "weight" or "crop".
        **options: the other fields of `SaliencySettings`.
    Returns: uint8 [N, H, W, C]. A picture with an empty map stays as it is.
    Raises: `InputError` for an unknown option or a value that is not allowed.
    """
    return _changed(model, images, _settings(form, options))[0]


def salient_dataset(
    model: keras.Model, ds: FaceDataset, form: str = "weight", progress: bool = False, **options: Any
) -> FaceDataset:
    """A dataset whose train, val and test pictures are changed by `salient`. The result is cached.

    With the default settings, a picture of 48 px needs about 50 predictions of the model.

    Args:
        model: `keras.Model` of the kit. It must not be trained on pictures of `ds.test`; a note warns if it was trained
            on another split of the same dataset. Its classes can differ from those of the dataset.
        ds: dataset in memory, at the size of the model.
        form: "weight" or "crop".
        progress: show a progress bar.
        **options: the other fields of `SaliencySettings`.
    Returns: `FaceDataset` with a new fingerprint and a note. Pictures outside the three splits stay as they are. Masks
        of drawn faces are kept with "weight", where pixels do not move.
    Raises: `InputError` if the dataset is streamed or has another size, or for a value that is not allowed.
    """
    settings = _settings(form, options)
    _check_dataset(model, ds)
    rows = np.flatnonzero(ds.table["split"].isin(("train", "val", "test")).to_numpy())
    images = ds.store.fetch(np.arange(len(ds.table)))
    digest = _fingerprint(model, images[rows], settings)
    changes = cached_arrays("salient", digest, lambda: _all_changed(model, images[rows], settings, progress))
    images[rows] = changes["images"]
    notes = [*ds.notes, _note(settings, model, int(changes["empty"].sum()), len(rows)), *_overlap(model, ds)]
    truth = ds.truth if form == "weight" else None
    return replace(ds, store=ArrayImages(images), notes=notes, source=f"{ds.source} salient {digest}", truth=truth)


def _settings(form, options):
    allowed = set(SaliencySettings.__dataclass_fields__) - {"form"}
    check_names("options of salient", options, allowed)
    return SaliencySettings(form, **options)


def _changed(model, images, settings):
    """Changed pictures, uint8 [N, H, W, C], and which ones have an empty map and stay the same, bool [N]."""
    images = np.asarray(images)
    size = settings.size or max(2, min(images.shape[1:3]) // 4)
    squares = {"size": size, "stride": settings.stride or max(1, size // 2), "fill": settings.fill}
    maps = scaled(explain(model, images, "occlusion", form=settings.map_form, **squares))
    empty = is_empty(maps)
    changed = images.round().clip(0, 255).astype(np.uint8)
    for row in np.flatnonzero(~empty):
        if settings.form == "weight":
            share = settings.floor + (1 - settings.floor) * maps[row, ..., None]
            changed[row] = (images[row] * share).round().clip(0, 255).astype(np.uint8)
        else:
            top, left, height, width = crop_box(maps[row], settings.share)
            pixels = changed[row, top : top + height, left : left + width]
            changed[row] = resize(np.ascontiguousarray(pixels), images.shape[1:3])
    return changed, empty


def crop_box(face_map: np.ndarray, share: float) -> tuple[int, int, int, int]:
    """The box with the largest sum of a map, float [H, W] and not negative; `share` is its share of the map's sides.

    Returns: top, left, height and width in pixels. If several boxes have the largest sum, the one in their middle.
    """
    height, width = (max(1, round(share * side)) for side in face_map.shape)
    total = np.pad(face_map.astype(np.float64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    best = np.argwhere(sums >= sums.max() - 1e-9 * total[-1, -1])
    top, left = best[np.abs(best - best.mean(axis=0)).sum(axis=1).argmin()]
    return int(top), int(left), height, width


def _check_dataset(model, ds):
    if ds.store.streamed:
        raise InputError(
            f"ds: pictures of {ds.name} are streamed from disk, but the saliency step needs them in memory; "
            "load them smaller (size=) or, if the dataset has this option, with stream=False"
        )
    if ds.image_shape != model_shape(model):
        raise InputError(
            f"ds: pictures must have the model's shape {model_shape(model)}; {ds.name} has "
            f"{ds.image_shape}: load it with size= and channels="
        )


def _all_changed(model, images, settings, progress, step=64):
    """`_changed` over all pictures, as arrays for the cache."""
    is_shown = progress and sys.stderr.isatty()
    starts = tqdm(range(0, len(images), step), disable=not is_shown, unit="batch", desc="saliency")
    batches = [_changed(model, images[start : start + step], settings) for start in starts]
    changed, empty = zip(*batches, strict=True) if batches else ([images], [np.zeros(0, bool)])
    return {"images": np.concatenate(changed), "empty": np.concatenate(empty)}


def _fingerprint(model, images, settings):
    """A hash that changes with the model's weights, the pictures, the settings and the code."""
    digest = hashlib.sha256(repr((model.name, asdict(settings), images.shape)).encode())
    for weight in model.weights:
        digest.update(weight.path.encode())
        digest.update(np.ascontiguousarray(weight.numpy()))
    digest.update(np.ascontiguousarray(images))
    digest.update(code_fingerprint([__file__, occlusion]).encode())
    return digest.hexdigest()


def _note(settings, model, empty, count):
    run = model_info(model).get("provenance", {}).get("run", model.name)
    how = "weighted by" if settings.form == "weight" else "cropped to"
    return (
        f"{count:,} pictures {how} their occlusion maps ({settings.map_form}) of the class that {run} predicts "
        f"(document [3]'s saliency step); {empty:,} have an empty map and stay as they are"
    )


def _overlap(model, ds):
    """A list with a warning if the model may have been trained on test pictures; otherwise an empty list."""
    provenance = model_info(model).get("provenance", {})
    if provenance.get("dataset") != ds.name or provenance.get("dataset_fingerprint") == ds.fingerprint():
        return []
    return ["the model of the maps was trained on another split of this dataset and may know some test pictures"]
