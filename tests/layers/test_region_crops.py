"""Crops of a face: what the regions hold, and that they come back in the order they went in."""

import cv2
import keras
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from fer_tf.common.checks import InputError
from fer_tf.layers import CROP_SETS, FoldRegions, RegionCrops, UnfoldRegions, crop_boxes
from fer_tf.saving import load_model, save_model

# Where document [1]'s six regions are; the bottom ones begin at a quarter of the height.
PLACES = ["top left", "top middle", "top right", "bottom left", "bottom middle", "bottom right"]


def cropped(images, crops="fixed6"):
    """The layer's regions as an array."""
    return keras.ops.convert_to_numpy(RegionCrops(crops)(images))


def pictures(rng, *shape):
    return rng.uniform(0, 255, shape).astype(np.float32)


def opencv_region(image, left, top, width, height):
    """A crop with whole-pixel edges resized by OpenCV to the picture's size, [H, W, C]."""
    crop = np.ascontiguousarray(image[top : top + height, left : left + width])
    return cv2.resize(crop, image.shape[1::-1], interpolation=cv2.INTER_LINEAR).reshape(image.shape)


def exact_region(image, box):
    """The same for any edges, in double precision: pixel centres spread over the box, none outside it."""
    height, width = image.shape[:2]
    left, top, box_width, box_height = box
    x = left + np.clip((np.arange(width) + 0.5) * box_width / width - 0.5, 0, box_width - 1)
    y = top + np.clip((np.arange(height) + 0.5) * box_height / height - 0.5, 0, box_height - 1)
    places = np.meshgrid(y, x, indexing="ij")
    planes = [map_coordinates(plane.astype(np.float64), places, order=1) for plane in np.moveaxis(image, -1, 0)]
    return np.stack(planes, axis=-1)


