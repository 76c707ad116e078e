"""CAM, Grad-CAM, Grad-CAM++ and HiResCAM against readings of the papers that share no code with the kit."""

import cv2
import keras
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.explain import explain, region_boxes, sampled_windows, strongest_crop
from fer_tf.layers import CROP_SETS, FoldRegions, RegionCrops, UnfoldRegions
from fer_tf.models import build_model

pytestmark = pytest.mark.usefixtures("untraced")
CAMS = ("cam", "gradcam", "gradcam++", "hirescam")
# name, shape, options, the layer whose output is the last map
AVERAGED = [
    ("vgg_bn", (48, 40, 1), {"width": 0.05}, "block4_conv2_relu"),
    ("resnet18", (48, 48, 3), {"width": 0.08, "stem": "small"}, "stage4_block2_relu2"),
]
TARGETS = np.array([0, 1, 2, 3, 4, 0])
OTHERS = [
    ("cnn", (48, 48, 1), {"width": 0.1}, "relu4"),
    ("cnn4_se_residual", (48, 40, 3), {"width": 0.1}, "conv4_relu"),
]


def random_model(name, shape, options):
    """Random weights also where training starts at zero or one: biases, batch norm's scales and statistics."""
    keras.utils.set_random_seed(0)
    model = build_model(name, shape, 5, **options)
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if weight.path.split("/")[-1] != "kernel":
            weight.assign(weight.numpy() + rng.uniform(0, 0.3, weight.shape))
    return model


def pictures(shape, count=6):
    return np.random.default_rng(2).integers(0, 256, (count, *shape), dtype=np.uint8)


def filled_maps(maps):
    """How many maps are not empty; each of these has a maximum of one."""
    highest = maps.max(axis=(1, 2))
    assert set(highest.round(5)) <= {0, 1}
    return int(highest.sum().round())


def at_size(maps, shape):
    """Rectified, scaled to a maximum of one, resized with pixel centres kept (TensorFlow's reading of bilinear)."""
    maps = keras.ops.image.resize(np.maximum(maps, 0)[..., None], shape[:2], data_format="channels_last")
    maps = keras.ops.convert_to_numpy(maps)[..., 0]
    return maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)


def map_and_gradient(model, layer, images, targets):
    """A [N, h, w, D] of a layer and ∂score/∂A, by a tape around the whole model."""
    tf = pytest.importorskip("tensorflow")
    both = keras.Model(model.inputs[0], [model.get_layer(layer).output, model.get_layer("scores").output])
    with tf.GradientTape() as tape:
        maps, scores = both(images.astype(np.float32), training=False)
        total = tf.reduce_sum(tf.gather(scores, targets, batch_dims=1))
    return maps.numpy(), tape.gradient(total, maps).numpy()


@pytest.mark.parametrize(("name", "shape", "options", "_"), AVERAGED)
def test_cam_equals_grad_cam_and_hirescam_where_the_map_is_averaged(name, shape, options, _):
    model, images = random_model(name, shape, options), pictures(shape)
    cam, *others = (explain(model, images, method, target=TARGETS) for method in ("cam", "gradcam", "hirescam"))
    for other in others:
        np.testing.assert_allclose(cam, other, atol=1e-5)
    assert filled_maps(cam) >= 2


@pytest.mark.parametrize(("name", "shape", "options", "layer"), AVERAGED)
def test_cam_is_the_map_weighted_by_the_scores_kernel(name, shape, options, layer):
    """Zhou 2016, eq. 2: M_c(x, y) = Σ_k w_k^c f_k(x, y)."""
    model, images, targets = random_model(name, shape, options), pictures(shape), TARGETS
    output = keras.Operation.output.fget(model.get_layer(layer))
    maps = keras.Model(model.inputs, output).predict_on_batch(images)
    kernel = model.get_layer("scores").get_weights()[0]
    by_hand = np.zeros(maps.shape[:3])
    for row, target in enumerate(targets):
        by_hand[row] = sum(kernel[k, target] * maps[row, ..., k] for k in range(len(kernel)))
    np.testing.assert_allclose(explain(model, images, "cam", target=targets), at_size(by_hand, shape), atol=1e-4)


