"""Frozen face networks: which map is taken, what goes into them, and that a picture is computed once."""

from dataclasses import replace

import cv2
import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from tiny_face_net import DEPTH, SIDE, tiny_face_net

from fer_tf.common.checks import InputError, MissingDataError, ModelFileError
from fer_tf.data.base import FileImages
from fer_tf.data.images import convert
from fer_tf.emotions import EMOTIONS
from fer_tf.models import build_model
from fer_tf.saving import save_model
from fer_tf.training import face_nets
from fer_tf.training.face_nets import cached_maps, open_face_net, to_grid, up_to_last_map


@pytest.fixture
def face_net_file(tmp_path):
    """A face network in a file, and the map of it computed by another way."""
    model = tiny_face_net()
    model.save(tmp_path / "tiny.h5")
    return tmp_path / "tiny.h5", keras.Model(model.input, model.get_layer("second").output)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty cache for one test."""
    monkeypatch.setenv("FER_TF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_map_of_the_same_size_is_itself(rng):
    maps = rng.normal(size=(3, 7, 7, 4)).astype(np.float32)
    np.testing.assert_allclose(to_grid(maps, (7, 7)), maps, atol=1e-6)


@pytest.mark.parametrize(("old", "new"), [((6, 6), (3, 3)), ((8, 6), (2, 3)), ((5, 4), (1, 1))])
def test_whole_ratios_are_average_pooling(rng, old, new):
    maps = rng.normal(size=(2, *old, 3)).astype(np.float32)
    blocks = maps.reshape(2, new[0], old[0] // new[0], new[1], old[1] // new[1], 3)
    found = to_grid(maps, new)
    np.testing.assert_allclose(found, blocks.mean(axis=(2, 4)), atol=1e-6)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), maps.mean(axis=(1, 2)), atol=1e-6)


@pytest.mark.parametrize(("old", "new"), [(7, 3), (10, 3), (3, 5)])
def test_other_ratios_weigh_cells_by_their_overlap(rng, old, new):
    """As if every cell was cut into `new` parts and `old` of them put together."""
    maps = rng.normal(size=(2, old, old, 3)).astype(np.float32)
    fine = maps.repeat(new, axis=1).repeat(new, axis=2)
    expected = fine.reshape(2, new, old, new, old, 3).mean(axis=(2, 4))
    found = to_grid(maps, (new, new))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32


def test_the_last_map_is_the_last_of_more_than_one_cell():
    trunk = up_to_last_map(tiny_face_net())
    assert trunk.output_shape == (None, 5, 5, DEPTH)
    assert [layer.name for layer in trunk.layers][-1] == "second"


def one_convolution(kind):
    """A map of 4×4 as a nested network: functional, or a list of layers."""
    convolution = keras.layers.Conv2D(6, 3, strides=4)
    if kind == "sequential":
        return keras.Sequential([keras.Input((16, 16, 3)), convolution], name="backbone")
    inputs = keras.Input((16, 16, 3))
    return keras.Model(inputs, convolution(inputs), name="backbone")


@pytest.mark.parametrize("kind", ["functional", "sequential"])
def test_a_nested_network_is_a_map_like_any_other_layer(rng, kind):
    """How students build on `keras.applications`, and the kit its own transfer models."""
    inner, inputs = one_convolution(kind), keras.Input((16, 16, 3))
    x = inner(keras.layers.Rescaling(2.0)(inputs))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    images = rng.random((2, 16, 16, 3)).astype(np.float32)
    found = up_to_last_map(model).predict_on_batch(images)
    np.testing.assert_allclose(found, inner.predict_on_batch(2 * images), atol=1e-5)


def test_a_face_net_may_be_a_list_of_layers(tmp_path, rng):
    """Keras gives a loaded `Sequential` no `input`."""
    kinds = keras.layers
    model = keras.Sequential([keras.Input((8, 8, 3)), kinds.Conv2D(4, 3), kinds.Flatten(), kinds.Dense(2)])
    model.save(tmp_path / "list.h5")
    images = rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    expected = model.layers[0]((images - np.float32(127.5)) / 128)
    np.testing.assert_allclose(open_face_net(str(tmp_path / "list.h5")).maps(images, (6, 6)), expected, atol=1e-5)


def dense_only():
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)), name="flat")


def of_any_size():
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs), name="free")


def of_features():
    inputs = keras.Input((8,))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs), name="features")


def of_four_channels():
    inputs = keras.Input((8, 8, 4))
    return keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs), name="four")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (dense_only, "face_net: flat has no layer with a spatial map"),
        (of_any_size, r"face_net: must take pictures of a fixed size; free takes \(None, None, None, 3\)"),
        (of_features, r"face_net: must take pictures of a fixed size; features takes \(None, 8\)"),
        (of_four_channels, "face_net: .*four takes"),
    ],
)
def test_models_that_have_no_map(build, message):
    with pytest.raises(InputError, match=message):
        up_to_last_map(build())


def test_a_face_net_of_a_file(face_net_file, rng):
    """Gray is repeated, pictures are resized, pixels go to (x − 127.5) / 128, maps to the grid."""
    path, second = face_net_file
    face_net = open_face_net(str(path))
    images = rng.integers(0, 256, (4, 32, 32, 1), dtype=np.uint8)
    large = np.repeat(convert(images, (SIDE, SIDE)), 3, axis=-1).astype(np.float32)
    expected = second.predict_on_batch((large - 127.5) / 128)
    np.testing.assert_allclose(face_net.maps(images, (5, 5)), expected, atol=1e-5)
    np.testing.assert_allclose(face_net.maps(images, (1, 1))[:, 0, 0], expected.mean(axis=(1, 2)), atol=1e-5)
    assert face_net.depth == DEPTH
    assert face_net.name == "tiny.h5"
    assert face_net.fingerprint == face_nets.face_net_fingerprint(str(path))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_model_of_the_kit_is_given_raw_pixels(tmp_path, rng, suffix):
    """It normalises by itself; the description in its file says so."""
    model = build_model("cnn", (24, 24, 1), 7, width=0.1)
    save_model(model, tmp_path / f"own{suffix}", EMOTIONS[:7])
    face_net = open_face_net(str(tmp_path / f"own{suffix}"))
    images = rng.integers(0, 256, (2, 24, 24, 1), dtype=np.uint8)
    np.testing.assert_array_equal(face_net.prepared(images), images)
    expected = up_to_last_map(model).predict_on_batch(images.astype(np.float32))
    np.testing.assert_allclose(face_net.maps(images, expected.shape[1:3]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_keras_facenet_takes_its_weights_and_gives_its_last_map(tmp_path, rng, monkeypatch):
    """Weights drawn here stand for those that the package fetches; it is their file that is opened."""
    inception = pytest.importorskip("keras_facenet.inception_resnet_v1")
    keras.utils.set_random_seed(4)
    model = inception.InceptionResNetV1(input_shape=(160, 160, 3), classes=512)
    path = tmp_path / face_nets.KERAS_FACENET.name
    with h5py.File(path, "w") as file:  # in the older form, as the published file is
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    monkeypatch.setattr(face_nets, "_facenet_file", lambda: path)
    face_net = open_face_net("keras_facenet")
    assert face_net.trunk.output_shape == (None, 3, 3, 1792)
    assert face_net.depth == 1792
    for one, other in zip(face_net.trunk.get_weights(), model.get_weights(), strict=False):
        np.testing.assert_array_equal(one, other)
    images = rng.integers(0, 256, (2, 160, 160, 3), dtype=np.uint8)
    last = keras.Model(model.input, model.get_layer("AvgPool").input)
    expected = last.predict_on_batch((images - np.float32(127.5)) / np.float32(127.5))
    np.testing.assert_allclose(face_net.maps(images, (3, 3)), expected, rtol=1e-4, atol=1e-4)


def test_a_gray_face_net_sees_luminance(tmp_path, rng):
    model = tiny_face_net(channels=1)
    model.save(tmp_path / "gray.keras")
    face_net = open_face_net(str(tmp_path / "gray.keras"))
    images = rng.integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    prepared = face_net.prepared(images)
    gray = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images])[..., None].astype(np.float32)
    assert prepared.shape == (2, SIDE, SIDE, 1)
    assert np.abs(prepared - (gray - 127.5) / 128).max() <= 1.01 / 128


def test_a_face_net_is_looked_for_in_the_models_folder(face_net_file, fresh_home, monkeypatch):
    (fresh_home / "models").mkdir()
    face_net_file[0].rename(fresh_home / "models" / "moved.h5")
    monkeypatch.chdir(fresh_home)
    assert open_face_net("moved.h5").depth == DEPTH
    with pytest.raises(ModelFileError, match="face_net: no model file lost.h5.*models/README.md"):
        open_face_net("lost.h5")


def test_a_net_over_regions_is_no_face_net(tmp_path):
    """Its maps are those of crops, seven a picture: rows of other pictures would be learned from."""
    model = build_model("ran", (24, 24, 1), 7, backbone="cnn", width=0.1)
    save_model(model, tmp_path / "regions.h5", EMOTIONS[:7])
    with pytest.raises(InputError, match="face_net: must give one map a picture; .*regions.h5 gives 7"):
        open_face_net(str(tmp_path / "regions.h5"))


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "broken.h5").write_bytes(b"no model")
    with pytest.raises(ModelFileError, match="face_net: .*broken.h5 cannot be loaded as a Keras model"):
        open_face_net(str(tmp_path / "broken.h5"))


def test_another_file_has_another_fingerprint(tmp_path):
    for seed in (1, 2):
        tiny_face_net(seed=seed).save(tmp_path / f"{seed}.h5")
    first, second = (face_nets.face_net_fingerprint(str(tmp_path / f"{seed}.h5")) for seed in (1, 2))
    assert first != second
    assert len(first) == 16


@pytest.fixture
def no_facenet(tmp_path, monkeypatch):
    """A home without keras-facenet's weights and no way to fetch them."""

    def refuse(*_, **__):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(face_nets.Path, "home", lambda: tmp_path)
    monkeypatch.setattr(keras.utils, "get_file", refuse)
    return tmp_path / ".keras-facenet" / "20180402-114759" / "20180402-114759-weights.h5"


