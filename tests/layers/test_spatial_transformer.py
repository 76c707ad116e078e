"""The spatial transformer: a warp with a wrong gradient trains, but the attention branch learns to look elsewhere."""

import cv2
import keras
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from fer_tf.common.checks import InputError
from fer_tf.layers import IdentityTheta, SpatialTransformer
from fer_tf.models import build_model
from fer_tf.saving import load_model, save_model

IDENTITY = np.array([[1, 0, 0, 0, 1, 0]], np.float32)
# no round numbers: at a pixel centre the warp has a kink and no derivative
TURNED = np.array([[0.9037, 0.1312, 0.0711, -0.1094, 0.9513, -0.0437]])
NAMES = ("anger", "disgust", "fear")


def smooth(rng, side=17):
    """A picture without sharp edges, float32 [1, side, side, 1]."""
    return cv2.GaussianBlur(rng.random((side, side)), (0, 0), 2)[None, ..., None].astype(np.float32)


def numpy_warp(image, theta):
    """Jaderberg 2015, eq. 1 and 5, in double precision: [H, W], [6] → [H, W]."""
    height, width = image.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    source = np.reshape(theta, (2, 3)) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    column, row = (source[0] + 1) * (width - 1) / 2, (source[1] + 1) * (height - 1) / 2
    return map_coordinates(image.astype(np.float64), [row, column], order=1, mode="grid-constant").reshape(image.shape)


def opencv_matrix(theta, side):
    """θ, between coordinates -1..1, as OpenCV's 2×3 matrix between pixels."""
    half, matrix = (side - 1) / 2, np.reshape(theta, (2, 3)).astype(np.float64)
    matrix[:, 2] = matrix[:, 2] * half + half - matrix[:, :2] @ [half, half]
    return matrix


@pytest.mark.parametrize("shape", [(3, 48, 48, 1), (2, 31, 40, 3)])
def test_identity_returns_the_input(rng, shape):
    """An untrained DeepFER must see the picture itself."""
    images = rng.random(shape).astype(np.float32)
    warped = SpatialTransformer()(images, np.repeat(IDENTITY, len(images), axis=0))
    np.testing.assert_allclose(np.asarray(warped), images, atol=1e-6)


@pytest.mark.parametrize(("degrees", "shift"), [(25, (0, 0)), (0, (0.3, -0.15)), (-40, (0.1, 0.2))])
def test_rotation_and_translation_agree_with_opencv_on_the_interior(rng, degrees, shift):
    image = cv2.GaussianBlur(rng.random((48, 48)).astype(np.float32), (0, 0), 2)
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    theta = np.array([[cosine, -sine, shift[0], sine, cosine, shift[1]]], np.float32)
    matrix, flags = opencv_matrix(theta, 48), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    expected = cv2.warpAffine(image, matrix, (48, 48), flags=flags)
    inside = cv2.warpAffine(np.ones_like(image), matrix, (48, 48), flags=flags) == 1
    warped = np.asarray(SpatialTransformer()(image[None, ..., None], theta))[0, ..., 0]
    assert inside.sum() > 1000
    # OpenCV rounds its positions to 1/32 pixel
    np.testing.assert_allclose(warped[inside], expected[inside], atol=0.01)