@pytest.mark.parametrize(("name", "shape", "options", "layer"), AVERAGED[:1] + OTHERS)
def test_grad_cam_is_the_map_weighted_by_mean_gradients(name, shape, options, layer):
    """Selvaraju 2017, eq. 1 and 2."""
    model, images, targets = random_model(name, shape, options), pictures(shape), TARGETS
    maps, gradients = map_and_gradient(model, layer, images, targets)
    by_hand = np.stack([item @ gradient.mean(axis=(0, 1)) for item, gradient in zip(maps, gradients, strict=True)])
    found = explain(model, images, "gradcam", target=targets)
    assert filled_maps(found) >= 2
    np.testing.assert_allclose(found, at_size(by_hand, shape), atol=1e-4)


@pytest.mark.parametrize(("name", "shape", "options", "layer"), AVERAGED[:1] + OTHERS)
def test_hirescam_is_the_gradient_times_the_map_at_each_place(name, shape, options, layer):
    """Draelos & Carin 2020, §3.3, by loops over channels."""
    model, images, targets = random_model(name, shape, options), pictures(shape), TARGETS
    maps, gradients = map_and_gradient(model, layer, images, targets)
    by_hand = np.zeros(maps.shape[:3])
    for channel in range(maps.shape[-1]):
        by_hand += maps[..., channel] * gradients[..., channel]
    found = explain(model, images, "hirescam", target=targets)
    assert filled_maps(found) >= 2
    np.testing.assert_allclose(found, at_size(by_hand, shape), atol=1e-4)