@pytest.mark.parametrize("function", [open_face_net, face_nets.face_net_fingerprint])
def test_keras_facenet_without_network_says_where_the_file_belongs(no_facenet, function):
    with pytest.raises(MissingDataError) as caught:
        function("keras_facenet")
    text = str(caught.value)
    assert str(no_facenet) in text
    assert "https://github.com/faustomorales/keras-facenet/releases" in text
    assert "--set face_net=identities" in text
    assert face_nets.KERAS_FACENET_SHA256[:12] in text


class Counted:
    """A face net that counts the pictures it is shown."""

    def __init__(self, path):
        self.seen, self.net = 0, open_face_net(str(path))
        self.depth, self.name, self.fingerprint = self.net.depth, self.net.name, self.net.fingerprint

    def maps(self, images, grid):
        self.seen += len(images)
        return self.net.maps(images, grid)


def test_maps_are_computed_once(face_net_file, own_cache, tiny_faces):
    """Once per picture, grid, side and net; a changed pixel or other pictures are computed again."""
    face_net, split = Counted(face_net_file[0]), tiny_faces.limited(80).train.alone()
    first = cached_maps(face_net, split, (3, 3))
    assert face_net.seen == len(split) == 80
    assert first.dtype == np.float16
    assert first.shape == (80, 3, 3, DEPTH)
    np.testing.assert_array_equal(cached_maps(face_net, split, (3, 3)), first)
    assert face_net.seen == 80
    cached_maps(face_net, split, (2, 2))
    assert face_net.seen == 160
    images = split.images.copy()
    images[7, 20, 20] ^= 1
    cached_maps(face_net, replace(split, store=type(split.store)(images)), (3, 3))
    assert face_net.seen == 240
    face_net.fingerprint = "another"
    cached_maps(face_net, split, (3, 3))
    assert face_net.seen == 320
    assert len(list(own_cache.glob("facemaps-tiny-*.npy"))) == 4


