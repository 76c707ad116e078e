"""Corruptions: what they must leave alone, how they grow, and that a picture's fate is its own."""

import io

import numpy as np
import pytest
from PIL import Image

from fer_tf.common.checks import InputError
from fer_tf.evaluation.robustness import CORRUPTIONS, corrupt, robustness_curves

COVERING = ("sunglasses", "mask", "hand", "block")
ALL = sorted(CORRUPTIONS)


@pytest.fixture(scope="module")
def faces(tiny_faces):
    """Twelve drawn faces, uint8 [12, 48, 48, 1]."""
    return tiny_faces.test.fetch(np.arange(12))


def coloured(gray):
    return np.concatenate([gray, 255 - gray, gray // 2], axis=-1)


@pytest.mark.parametrize("name", ALL)
def test_the_first_level_changes_nothing_and_the_others_something(faces, name):
    levels = CORRUPTIONS[name].levels
    same = corrupt(faces, name, levels[0])
    np.testing.assert_array_equal(same, faces)
    assert not np.shares_memory(same, faces)
    for level in levels[1:]:
        changed = corrupt(faces, name, level)
        assert changed.shape == faces.shape
        assert changed.dtype == np.uint8
        assert (changed != faces).any(axis=(1, 2, 3)).all(), level


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_changed_alike_in_any_company(faces, name, channels):
    images = faces if channels == 1 else coloured(faces)
    before, level = images.copy(), CORRUPTIONS[name].levels[2]
    together = corrupt(images, name, level, seed=3)
    order = np.array([7, 2, 9])
    np.testing.assert_array_equal(corrupt(images[order], name, level, seed=3), together[order])
    np.testing.assert_array_equal(corrupt(images[5:6], name, level, seed=3), together[5:6])
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("name", ["hand", "block", "rotation"])
def test_what_is_random_comes_from_the_seed(faces, name):
    level = CORRUPTIONS[name].levels[2]
    first, again, other = (corrupt(faces, name, level, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("name", ALL)
def test_pictures_get_worse_with_the_level(faces, name):
    """The distance from the picture rises (a corruption of a picture that is white already may stop)."""
    distances = [np.abs(corrupt(faces, name, level).astype(float) - faces).mean() for level in CORRUPTIONS[name].levels]
    assert (np.diff(distances) > 0).all(), distances


@pytest.mark.parametrize("name", COVERING)
@pytest.mark.parametrize("shape", [(48, 48), (96, 64)])
def test_the_covered_share_is_the_level(name, shape):
    """Pictures of noise, so that an occluder differs from what it covers."""
    images = np.random.default_rng(0).integers(0, 256, (3, *shape, 1), dtype=np.uint8)
    for level in CORRUPTIONS[name].levels[1:]:
        changed = corrupt(images, name, level)
        shares = (changed != images).mean(axis=(1, 2, 3))
        # soft edges: pixels that are covered in part count whole here
        assert (shares > level - 0.02).all(), (level, shares)
        assert (shares < level + 0.12).all(), (level, shares)


def test_a_block_stands_still_while_it_grows():
    image = np.full((1, 60, 60, 1), 128, np.uint8)
    masks = [corrupt(image, "block", level, seed=1)[0, ..., 0] != 128 for level in (0.1, 0.2, 0.3, 0.4)]
    for small, large in zip(masks, masks[1:], strict=False):
        assert (small & large).sum() > 0.9 * small.sum()
    assert corrupt(image, "block", 1.0, seed=1).std() == 0, "all of it is covered"


def test_rotation_turns_about_the_middle_to_either_side():
    image = np.zeros((9, 9, 1), np.uint8)
    image[4, 7] = 255  # right of the middle: a quarter turn brings it straight above or below
    turned = np.array([corrupt(np.array([image]), "rotation", 90, seed=seed)[0, ..., 0] for seed in range(12)])
    places = {tuple(np.argwhere(item == 255)[0]) for item in turned}
    assert places == {(1, 4), (7, 4)}


def test_blur_is_a_gaussians_weighted_mean():
    image = np.zeros((1, 41, 41, 1), np.uint8)
    image[0, 20, 20] = 255
    found = corrupt(image, "blur", 2.0)[0, ..., 0].astype(float)
    steps = np.arange(-20, 21)
    weights = np.exp(-(steps**2) / 8)
    wanted = 255 * np.outer(weights, weights) / weights.sum() ** 2
    np.testing.assert_allclose(found, wanted, atol=1)


@pytest.mark.parametrize(("name", "factor"), [("brighter", 1.5), ("darker", 0.3)])
def test_brightness_is_a_factor(faces, name, factor):
    wanted = np.clip(np.round(faces * factor), 0, 255)
    np.testing.assert_array_equal(corrupt(faces, name, factor), wanted)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_what_another_library_makes_of_it(faces, channels):
    """Pillow at the same quality: another rounding, the same picture, the same colours."""
    images = faces if channels == 1 else coloured(faces)
    for image, found in zip(images, corrupt(images, "jpeg", 50), strict=True):
        file = io.BytesIO()
        Image.fromarray(image[..., 0] if channels == 1 else image).save(file, "JPEG", quality=50)
        wanted = np.asarray(Image.open(file)).reshape(image.shape).astype(float)
        assert np.abs(found - wanted).mean() < 3 < np.abs(found.astype(float)[..., ::-1] - wanted).mean() + 9 / channels


class Bright:
    """Class 1 where the picture's mean is above 100, else class 0; notes what it was given."""

    def __init__(self):
        self.seen = []

    def __call__(self, images):
        self.seen.append(len(images))
        is_bright = images.mean(axis=(1, 2, 3)) > 100
        images[:] = 0  # a model that writes to its input spoils nobody's pictures
        return np.eye(2)[is_bright.astype(int)]


@pytest.fixture
def plain():
    """40 gray pictures, half at 80 (class 0), half at 120 (class 1), and five of the latter called class 0."""
    values = np.repeat([80, 120], 20)
    labels = np.repeat([0, 1], 20)
    labels[-5:] = 0
    return np.broadcast_to(values[:, None, None, None], (40, 8, 8, 1)).astype(np.uint8), labels


def test_curves_by_hand(plain):
    images, labels = plain
    table = robustness_curves(Bright(), images, labels, ("dark", "bright"), {"darker": (0.9, 0.5), "block": ()})
    scores = ["images", "accuracy", "low", "high", "macro F1"]
    assert list(table.columns) == ["corruption", "level", "unit", *scores, "change"]
    assert list(zip(table["corruption"], table["level"], strict=True)) == [
        ("darker", 1),
        ("darker", 0.9),
        ("darker", 0.5),
        ("block", 0),
    ]
    # 35 of 40 are right; 120 × 0.9 is still bright; at half of it all are called dark, which 25 are
    assert list(table["accuracy"]) == [0.875, 0.875, 0.625, 0.875]
    assert list(table["change"]) == [0, 0, -0.25, 0]
    dark, bright = 2 * 20 / (25 + 20), 2 * 15 / (15 + 20)
    assert table["macro F1"].tolist() == pytest.approx([(dark + bright) / 2] * 2 + [50 / 65 / 2, (dark + bright) / 2])
    assert (table["images"] == 40).all()
    assert (table["low"] < table["accuracy"]).all()
    assert table.loc[2, ["low", "high"]].tolist() == pytest.approx([0.4703, 0.7578], abs=1e-4)  # Wilson, 25 of 40


def test_all_corruptions_at_their_own_levels(plain):
    table = robustness_curves(Bright(), *plain, ("dark", "bright"), limit=8)
    assert list(dict.fromkeys(table["corruption"])) == list(CORRUPTIONS)
    for name, part in table.groupby("corruption", observed=True):
        assert list(part["level"]) == list(CORRUPTIONS[name].levels)
    assert (table["images"] == 8).all()
    first = table.groupby("corruption", observed=True).first()
    assert (first["change"] == 0).all()
    assert first["accuracy"].nunique() == 1


def test_images_are_left_as_they_were_and_come_in_batches(faces):
    images = np.repeat(faces, 50, axis=0)
    before, model = images.copy(), Bright()
    robustness_curves(model, images, np.zeros(600, int), ("dark", "bright"), ["block"])
    np.testing.assert_array_equal(images, before)
    assert max(model.seen) == 512
    assert sum(model.seen) == 600 * len(CORRUPTIONS["block"].levels)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: corrupt(x, "fog", 1), "corruption: unknown 'fog'; allowed are block, blur"),
        (lambda x: corrupt(x, "mask", 0.9), "level of mask: must be a number >= 0 and <= 0.6; received 0.9"),
        (lambda x: corrupt(x, "jpeg", 0), "level of jpeg: must be a number >= 1 and <= 100"),
        (lambda x: corrupt(x / 255, "blur", 1), r"images: must be uint8 .*; received float64 \(12, 48, 48, 1\)"),
        (lambda x: corrupt(x[0], "blur", 1), "images: must be uint8"),
        (lambda x: curves(x, labels=[0]), "labels: must be 12, one for each image; received 1"),
        (lambda x: curves(x, corruptions=["fog"]), "corruptions: unknown 'fog'"),
        (lambda x: curves(x, corruptions=[]), "corruptions: must name one or more of sunglasses"),
        (lambda x: curves(x, corruptions={"blur": [99]}), "level of blur: must be a number >= 0 and <= 50"),
        (lambda x: curves(x, limit=0), "limit: must be a number >= 1"),
        (lambda x: curves(x, predict=lambda part: np.ones((len(part), 3)) / 3), r"y_prob: must be \(12, 2\)"),
        (lambda x: curves(x[:0], labels=[]), "at least one image"),
    ],
)
def test_wrong_input(faces, call, message):
    with pytest.raises(InputError, match=message):
        call(faces)


def curves(images, **changes):
    options = {"predict": Bright(), "labels": np.zeros(len(images), int), "class_names": ("dark", "bright")}
    return robustness_curves(images=images, **{**options, **changes})
