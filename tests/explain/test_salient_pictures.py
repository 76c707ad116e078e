"""Document [3]'s saliency step: pictures changed by the maps of what a model predicts, and a dataset of them."""

import warnings
from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest

from fer_tf import explain as explain_package
from fer_tf.common.checks import InputError
from fer_tf.data.base import ArrayImages, FileImages
from fer_tf.emotions import EMOTIONS
from fer_tf.explain import explain, salient, salient_dataset
from fer_tf.explain.salient_pictures import crop_box
from fer_tf.models import build_model
from fer_tf.models.inference import predict_probabilities

# few, large squares: these tests are not about fine maps
QUICK = {"size": 16, "stride": 8}
salient_pictures = explain_package.salient_pictures


def net(seed=0):
    keras.utils.set_random_seed(seed)
    return build_model("cnn", (48, 48, 1), 8, width=0.1)


@pytest.fixture(scope="module")
def model():
    return net()


@pytest.fixture(scope="module")
def faces(tiny_faces):
    return tiny_faces.val.images[:6]


@pytest.fixture
def ds(tiny_faces, tmp_path, monkeypatch):
    """40 pictures of the drawn faces, some of them in no split, and an empty cache."""
    monkeypatch.setenv("FER_TF_CACHE", str(tmp_path / "cache"))
    rows = np.concatenate(
        [getattr(tiny_faces, name).rows[:count] for name, count in (("train", 18), ("val", 10), ("test", 12))]
    )
    table = tiny_faces.table.iloc[rows].reset_index(drop=True)
    table.loc[[2, 20], "split"] = ""
    return replace(tiny_faces, table=table, store=tiny_faces.store.taken(rows))


def maps_of(model, images, **options):
    """Scaled occlusion maps of the predicted class."""
    predicted = predict_probabilities(model, images).argmax(axis=1)
    maps = explain(model, images, "occlusion", predicted, **QUICK, **options)
    assert (maps.max(axis=(1, 2)) > 0).all()
    return maps


@pytest.mark.parametrize("floor", [0, 0.4])
def test_weighted_pictures_are_the_product_with_their_map(model, faces, floor):
    share = floor + (1 - floor) * maps_of(model, faces)[..., None]
    found = salient(model, faces, floor=floor, **QUICK)
    assert found.dtype == np.uint8
    assert found.shape == faces.shape
    np.testing.assert_allclose(found, np.round(faces * share), atol=1)
    assert np.abs(found.astype(int) - faces).max() > 50


def box_by_hand(item, share):
    """The largest sum, tried everywhere."""
    height, width = (round(share * side) for side in item.shape)
    sums = {
        (y, x): item[y : y + height, x : x + width].sum()
        for y in range(item.shape[0] - height + 1)
        for x in range(item.shape[1] - width + 1)
    }
    return (*max(sums, key=sums.get), height, width)


@pytest.mark.parametrize("share", [0.3, 0.75, 1.0])
def test_the_box_has_the_largest_sum_of_the_map(rng, share):
    for item in rng.random((5, 14, 11)):
        assert crop_box(item, share) == box_by_hand(item, share)


def test_of_several_boxes_the_one_in_their_midst_is_taken():
    item = np.zeros((12, 12))
    item[4:6, 6:8] = 1
    assert crop_box(item, 0.5) == (2, 4, 6, 6)


def test_cropped_pictures_are_their_box_enlarged(model, faces):
    found = salient(model, faces, "crop", share=0.5, **QUICK)
    assert found.dtype == np.uint8
    assert found.shape == faces.shape
    for picture, item, result in zip(faces, maps_of(model, faces), found, strict=True):
        top, left, height, width = crop_box(item, 0.5)
        part = np.ascontiguousarray(picture[top : top + height, left : left + width])
        np.testing.assert_array_equal(result[..., 0], cv2.resize(part, (48, 48)))


@pytest.mark.parametrize("form", ["weight", "crop"])
def test_pictures_whose_map_is_empty_stay_as_they_are(faces, form):
    """Nothing changes the answer of a model that always gives the same."""
    found = salient(build_model("majority"), faces.astype(np.float32), form, **QUICK)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, faces)


def test_maps_of_changed_answers_are_scaled_before_they_weigh(model, faces, monkeypatch):
    """A pixel that a third of its squares matter for is as important as it gets where none has more."""
    maps = np.zeros((6, 48, 48), np.float32)
    maps[:, 10:20, 10:20], maps[:, 30:40, 10:20] = 0.3, 0.15
    monkeypatch.setattr(salient_pictures, "explain", lambda *arguments, **options: maps * (options["form"] == "change"))
    found = salient(model, faces, map_form="change").astype(int)
    np.testing.assert_array_equal(found[:, 10:20, 10:20], faces[:, 10:20, 10:20])
    np.testing.assert_allclose(found[:, 30:40, 10:20], faces[:, 30:40, 10:20] / 2, atol=0.5)
    assert not found[:, :, 20:].any()


def test_no_pictures_give_none(model, faces):
    assert salient(model, faces[:0]).shape == (0, 48, 48, 1)


def test_a_picture_is_changed_alike_in_any_company(model, faces):
    whole = salient(model, faces, **QUICK).astype(int)
    np.testing.assert_allclose(salient(model, faces[4:5], **QUICK), whole[4:5], atol=1)


# datasets