def test_hirescam_adds_up_to_the_score_where_one_linear_layer_follows_the_flattened_map():
    """Draelos & Carin 2020, §4: y = b + Σ_ij of the map before it is rectified. Grad-CAM's mean gradients do not.

    Positive weights for the target: nothing is cut off by rectifying."""
    keras.utils.set_random_seed(0)
    conv = keras.layers.Conv2D(3, 3, strides=2, activation="relu", name="map")
    model = keras.Sequential([keras.Input((16, 16, 1)), conv, keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    kernel, bias = model.layers[-1].get_weights()
    kernel = np.abs(kernel) * np.linspace(0, 2, len(kernel))[:, None]  # places count differently
    model.layers[-1].set_weights([kernel, bias + 0.5])
    images = pictures((16, 16, 1))
    maps = keras.Model(model.inputs[0], conv.output).predict_on_batch(images)
    by_hand = (maps * kernel[:, 1].reshape(maps.shape[1:])).sum(axis=-1)
    scores = maps.reshape(len(maps), -1) @ kernel[:, 1]
    np.testing.assert_allclose(by_hand.sum(axis=(1, 2)), scores, rtol=1e-5)
    np.testing.assert_allclose(explain(model, images, "hirescam", target=1), at_size(by_hand, (16, 16)), atol=1e-4)
    assert np.abs(explain(model, images, "gradcam", target=1) - at_size(by_hand, (16, 16))).max() > 0.1


def test_grad_cams_weights_are_finite_differences():
    """A channel of `cnn4`'s last map rises as a whole with its batch norm's offset wherever its ReLU is open: all of
    it here, by large offsets. The score then changes by h·w·α a unit."""
    model, images = random_model("cnn4", (32, 32, 1), {"width": 0.1}), pictures((32, 32, 1))
    offset = model.get_layer("conv4_norm").beta
    offset.assign(np.full(offset.shape, 20.0))
    maps = keras.Model(model.inputs, model.get_layer("conv4_relu").output).predict_on_batch(images)
    assert maps.min() > 0, "every ReLU is open"
    scores = keras.Model(model.inputs, model.get_layer("scores").output)
    start, alpha = offset.numpy(), np.zeros((6, offset.shape[0]))
    for channel in range(offset.shape[0]):
        sides = []
        for step in (0.05, -0.05):
            offset.assign(start + step * np.eye(len(start))[channel])
            sides.append(scores.predict_on_batch(images)[np.arange(6), TARGETS])
        alpha[:, channel] = (sides[0] - sides[1]) / 0.1 / maps[0, ..., 0].size
    offset.assign(start)
    by_hand = at_size(np.einsum("nhwd,nd->nhw", maps, alpha), (32, 32))
    assert filled_maps(by_hand) >= 2
    np.testing.assert_allclose(explain(model, images, "gradcam", target=TARGETS), by_hand, atol=0.01)


def plus_plus_by_hand(maps, gradients, score):
    """Chattopadhay 2018, eq. 19 and 5 for one picture, Y = exp(S) spelt out with its first three derivatives."""
    height, width, channels = maps.shape
    weights = np.zeros(channels)
    for k in range(channels):
        for i in range(height):
            for j in range(width):
                first, second, third = (np.exp(score) * gradients[i, j, k] ** power for power in (1, 2, 3))
                below = 2 * second + sum(maps[a, b, k] * third for a in range(height) for b in range(width))
                weights[k] += second / below * max(first, 0) if below else 0
    return sum(weights[k] * maps[..., k] for k in range(channels))


@pytest.mark.parametrize(("name", "shape", "options", "layer"), AVERAGED[:1] + OTHERS)
def test_grad_cam_plus_plus_is_equation_19(name, shape, options, layer):
    model, images, targets = random_model(name, shape, options), pictures(shape, 2), np.array([3, 1])
    maps, gradients = map_and_gradient(model, layer, images, targets)
    arrays = zip(maps.astype(float), gradients.astype(float), strict=True)
    by_hand = np.stack([plus_plus_by_hand(*pair, score=0.7) for pair in arrays])
    found = explain(model, images, "gradcam++", target=targets)
    assert filled_maps(found) == 2
    np.testing.assert_allclose(found, at_size(by_hand, shape), atol=1e-3)


@pytest.mark.parametrize("method", CAMS)
def test_maps_are_rectified_with_a_maximum_of_one_or_all_zero(method):
    """All weights of class 0 are below zero, those of class 1 above: nothing speaks for class 0, something for 1."""
    model, images = random_model("vgg_bn", (32, 40, 1), {"width": 0.05}), pictures((32, 40, 1))
    kernel, bias = model.get_layer("scores").get_weights()
    kernel[:, 0], kernel[:, 1] = -np.abs(kernel[:, 0]) - 0.01, np.abs(kernel[:, 1]) + 0.01
    model.get_layer("scores").set_weights([kernel, bias])
    none, some = (explain(model, images, method, target=target) for target in (0, 1))
    assert none.shape == some.shape == (6, 32, 40)
    assert none.dtype == np.float32
    assert not none.any()
    assert some.min() >= 0
    np.testing.assert_array_equal(some.max(axis=(1, 2)), 1)


@pytest.mark.parametrize("name", ["cnn", "resnet18", "ran"])
def test_cam_is_for_averaged_maps_alone(name):
    """A ResNet18 that takes the map's maximum is none either."""
    options = {"backbone": "cnn"} if name == "ran" else {"stem": "small"} if name == "resnet18" else {}
    model = build_model(name, (32, 32, 1), 5, width=0.05, **options)
    if name == "resnet18":
        pool = keras.layers.GlobalMaxPooling2D()(model.get_layer("stage3_block2_relu2").output)
        scores = keras.layers.Dense(5, name="scores")(pool)
        model = keras.Model(model.inputs, keras.layers.Softmax()(scores), name="resnet18")
    with pytest.raises(
        InputError, match=f"cam needs a net whose last map is averaged .*; {name} is different: use hirescam"
    ):
        explain(model, np.zeros((1, 32, 32, 1)), "cam")


def test_regions_of_the_classes_are_put_back_to_their_places():
    """A net whose class r scores the mean brightness of region r: its map is the picture itself inside that crop's
    box, and nothing outside."""
    count = len(CROP_SETS["fixed6"])
    picture = keras.Input((48, 40, 1))
    region = keras.Input((48, 40, 1))
    x = keras.layers.Conv2D(1, 1, kernel_initializer="ones", use_bias=False)(region)
    features = keras.Model(region, keras.layers.GlobalAveragePooling2D()(x), name="features")
    x = FoldRegions()(RegionCrops("fixed6")(picture))
    x = keras.layers.Flatten()(UnfoldRegions(count)(features(x)))
    scores = keras.layers.Dense(count + 1, name="scores", use_bias=False)
    model = keras.Model(picture, keras.layers.Softmax()(scores(x)))
    both = np.eye(count)[1] + np.eye(count)[6]
    scores.set_weights([np.concatenate([np.eye(count), both[:, None]], axis=1)])  # the last class: two crops together
    images = np.stack([cv2.GaussianBlur(item, (0, 0), 4) for item in pictures((48, 40, 1), 2)])[..., None]
    drawn = []
    for target, (left, top, width, height) in enumerate(region_boxes(model).astype(int)):
        inside = np.zeros((48, 40))
        inside[top : top + height, left : left + width] = 1
        found = explain(model, images, target=target)
        drawn.append(images[..., 0] * inside)
        assert not found[:, inside == 0].any()
        np.testing.assert_allclose(found, drawn[-1] / drawn[-1].max(axis=(1, 2), keepdims=True), atol=0.03)
    summed = drawn[1] + drawn[6]
    np.testing.assert_allclose(
        explain(model, images, target=count), summed / summed.max(axis=(1, 2), keepdims=True), atol=0.03
    )


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "hirescam"])
def test_where_one_crop_alone_is_given_the_map_lies_in_its_box(method):
    model = random_model("ran", (48, 40, 1), {"backbone": "cnn", "width": 0.1, "attention": "strongest"})
    images = pictures((48, 40, 1), 8)
    numbers, _ = strongest_crop(model, images)
    for found, (left, top, width, height) in zip(
        explain(model, images, method, target=2), region_boxes(model)[numbers].astype(int), strict=True
    ):
        inside = found[top : top + height, left : left + width]
        assert np.count_nonzero(inside) == np.count_nonzero(found)
        assert found.max() == 1 or not found.any()
    assert filled_maps(explain(model, images, method, target=2)) >= 2