@pytest.mark.parametrize("shape", [(48, 48, 1), (64, 48, 1), (48, 80, 3)])
def test_crops_are_opencvs_resized_crops(rng, shape):
    """Sides that 8 divides: every edge of a crop is between two pixels."""
    images, (height, width, _) = pictures(rng, 3, *shape), shape
    found = cropped(images)
    assert found.shape == (3, 7, *shape)
    for picture, regions in zip(images, found, strict=True):
        for index, (top, left) in enumerate([(top, left) for top in (0, height // 4) for left in range(3)], start=1):
            expected = opencv_region(picture, left * width // 8, top, width * 3 // 4, height * 3 // 4)
            np.testing.assert_allclose(regions[index], expected, atol=1e-3, err_msg=PLACES[index - 1])


@pytest.mark.parametrize("shape", [(52, 52, 1), (50, 45, 3), (17, 31, 1)])
@pytest.mark.parametrize("crops", sorted(CROP_SETS))
def test_crops_of_any_side(rng, shape, crops):
    images = pictures(rng, 2, *shape)
    boxes = crop_boxes(crops, *shape[:2])
    found = cropped(images, crops)
    assert found.shape == (2, len(boxes), *shape)
    for index, box in enumerate(boxes):
        # a float32 position is right to four millionths of a pixel, and neighbours differ by up to 255
        np.testing.assert_allclose(found[1, index], exact_region(images[1], box), atol=2e-3, err_msg=str(index))


def test_whole_pixel_crops_of_a_side_that_8_does_not_divide_are_opencvs(rng):
    image = pictures(rng, 1, 52, 52, 1)
    found = cropped(image)[0]
    for index, (left, top) in {1: (0, 0), 3: (13, 0), 4: (0, 13), 6: (13, 13)}.items():
        np.testing.assert_allclose(found[index], opencv_region(image[0], left, top, 39, 39), atol=1e-3)


@pytest.mark.parametrize("crops", sorted(CROP_SETS))
def test_the_first_region_is_the_picture_itself(rng, crops):
    images = pictures(rng, 2, 47, 33, 3)
    np.testing.assert_array_equal(cropped(images, crops)[:, 0], images)
    whole_numbers = rng.integers(0, 256, (2, 48, 48, 1), dtype=np.uint8)
    np.testing.assert_array_equal(cropped(whole_numbers, crops)[:, 0], whole_numbers)


@pytest.mark.parametrize(
    ("x", "y", "holding"),
    [
        (1, 1, ["top left"]),
        (24, 1, ["top left", "top middle", "top right"]),
        (46, 1, ["top right"]),
        (1, 24, ["top left", "bottom left"]),
        (46, 24, ["top right", "bottom right"]),
        (1, 46, ["bottom left"]),
        (8, 46, ["bottom left", "bottom middle"]),
        (39, 46, ["bottom middle", "bottom right"]),
        (46, 46, ["bottom right"]),
        (24, 24, PLACES),
    ],
)
def test_the_six_places_are_the_documents(x, y, holding):
    """A bright pixel is seen in the crops whose names say so, and in no other."""
    image = np.zeros((1, 48, 48, 1), np.float32)
    image[0, y, x] = 255
    seen = cropped(image)[0].max(axis=(1, 2, 3)) > 50
    assert seen[0]
    assert [place for place, is_seen in zip(PLACES, seen[1:], strict=True) if is_seen] == holding


def test_boxes_are_three_quarters_of_the_side():
    boxes = crop_boxes("fixed6", 48, 80)
    np.testing.assert_allclose(boxes[0], [0, 0, 80, 48])
    np.testing.assert_allclose(boxes[1:, 2:], [[60, 36]] * 6)
    np.testing.assert_allclose(boxes[1:, :2], [[left, top] for top in (0, 12) for left in (0, 10, 20)])


@pytest.mark.parametrize("crops", sorted(CROP_SETS))
def test_no_box_reaches_beyond_the_picture(crops):
    left, top, width, height = crop_boxes(crops, 48, 64).T
    assert min(left.min(), top.min()) >= 0
    assert width.min() >= 0.7 * 64 - 1e-9
    assert (left + width).max() <= 64 + 1e-9
    assert (top + height).max() <= 48 + 1e-9


def test_folding_keeps_the_order(rng):
    """Region r of picture n is row n·R + r of the batch, and comes back to [n, r]."""
    regions = pictures(rng, 3, 5, 4, 6, 2)
    folded = keras.ops.convert_to_numpy(FoldRegions()(regions))
    assert folded.shape == (15, 4, 6, 2)
    for picture in range(3):
        for region in range(5):
            np.testing.assert_array_equal(folded[picture * 5 + region], regions[picture, region])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(UnfoldRegions(5)(folded)), regions)
    features = np.arange(30, dtype=np.float32).reshape(15, 2)
    unfolded = keras.ops.convert_to_numpy(UnfoldRegions(5)(features))
    assert unfolded[2, 3].tolist() == features[13].tolist()


def test_each_picture_keeps_its_own_regions(rng):
    """A batch gives what its pictures give one by one."""
    images = pictures(rng, 4, 24, 16, 1)
    together = cropped(images)
    for row in range(4):
        np.testing.assert_array_equal(together[row : row + 1], cropped(images[row : row + 1]))


def test_gradients_reach_the_picture(rng):
    """The crops are linear in the picture, so the gradient of Σ w·crops in a pixel is what that pixel alone gives."""
    tf = pytest.importorskip("tensorflow")
    image, weights = tf.constant(pictures(rng, 1, 16, 16, 1)), rng.random((1, 7, 16, 16, 1)).astype(np.float32)
    layer = RegionCrops()
    with tf.GradientTape() as tape:
        tape.watch(image)
        score = tf.reduce_sum(layer(image) * weights)
    gradient = tape.gradient(score, image).numpy()[0, ..., 0]
    for place in [(0, 0), (3, 9), (8, 8), (15, 2)]:
        bump = np.zeros((1, 16, 16, 1), np.float32)
        bump[0, place[0], place[1], 0] = 1
        assert gradient[place] == pytest.approx(float((cropped(bump) * weights).sum()), rel=1e-4)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_saved_layers_come_back(rng, tmp_path, suffix):
    inputs = keras.Input((16, 16, 1))
    folded = FoldRegions(name="fold")(RegionCrops("fixed5", name="crops")(inputs))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, strides=2)(folded))
    features = keras.layers.Flatten()(UnfoldRegions(6, name="unfold")(features))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(features))
    save_model(model, tmp_path / f"m{suffix}", ("anger", "disgust", "fear"))
    loaded, images = load_model(tmp_path / f"m{suffix}"), pictures(rng, 3, 16, 16, 1)
    assert loaded.get_layer("crops").crops == "fixed5"
    assert loaded.get_layer("unfold").regions == 6
    np.testing.assert_allclose(loaded.predict_on_batch(images), model.predict_on_batch(images), atol=1e-6)


@pytest.mark.parametrize("layer", [RegionCrops("random5", name="a"), FoldRegions(name="b"), UnfoldRegions(3, name="c")])
def test_config_round_trip(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_random_crops_are_drawn_once():
    """Otherwise predictions would not repeat."""
    np.testing.assert_array_equal(crop_boxes("random5", 48, 48), crop_boxes("random5", 48, 48))
    assert len(np.unique(crop_boxes("random5", 48, 48)[1:], axis=0)) == 5


def test_wrong_arguments():
    with pytest.raises(InputError, match="crops: allowed are fixed6, fixed5, random5; received 'fixed7'"):
        RegionCrops("fixed7")
    with pytest.raises(InputError, match="regions: must be a number >= 1; received 0"):
        UnfoldRegions(0)
