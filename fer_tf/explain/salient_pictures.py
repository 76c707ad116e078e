"""Document [3]'s saliency step: a picture weighted by, or cropped to, its occlusion map, for training and testing.

The document says no more than that "saliency mapping" raised JAFFE's test accuracy from 89.38 to 93.89 % and that it
could not be used on FER2013, whose faces are covered or cut. This reading: a first model, trained on the set's train
split, gives every picture its occlusion map (Zeiler & Fergus 2014) for the class it *predicts*, in train, val and test
alike; no label is looked at. A second model is trained and tested on the pictures changed by these maps.

What to expect of it: the first model has seen the train pictures and is surer of them, so their maps are of another
kind than test's; and the second model can only be used behind the first one.
"""

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from ..common.checks import InputError, check_choice, check_names, check_range
from ..data.base import ArrayImages
from ..data.cache import cached_arrays
from ..data.images import resize
from ..saving.keras_files import model_info, model_shape
from . import occlusion
from .cam import scaled
from .empty import is_empty
from .methods import explain

FORMS = ("weight", "crop")


@dataclass(frozen=True)
class SaliencySettings:
    """How a picture is changed; where document [3] is silent these are ours.

    Attributes:
        form: "weight" (pixels times the map: what does not matter goes black, as under the map's squares) or "crop"
            (the box with the largest sum of the map, resized back to the picture's size).
        floor: of "weight": what pixels of no importance keep, 0..1; 0 is the plain product.
        share: of "crop": the box's sides as a share of the picture's, 0.1..1 (3/4 as document [1]'s regions have).
        map_form: "drop" (of the predicted class's probability) or "change" (where the prediction changes, what the
            document's figure marks; empty where no square changes it, as on most pictures a model is sure of).
        size, stride, fill: of the squares, see `occlusion_maps`; stride 0 takes half of the square's side here, a third
            of the work: every picture of a set is to be gone through.
    """

    form: str = "weight"
    floor: float = 0.0
    share: float = 0.75
    map_form: str = "drop"
    size: int = 0
    stride: int = 0
    fill: int = 0

    def __post_init__(self):
        check_choice("form", self.form, FORMS)
        check_choice("map_form", self.map_form, occlusion.FORMS)
        check_range("floor", self.floor, 0, 1)
        check_range("share", self.share, 0.1, 1)


def salient(model, images, form="weight", **options):
    """Pictures weighted by, or cropped to, their occlusion maps of the class the model predicts.

    Args:
        model: `keras.Model` of the kit.
        images: [N, H, W, C] at the model's size, raw 0..255.
        form: "weight" or "crop".
        **options: the other fields of `SaliencySettings`.
    Returns: uint8 [N, H, W, C]. A picture whose map is empty stays as it is.
    """
    return _changed(model, images, _settings(form, options))[0]


def salient_dataset(model, ds, form="weight", progress=False, **options):
    """A dataset with the pictures of train, val and test changed by `salient`, cached after the first time.

    It costs about 50 answers of the model a picture at the default settings and 48 px.

    Args:
        model: `keras.Model` of the kit, trained on no picture of `ds.test`; a note says so where its description
            tells of another split of the same set. Its classes need not be the set's.
        ds: `FaceDataset` in memory, at the model's size.
        form: "weight" or "crop".
        progress: show a bar.
        **options: the other fields of `SaliencySettings`.
    Returns: `FaceDataset` with a fingerprint of its own and a note. Pictures of no split stay as they are; masks of
        drawn faces are kept where pixels keep their places ("weight").
    """
    settings = _settings(form, options)
    _check_dataset(model, ds)
    rows = np.flatnonzero(ds.table["split"].isin(("train", "val", "test")).to_numpy())
    images = ds.store.fetch(np.arange(len(ds.table)))
    digest = _fingerprint(model, images[rows], settings)
    done = cached_arrays("salient", digest, lambda: _all_changed(model, images[rows], settings, progress))
    images[rows] = done["images"]
    notes = [*ds.notes, _note(settings, model, int(done["empty"].sum()), len(rows)), *_overlap(model, ds)]
    truth = ds.truth if form == "weight" else None
    return replace(ds, store=ArrayImages(images), notes=notes, source=f"{ds.source} salient {digest}", truth=truth)