@pytest.mark.parametrize("form", ["weight", "crop"])
def test_a_dataset_has_changed_pictures_in_all_splits(model, ds, form):
    before = ds.store.array.copy()
    found = salient_dataset(model, ds, form, **QUICK)
    for name in ("train", "val", "test"):
        old, new = ds.split(name), found.split(name)
        np.testing.assert_array_equal(new.labels, old.labels)
        np.testing.assert_array_equal(new.rows, old.rows)
        np.testing.assert_allclose(new.images, salient(model, old.images, form, **QUICK).astype(int), atol=1)
        assert (new.images != old.images).any(axis=(1, 2, 3)).mean() > 0.8
    np.testing.assert_array_equal(found.store.array[[2, 20]], before[[2, 20]])
    np.testing.assert_array_equal(ds.store.array, before)
    how = {"weight": "weighted by", "crop": "cropped to"}[form]
    assert f"38 pictures {how} their occlusion maps (drop) of the class that cnn predicts" in found.notes[-1]
    assert found.fingerprint() != ds.fingerprint()
    assert found.image_shape == ds.image_shape
    assert len(ds.notes) == len(found.notes) - 1
    if form == "weight":
        np.testing.assert_array_equal(found.masks([0, 1])["expression"], ds.masks([0, 1])["expression"])
    else:
        with pytest.raises(InputError, match="masks: synthetic does not know what its pixels show"):
            found.masks([0])


def test_no_label_is_looked_at(model, ds):
    """Whatever the labels, of test and of train: the pictures are the same."""
    other = ds.table.copy()
    other["label"] = 7 - other["label"]
    poisoned = salient_dataset(model, replace(ds, table=other), **QUICK)
    np.testing.assert_array_equal(poisoned.store.array, salient_dataset(model, ds, **QUICK).store.array)


def test_it_is_computed_once_for_a_model_and_its_settings(model, ds, monkeypatch):
    calls, compute = [], salient_pictures._all_changed
    monkeypatch.setattr(salient_pictures, "_all_changed", lambda *given: calls.append(given) or compute(*given))
    first, again = (salient_dataset(model, ds, **QUICK) for _ in range(2))
    assert len(calls) == 1
    assert first.fingerprint() == again.fingerprint()
    assert first.notes == again.notes
    np.testing.assert_array_equal(first.store.array, again.store.array)
    inverted = replace(ds, store=ArrayImages(255 - ds.store.array))
    for changed in ((net(1), ds, {}), (model, ds, {"floor": 0.1}), (model, inverted, {})):
        other = salient_dataset(*changed[:2], **QUICK, **changed[2])
        assert other.fingerprint() != first.fingerprint()
    assert len(calls) == 4


def test_a_model_of_another_split_of_the_set_is_reported(ds):
    model = net()
    provenance = {"dataset": "synthetic", "dataset_fingerprint": "another", "run": "cnn-synthetic-identity-seed1"}
    model.fer_tf_info = {"class_names": list(EMOTIONS), "provenance": provenance}
    *_, note, warning = salient_dataset(model, ds, **QUICK).notes
    assert "of the class that cnn-synthetic-identity-seed1 predicts" in note
    assert "trained on another split of this dataset and may know some test pictures" in warning
    provenance["dataset_fingerprint"] = ds.fingerprint()
    model.fer_tf_info = {"class_names": list(EMOTIONS), "provenance": provenance}
    assert "saliency step" in salient_dataset(model, ds, **QUICK).notes[-1]


def test_empty_maps_are_counted(ds):
    found = salient_dataset(build_model("majority"), ds, **QUICK)
    assert found.notes[-1].endswith("38 have an empty map and stay as they are")
    np.testing.assert_array_equal(found.store.array, ds.store.array)


def test_a_net_can_be_trained_on_it(model, ds):
    """Training gets the changed pictures in both splits, and no others."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        handed = salient_dataset(model, ds, **QUICK).training_data()
    np.testing.assert_allclose(handed.train.images, salient(model, ds.train.images, **QUICK).astype(int), atol=1)
    student = net(2)
    student.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    losses = [student.train_on_batch(handed.train.images, handed.train.labels) for _ in range(5)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_a_streamed_set_is_refused(model, ds):
    streamed = replace(ds, store=FileImages(["a.png"] * len(ds.table), (48, 48), 1))
    with pytest.raises(InputError, match="ds: pictures of synthetic are streamed from disk, .*; load them smaller"):
        salient_dataset(model, streamed)


def test_pictures_of_another_shape_are_refused(model, ds):
    small = replace(ds, store=ds.store.converted((32, 32), 3))
    message = r"ds: pictures must have the model's shape \(48, 48, 1\); synthetic has \(32, 32, 3\): load it with"
    with pytest.raises(InputError, match=message):
        salient_dataset(model, small)
    with pytest.raises(InputError, match=r"images: must be \[N, 48, 48, 1\]; received"):
        salient(model, small.store.array)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "mask"}, "form: allowed are weight, crop; received 'mask'"),
        ({"map_form": "rise"}, "map_form: allowed are drop, change; received 'rise'"),
        ({"floor": 1.5}, "floor: must be a number >= 0 and <= 1; received 1.5"),
        ({"share": 0}, "share: must be a number >= 0.1 and <= 1; received 0"),
        ({"target": 3}, "options of salient: unknown 'target'; allowed are fill, floor, map_form, share, size, stride"),
        ({"size": 49}, "size: must be a number >= 0 and <= 48; received 49"),
    ],
)
def test_wrong_options(model, ds, options, message):
    for call in (lambda: salient(model, ds.train.images, **options), lambda: salient_dataset(model, ds, **options)):
        with pytest.raises(InputError, match=message):
            call()