def test_maps_are_of_their_pictures_and_mirrored_ones_of_the_mirrored(face_net_file, own_cache, tiny_faces):
    """More than one batch; a net that is not symmetric."""
    face_net, split = open_face_net(str(face_net_file[0])), tiny_faces.limited(70).train.alone()
    plain, mirrored = (cached_maps(face_net, split, (5, 5), flipped) for flipped in (False, True))
    np.testing.assert_allclose(plain, face_net.maps(split.images, (5, 5)), atol=2e-3)
    np.testing.assert_allclose(mirrored, face_net.maps(split.images[:, :, ::-1], (5, 5)), atol=2e-3)
    assert np.abs(mirrored - plain).max() > 0.05
    assert np.abs(mirrored - plain[:, :, ::-1]).max() > 0.05


def test_streamed_pictures_are_known_by_their_files(face_net_file, own_cache, tiny_faces, tmp_path):
    face_net, split = Counted(face_net_file[0]), tiny_faces.limited(8).train.alone()
    paths = [tmp_path / f"{row}.png" for row in range(len(split))]
    for path, image in zip(paths, split.images, strict=True):
        cv2.imwrite(str(path), image)
    streamed = replace(split, store=FileImages(paths, split.store.shape[:2], 1))
    found = cached_maps(face_net, streamed, (3, 3))
    cached_maps(face_net, streamed, (3, 3))
    assert face_net.seen == 8
    np.testing.assert_array_equal(found, cached_maps(face_net, split, (3, 3)))
    cv2.imwrite(str(paths[0]), 255 - split.images[0])
    changed = cached_maps(face_net, streamed, (3, 3))
    assert face_net.seen == 24
    assert (changed[0] != found[0]).any()


