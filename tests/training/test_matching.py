"""Stage 1 of FaceNet2ExpNet: its distance, its batches, that it matches, and that a killed run does it only once."""

import json
from contextlib import nullcontext
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from tiny_face_net import DEPTH, experiment, quiet, settings

from fer_tf import experiments
from fer_tf.common.checks import InputError
from fer_tf.data.base import ArrayImages
from fer_tf.saving import load_model
from fer_tf.training import checkpoint as keeping
from fer_tf.training import face_nets, fitting, matching, run_experiment
from fer_tf.training.matching import FeatureDistance, MapBatches

# TensorFlow says of steps that are not traced (`untraced`) that its pipelines still are
pytestmark = [
    pytest.mark.filterwarnings("ignore:Even though the .tf.config.experimental_run_functions_eagerly"),
    pytest.mark.usefixtures("untraced"),
]

GRID = (3, 3)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_TF_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("power", [1, 2, 3])
def test_distance_is_the_mean_p_th_power(rng, power):
    target, found = (rng.normal(size=(4, 3, 3, 6)).astype(np.float32) for _ in range(2))
    expected = np.mean([np.mean(np.abs(f - t) ** power) for f, t in zip(found, target, strict=True)])
    assert float(FeatureDistance(power)(target, found)) == pytest.approx(expected, rel=1e-5)
    assert float(FeatureDistance(power)(found, found)) == 0


def test_distance_refuses_a_power_below_one():
    with pytest.raises(InputError, match="matching_power: must be a number >= 1; received 0.5"):
        FeatureDistance(0.5)


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_distance_of_equal_maps_has_no_wild_gradient(power):
    tf = pytest.importorskip("tensorflow")
    maps = tf.ones((1, 2, 2, 3))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        distance = FeatureDistance(power)(tf.ones((1, 2, 2, 3)), maps)
    np.testing.assert_array_equal(tape.gradient(distance, maps), np.zeros((1, 2, 2, 3)))


def told_maps(count, mirrored=False):
    """Maps that say which picture they are of: cell values row, or -row - 1 for its mirror image."""
    values = -np.arange(count) - 1 if mirrored else np.arange(count)
    return np.broadcast_to(values[:, None, None, None], (count, *GRID, 2)).astype(np.float16)


def epoch(batches):
    """All of an epoch: images and the first cell of each map."""
    found = [batches[index] for index in range(len(batches))]
    return np.concatenate([images for images, _ in found]), np.concatenate([maps[:, 0, 0, 0] for _, maps in found])