@pytest.mark.parametrize("name", ["deepfer", "deep_emotion"])
def test_maps_of_a_spatial_transformer_lie_where_it_looks(name):
    """The last map is one of the sampled window; on the picture it covers that window and nothing else."""
    model = random_model(name, (48, 40, 1), {"width": 0.25})
    images = pictures((48, 40, 1), 4)
    for layer in ("theta", "locate_dense"):
        model.get_layer(layer).kernel.assign(np.zeros(model.get_layer(layer).kernel.shape))
    theta = model.get_layer("theta").bias
    theta.assign([0.5, 0, 0.5, 0, 0.5, 0])  # half the size, the right half of the middle
    _, corners = sampled_windows(model, images)
    found = explain(model, images, "gradcam", target=0)
    assert (found.max(axis=(1, 2)) == 1).any()
    (left, top), (right, bottom) = corners[0, 0], corners[0, 2]
    outside = np.ones((48, 40), bool)
    outside[int(top) : int(bottom) + 2, int(left) : int(right) + 2] = False
    assert not found[:, outside].any()
    inside = explain(as_sampled(model), window_of(images, corners[0]), "gradcam", target=0)
    back = np.stack([cv2.resize(item[::2, ::2], (20, 24)) for item in inside])
    assert np.corrcoef(back.ravel(), found[:, 12:36, 20:40].ravel())[0, 1] > 0.95


def as_sampled(model):
    """The same net with a transformer that changes nothing."""
    same = keras.models.clone_model(model)
    same.set_weights(model.get_weights())
    same.get_layer("theta").bias.assign([1, 0, 0, 0, 1, 0])
    return same


def window_of(images, corners):
    """The window's pixels, sampled by OpenCV."""
    height, width = images.shape[1:3]
    ends = np.float32([[0, 0], [width - 1, 0], [width - 1, height - 1]])
    matrix = cv2.getAffineTransform(ends, corners[:3].astype(np.float32))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    rows = [cv2.warpAffine(item.astype(np.float32), matrix, (width, height), flags=flags) for item in images]
    return np.stack(rows)[..., None]