def test_streamed_pictures_are_known_by_how_they_are_read(tiny_faces, tmp_path):
    """Of the same files: another side, gray or colour, another face box."""
    split, path = tiny_faces.limited(8).train.alone(), tmp_path / "face.png"
    cv2.imwrite(str(path), split.images[0])
    paths, boxes = np.array([path] * len(split), dtype=object), np.tile([2, 2, 20, 20], (len(split), 1))
    stores = [FileImages(paths, (48, 48), 1), FileImages(paths, (32, 32), 1), FileImages(paths, (48, 48), 3)]
    stores += [FileImages(paths, (48, 48), 1, found) for found in (boxes, boxes + 1)]
    found = [face_nets.pictures_fingerprint(replace(split, store=store)) for store in (*stores, stores[-1])]
    assert len(set(found)) == len(stores)
    assert found[-1] == found[-2]


@pytest.mark.filterwarnings("ignore:overflow")
def test_maps_too_large_for_half_precision_are_refused(own_cache, tiny_faces, tmp_path):
    """Beyond 65,504 they would be kept as infinite, and stage 1 would end in NaN."""
    model = tiny_face_net()
    first, bias = model.get_layer("second").get_weights()
    model.get_layer("second").set_weights([first, bias + 1e5])
    model.save(tmp_path / "large.h5")
    split = tiny_faces.limited(8).train.alone()
    with pytest.raises(InputError, match="face_net: large.h5's maps .*half precision"):
        cached_maps(open_face_net(str(tmp_path / "large.h5")), split, (3, 3))
    assert not list(own_cache.glob("facemaps-*")), "nothing infinite is kept"


def test_verification_tells_people_apart_by_their_maps(rng, tmp_path):
    """Twelve made-up people, each a pattern with noise: near 1; shuffled names: chance."""
    tiny_face_net().save(tmp_path / "tiny.h5")
    face_net = open_face_net(str(tmp_path / "tiny.h5"))
    people = np.repeat(np.arange(12), 10)
    patterns = rng.integers(0, 256, (12, SIDE, SIDE, 3))
    images = np.clip(patterns[people] + rng.normal(0, 4, (120, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    assert face_nets.verification_auc(face_net, images, people, pairs=2000) > 0.9
    shuffled = face_nets.verification_auc(face_net, images, rng.permutation(people), pairs=2000)
    assert shuffled == pytest.approx(0.5, abs=0.08)