def _settings(form, options):
    allowed = set(SaliencySettings.__dataclass_fields__) - {"form"}
    check_names("options of salient", options, allowed)
    return SaliencySettings(form, **options)


def _changed(model, images, settings):
    """Changed pictures, uint8 [N, H, W, C], and which of them have an empty map and are not, bool [N]."""
    images = np.asarray(images)
    size = settings.size or max(2, min(images.shape[1:3]) // 4)
    options = {
        "size": size,
        "stride": settings.stride or max(1, size // 2),
        "fill": settings.fill,
        "form": settings.map_form,
    }
    maps = scaled(explain(model, images, "occlusion", **options))
    empty = is_empty(maps)
    changed = images.round().clip(0, 255).astype(np.uint8)
    change = _weighted if settings.form == "weight" else _cropped
    for row in np.flatnonzero(~empty):
        changed[row] = change(images[row], maps[row], settings)
    return changed, empty


def _weighted(image, item, settings):
    share = settings.floor + (1 - settings.floor) * item[..., None]
    return (image * share).round().clip(0, 255).astype(np.uint8)


def _cropped(image, item, settings):
    top, left, height, width = crop_box(item, settings.share)
    pixels = image[top : top + height, left : left + width].round().clip(0, 255).astype(np.uint8)
    return resize(np.ascontiguousarray(pixels), image.shape[:2])


def crop_box(item, share):
    """The box of so large a share of the picture's sides with the largest sum of a map.

    Args:
        item: float [H, W], not negative.
        share: see `SaliencySettings`.
    Returns: top, left, height, width in pixels. Of several such boxes the one in their midst.
    """
    height, width = (max(1, round(share * side)) for side in item.shape)
    total = np.pad(item.astype(np.float64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    best = np.argwhere(sums >= sums.max() - 1e-9 * total[-1, -1])
    top, left = best[np.abs(best - best.mean(axis=0)).sum(axis=1).argmin()]
    return int(top), int(left), height, width


def _check_dataset(model, ds):
    if ds.store.streamed:
        raise InputError(
            f"ds: {ds.name}'s pictures are streamed from disk, the saliency step needs them in memory; "
            "load it smaller (size=) or, where the set has the option, with stream=False"
        )
    if ds.image_shape != model_shape(model):
        raise InputError(
            f"ds: pictures must be of the model's shape {model_shape(model)}; {ds.name} has "
            f"{ds.image_shape}: load it with size= and channels="
        )


def _all_changed(model, images, settings, progress, step=64):
    """`_changed` over all pictures, as arrays for the cache."""
    starts = tqdm(range(0, len(images), step), disable=not progress, unit="batch", desc="saliency")
    parts = [_changed(model, images[start : start + step], settings) for start in starts]
    changed, empty = zip(*parts, strict=True) if parts else ([images], [np.zeros(0, bool)])
    return {"images": np.concatenate(changed), "empty": np.concatenate(empty)}


def _fingerprint(model, images, settings):
    """Changes with the model's weights, the pictures, the settings and the code."""
    digest = hashlib.sha256(repr((model.name, asdict(settings), images.shape)).encode())
    for weight in model.weights:
        digest.update(weight.path.encode())
        digest.update(np.ascontiguousarray(weight.numpy()))
    digest.update(np.ascontiguousarray(images))
    for module in (__file__, occlusion.__file__):
        digest.update(Path(module).read_bytes())
    return digest.hexdigest()


def _note(settings, model, empty, count):
    run = model_info(model).get("provenance", {}).get("run", model.name)
    how = "weighted by" if settings.form == "weight" else "cropped to"
    return (
        f"{count:,} pictures {how} their occlusion maps ({settings.map_form}) of the class that {run} predicts "
        f"(document [3]'s saliency step); {empty:,} have an empty map and stay as they are"
    )


def _overlap(model, ds):
    """A warning, as a list of none or one, if the model may have learned test pictures or none of this set's."""
    provenance = model_info(model).get("provenance", {})
    if provenance.get("dataset") != ds.name or provenance.get("dataset_fingerprint") == ds.fingerprint():
        return []
    return ["the maps' model was trained on another split of this set: test pictures may be among its training ones"]