def told_split(little):
    """Pictures that differ from each other and from their mirror images."""
    images = np.zeros((40, 8, 8, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(40) + 1
    return replace(little.train, store=ArrayImages(images))


def test_every_picture_comes_once_an_epoch_with_its_map(little):
    batches = MapBatches(told_split(little), told_maps(40), batch_size=16, seed=5)
    assert len(batches) == 3
    images, rows = epoch(batches)
    assert sorted(rows) == list(range(40))
    assert list(rows) != list(range(40))
    np.testing.assert_array_equal(images[:, 0, 0, 0], rows + 1)


def test_mirrored_pictures_go_with_the_maps_of_mirrored_pictures(little):
    """Not with mirrored maps: a face net is not symmetric."""
    batches = MapBatches(told_split(little), told_maps(40), told_maps(40, mirrored=True), 16, seed=5)
    images, values = epoch(batches)
    rows = np.where(values < 0, -values - 1, values)
    assert sorted(rows) == list(range(40))
    assert 8 < (values < 0).sum() < 32
    np.testing.assert_array_equal(np.where(values < 0, images[:, 0, -1, 0], images[:, 0, 0, 0]), rows + 1)
    np.testing.assert_array_equal(np.where(values < 0, images[:, 0, 0, 0], images[:, 0, -1, 0]), 0)


def test_batches_are_a_function_of_seed_and_epoch(little):
    """So a resumed run sees what the uninterrupted one would have seen."""

    def batches(seed, first):
        return MapBatches(told_split(little), told_maps(40), told_maps(40, mirrored=True), 16, seed, first)

    running = batches(5, 0)
    first = epoch(running)[1]
    running.on_epoch_end()
    second = epoch(running)[1]
    np.testing.assert_array_equal(epoch(batches(5, 0))[1], first)
    np.testing.assert_array_equal(epoch(batches(5, 1))[1], second)
    assert (first != second).any()
    assert (epoch(batches(6, 0))[1] != first).any()


def test_with_passes_a_picture_comes_that_often_and_is_mirrored_or_not_each_time(little):
    batches = MapBatches(told_split(little), told_maps(40), told_maps(40, mirrored=True), 16, seed=5, passes=3)
    assert len(batches) == 8
    values = epoch(batches)[1]
    rows = np.where(values < 0, -values - 1, values)
    assert [sorted(rows[start : start + 40]) for start in (0, 40, 80)] == [list(range(40))] * 3
    assert any(len(set(values[rows == row])) == 2 for row in range(40))


def test_without_a_seed_they_come_in_order(little):
    np.testing.assert_array_equal(epoch(MapBatches(told_split(little), told_maps(40)))[1], np.arange(40))


def spread(maps):
    """Root mean square of what maps differ from their mean map."""
    return np.sqrt(np.mean((maps - maps.mean(axis=0)) ** 2))


def distance(model, face_net, data):
    """Mean squared distance of the expression net's maps of val to the face net's, in the deviation of train's."""
    target, unit = face_net.maps(data.val.images, GRID), spread(face_net.maps(data.train.images, GRID))
    found = matching._expression_net(model).predict_on_batch(data.val.images.astype(np.float32))
    return float(np.mean((found - target / unit) ** 2))


@pytest.mark.parametrize("name", ["facenet2expnet", "ran_facenet2expnet"])
def test_matching_brings_the_expression_net_nearer_to_the_face_net(fresh_home, own_cache, face_net_path, little, name):
    """On faces it was not trained on, and below what a map of zeros reaches; all else of the model stays."""
    given = experiment(face_net_path, name, matching_epochs=3, matching_rate=0.02, batch_size=8)
    keras.utils.set_random_seed(0)
    model, face_net = fitting.build(given, little), face_nets.open_face_net(str(face_net_path))
    before, scores = distance(model, face_net, little), model.get_layer("scores").get_weights()[0]
    matching.match(model, little, given, 0, quiet(fresh_home))
    after = distance(model, face_net, little)
    assert after < 0.7 * before
    np.testing.assert_array_equal(model.get_layer("scores").get_weights()[0], scores)
    history = pd.read_csv(fresh_home / "matching" / "history.csv")
    assert list(history["epoch"]) == [1, 2, 3]
    assert set(history["phase"]) == {"matching"}
    assert history["val_loss"].min() == pytest.approx(after, rel=0.02), "the best epoch is what comes back"


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_deviation_is_about_the_mean_map_of_each_cell_and_channel(rng, monkeypatch, dtype):
    """Not about the mean number: channels of a face net have different levels. The same in parts and at once."""
    levels = rng.normal(0, 20, (3, 3, 2))
    maps = (levels + rng.normal(size=(50, 3, 3, 2))).astype(dtype)
    monkeypatch.setattr(matching, "_CHUNK", 7)
    mean = matching.mean_map(maps)
    exact = maps.astype(float)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-5, atol=1e-5)
    unit = matching.deviation(maps, mean)
    assert unit == pytest.approx(spread(exact), rel=1e-4)
    assert unit < 0.1 * exact.std()
    third = np.mean(np.abs((exact - exact.mean(axis=0)) / unit) ** 3)
    assert matching.deviation(maps, mean, 3.0, unit) ** 3 == pytest.approx(third, rel=1e-4)


def test_maps_come_in_their_unit_and_stay_as_they_are(little):
    maps = told_maps(40)
    batches = MapBatches(told_split(little), maps, told_maps(40, mirrored=True), 40, seed=5, unit=8.0)
    plain = MapBatches(told_split(little), maps, told_maps(40, mirrored=True), 40, seed=5)
    np.testing.assert_array_equal(8 * epoch(batches)[1], epoch(plain)[1])
    assert batches[0][1].dtype == np.float32
    assert batches.maps is maps


class Answering:
    """Replaces the expression net's training: remembers what it should learn."""

    def __init__(self):
        self.targets = None

    def __call__(self, net, training_data, targets, *rest):
        self.targets = targets


def test_the_mean_map_has_distance_one_on_train_and_its_distance_on_val_is_kept(
    fresh_home, own_cache, face_net_path, little, monkeypatch
):
    monkeypatch.setattr(matching, "_fit", trained := Answering())
    given = experiment(face_net_path, matching_epochs=1, flip=True)
    matching.match(fitting.build(given, little), little, given, 0, quiet(fresh_home))
    maps, val_maps, _, unit = trained.targets
    found = [
        MapBatches(split, part, batch_size=100, unit=unit)[0][1]
        for split, part in ((little.train, maps), (little.val, val_maps))
    ]
    mean = np.broadcast_to(found[0].mean(axis=0), found[0].shape)
    loss = FeatureDistance(2.0)
    assert float(loss(found[0], mean)) == pytest.approx(1, rel=1e-3)
    (fresh_home / "matching" / "history.csv").write_text("val_loss,seconds\n2,1\n")
    facts = matching.matching_facts(fresh_home)["matching"]
    assert facts["mean_map_val_loss"] == pytest.approx(float(loss(found[1], mean[: len(found[1])])), rel=1e-3)
    assert 0.3 < facts["mean_map_val_loss"] < 3


def test_the_face_net_is_not_changed(fresh_home, own_cache, face_net_path, little, monkeypatch):
    opened, nets = face_nets.open_face_net, []
    monkeypatch.setattr(face_nets, "open_face_net", lambda *given: nets.append(opened(*given)) or nets[-1])
    given = experiment(face_net_path, matching_epochs=1)
    matching.match(fitting.build(given, little), little, given, 0, quiet(fresh_home))
    for one, other in zip(nets[0].trunk.get_weights(), opened(str(face_net_path)).trunk.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_depth_says_which_to_set(fresh_home, face_net_path, little):
    given = experiment(face_net_path, depth=7, matching_epochs=1)
    with pytest.raises(InputError, match=f"depth: .*maps have {DEPTH} channels: --set depth={DEPTH}; received 7"):
        matching.match(fitting.build(given, little), little, given, 0, quiet(fresh_home))


def test_a_model_without_expression_net_cannot_be_matched(fresh_home, face_net_path, little):
    given = experiments.resolve("cnn", "smoke", {"matching_epochs": 1, "face_net": str(face_net_path), "width": 0.1})
    with pytest.raises(InputError, match="matching_epochs: cnn has no expression_net; allowed is 0"):
        fitting.fit(little, given, 0, quiet(fresh_home))


def test_matching_wants_a_face_net(fresh_home):
    """`none`, the default of every other experiment, is not a file name."""
    options = {"dataset_options": {"count": 400}, "size": "smoke", "verbose": False, "limit": 40}
    with pytest.raises(InputError, match="face_net: .*identities, keras_facenet.*'none'"):
        run_experiment("facenet2expnet", face_net="none", **options)
    assert not (fresh_home / "reports").exists()


def fitted(home, data, path, stop=None):
    """Fits at `home`, or until an interruption after the epoch `stop` of a phase; the model (None if interrupted) and
    the (phase, epoch) of each epoch that was run."""
    end_epoch, epochs, model = keeping.EpochKeeper.on_epoch_end, [], None

    def interrupted(self, epoch, logs=None):
        end_epoch(self, epoch, logs)
        epochs.append((self.phase.name, epoch + 1))
        if epochs[-1] == stop:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping.EpochKeeper, "on_epoch_end", interrupted)
        given = experiment(path, matching_epochs=2, epochs=2)
        with pytest.raises(KeyboardInterrupt) if stop else nullcontext():
            model, _ = fitting.fit(data, given, 1, quiet(home))
    return model, epochs


@pytest.fixture(scope="module")
def whole(tmp_path_factory, little, face_net_path):
    """A fit that was never interrupted: its folder and weights."""
    home = tmp_path_factory.mktemp("whole")
    model, epochs = fitted(home, little, face_net_path)
    assert epochs == [("matching", 1), ("matching", 2), ("joint", 1), ("joint", 2)]
    return home, model.get_weights()


@pytest.mark.parametrize(
    ("stop", "left"),
    [
        pytest.param(
            ("matching", 1), [("matching", 2), ("joint", 1), ("joint", 2)], marks=pytest.mark.slow, id="in stage 1"
        ),
        pytest.param(("matching", 2), [("joint", 1), ("joint", 2)], id="after stage 1"),
        pytest.param(("joint", 1), [("joint", 2)], marks=pytest.mark.slow, id="in stage 2"),
    ],
)
def test_an_interrupted_fit_goes_on_where_it_was_and_ends_the_same(tmp_path, little, face_net_path, whole, stop, left):
    fitted(tmp_path, little, face_net_path, stop)
    model, epochs = fitted(tmp_path, little, face_net_path)
    assert epochs == left
    for one, other in zip(model.get_weights(), whole[1], strict=True):
        np.testing.assert_array_equal(one, other)
    columns = ["epoch", "loss", "val_loss"]
    histories = [pd.read_csv(home / "matching" / "history.csv")[columns] for home in (tmp_path, whole[0])]
    assert histories[0].equals(histories[1])


def test_a_run_tells_of_its_matching(fresh_home, face_net_path):
    given = settings(face_net_path, matching_epochs=2, epochs=1, limit=40)
    finished = run_experiment("facenet2expnet", dataset_options={"count": 400}, size="smoke", verbose=False, **given)
    record = json.loads((finished.directory / "record.json").read_text())
    assert record["face_net"] == face_nets.face_net_fingerprint(str(face_net_path))
    training = json.loads((finished.directory / "training.json").read_text())
    history = pd.read_csv(finished.directory / "matching" / "history.csv")
    facts = training["matching"]
    assert facts["epochs"] == len(history) == 2
    assert training["epochs"] == 1
    assert facts["best_val_loss"] == pytest.approx(history["val_loss"].min())
    assert facts["first_val_loss"] == pytest.approx(history["val_loss"].iloc[0])
    assert list(finished.history["epoch"]) == [1], "stage 1 has its own history"
    assert list(finished.history["phase"]) == ["joint"]
    assert not list(finished.directory.rglob(keeping.CHECKPOINT))
    assert load_model(finished.model_path).count_params() == training["parameters"]


def test_a_run_without_stage_1_has_no_facts_of_it(fresh_home, face_net_path, little):
    assert matching.matching_facts(fresh_home) == {}
    given = experiment(face_net_path, matching_epochs=0, epochs=1)
    _, facts = fitting.fit(little, given, 0, quiet(fresh_home))
    assert "matching" not in facts
    assert not (fresh_home / "matching").exists()


def test_mirrored_maps_are_used_where_the_run_mirrors(fresh_home, own_cache, face_net_path, little, monkeypatch):
    given, seen = experiment(face_net_path, matching_epochs=1, flip=True), []

    class Watched(MapBatches):
        def __init__(self, split, maps, mirrored=None, *rest, **named):
            seen.append((len(split), maps, mirrored))
            super().__init__(split, maps, mirrored, *rest, **named)

    monkeypatch.setattr(matching, "MapBatches", Watched)
    matching.match(fitting.build(given, little), little, given, 0, quiet(fresh_home))
    face_net = face_nets.open_face_net(str(face_net_path))
    (_, maps, mirrored), (_, _, none) = seen
    plain, other = (face_net.maps(images, GRID) for images in (little.train.images, little.train.images[:, :, ::-1]))
    np.testing.assert_allclose(maps, plain, rtol=0.01, atol=0.01)
    np.testing.assert_allclose(mirrored, other, rtol=0.01, atol=0.01)
    assert none is None, "validation pictures are taken as they are"


def test_the_shipped_face_net_has_the_depth_that_the_experiments_name():
    trunk = face_nets.open_face_net("identities").trunk
    assert trunk.output_shape == (None, 6, 6, 128)
    for name in ("facenet2expnet", "ran_facenet2expnet"):
        assert experiments.resolve(name, "quick").depth == 128