def tape_gradients(layer, image, theta, weights):
    """Gradients of Σ weights · warp by θ [6] and by the image [H, W]."""
    tf = pytest.importorskip("tensorflow")
    image, theta = tf.constant(image), tf.constant(theta, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([image, theta])
        score = keras.ops.sum(layer(image, theta) * weights)
    by_theta, by_image = tape.gradient(score, [theta, image])
    return by_theta.numpy()[0], by_image.numpy()[0, ..., 0]


def test_gradients_match_finite_differences(rng):
    """The localisation net learns by θ, the layers before the transformer learn by the image."""
    image, weights = smooth(rng), rng.random((1, 17, 17, 1)).astype(np.float32)
    by_theta, by_image = tape_gradients(SpatialTransformer(), image, TURNED, weights)

    def score(picture, theta):
        return np.sum(numpy_warp(picture, theta) * weights[0, ..., 0])

    picture, theta = image[0, ..., 0], TURNED[0]
    steps = 1e-6 * np.eye(6)
    expected = [(score(picture, theta + step) - score(picture, theta - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(by_theta, expected, rtol=1e-3, atol=1e-3)
    for place in [(0, 0), (3, 11), (8, 8), (16, 5)]:
        bump = np.zeros_like(picture)
        bump[place] = 1.0
        # the warp is linear in the picture, so one step of any size gives its slope
        assert by_image[place] == pytest.approx(score(bump, theta), abs=1e-4)


@pytest.mark.parametrize("name", ["deep_emotion", "deepfer"])
def test_localisation_starts_at_the_identity_and_then_learns(name, tiny_faces, untraced_here):
    keras.utils.set_random_seed(0)
    model = build_model(name, (48, 48, 1), 7, width=0.25)
    faces = tiny_faces.train.images[:8]
    parts = ("theta", "transformer", "normalise")
    looks = keras.Model(model.input, [model.get_layer(part).output for part in parts])
    theta, warped, given = looks.predict_on_batch(faces)
    np.testing.assert_array_equal(theta, np.repeat(IDENTITY, 8, axis=0))
    np.testing.assert_allclose(warped, given, atol=1e-6)
    assert np.ptp(given) > 0.5
    before = model.get_layer("locate_conv1").get_weights()[0]
    model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy", jit_compile=False)
    for _ in range(3):
        model.train_on_batch(faces, np.eye(7, dtype=np.float32)[np.arange(8) % 7])
    assert np.abs(looks.predict_on_batch(faces)[0] - IDENTITY).max() > 1e-4
    assert np.abs(model.get_layer("locate_conv1").get_weights()[0] - before).max() > 1e-5


def test_compiles_by_xla_with_the_same_gradients(rng):
    """A layer that XLA refuses would keep the whole model off the accelerator's fast path."""
    tf = pytest.importorskip("tensorflow")
    layer, image = SpatialTransformer(), tf.constant(smooth(rng))
    weights = rng.random((1, 17, 17, 1)).astype(np.float32)

    @tf.function(jit_compile=True)
    def compiled(image, theta):
        with tf.GradientTape() as tape:
            tape.watch(theta)
            score = tf.reduce_sum(layer(image, theta) * weights)
        return tape.gradient(score, theta)

    by_theta, _ = tape_gradients(layer, image, TURNED, weights)
    found = compiled(image, tf.constant(TURNED, tf.float32))
    np.testing.assert_allclose(found.numpy()[0], by_theta, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_saved_transformer_warps_the_same(rng, tmp_path, suffix):
    inputs = keras.Input((12, 12, 1))
    theta = keras.layers.Dense(6, bias_initializer=IdentityTheta(), name="theta")(keras.layers.Flatten()(inputs))
    warped = SpatialTransformer(fill="edge", name="transformer")(inputs, theta)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(warped)))
    model.get_layer("theta").set_weights([rng.normal(0, 0.05, (144, 6)), rng.normal(0, 0.5, 6)])
    save_model(model, tmp_path / f"m{suffix}", NAMES)
    loaded, images = load_model(tmp_path / f"m{suffix}"), rng.random((4, 12, 12, 1)).astype(np.float32)
    assert loaded.get_layer("transformer").fill == "edge"
    assert isinstance(loaded.get_layer("theta").bias_initializer, IdentityTheta)
    np.testing.assert_allclose(loaded.predict_on_batch(images), model.predict_on_batch(images), atol=1e-6)


@pytest.mark.parametrize(("policy", "off"), [("mixed_bfloat16", 0.004), ("mixed_float16", 0.0005)])
def test_half_precision_moves_no_pixels(rng, policy, off):
    """Keras casts a layer's inputs before it is called; θ in eight bits would shift the face by a tenth of a pixel."""
    images = rng.random((1, 48, 48, 1)).astype(np.float32)
    theta = np.array([[0.9037, 0.1312, 0.0711, -0.1094, 0.9513, -0.0437]], np.float32)
    exact = np.asarray(SpatialTransformer()(images, theta))
    half = SpatialTransformer(dtype=policy)(images, theta)
    np.testing.assert_allclose(np.asarray(keras.ops.cast(half, "float32")), exact, atol=off)


def test_unknown_fill_is_refused():
    with pytest.raises(InputError, match="fill: allowed are zero, edge; received 'egde'"):
        SpatialTransformer(fill="egde")
