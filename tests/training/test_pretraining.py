"""Backbones for the drawn world: who they are trained on, what is written, and that `weights="drawn"` loads it."""

import json

import keras
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.data.drawn_faces import draw_faces
from fer_tf.data.sets import synthetic
from fer_tf.models import drawn_weights
from fer_tf.models.features import feature_extractor
from fer_tf.training import face_nets, pretraining

pytestmark = pytest.mark.usefixtures("untraced")

SHIPPED = {"VGG16", "MobileNet", "cnn", "identities"}


def test_nobody_of_them_is_in_a_dataset(backbones_home):
    """Otherwise a backbone would have seen the people of a test split."""
    largest_pool = synthetic.COUNT * 1000 // synthetic.PER_IDENTITY
    assert largest_pool < pretraining.FIRST_PERSON
    images, truth = pretraining.drawn_people(100)
    assert images.shape == (100, 48, 48, 1)
    assert truth["person"].tolist() == [0] * 50 + [1] * 50
    others, _ = pretraining.drawn_people(100, first_person=2)
    assert not (images == others).all(axis=(1, 2, 3)).any()


def test_the_truths_are_those_of_the_drawn_faces(backbones_home):
    images, truth = pretraining.drawn_people(100, seed=3)
    people = pretraining.FIRST_PERSON + np.arange(100) // 50
    faces = draw_faces(100, seed=3, start=pretraining.FIRST_PICTURE, identities=people)
    np.testing.assert_array_equal(images, faces.images)
    np.testing.assert_array_equal(truth["glasses"] > 0, faces.table["glasses"])
    np.testing.assert_allclose(truth["pose"] * 30, faces.table[["yaw", "pitch", "roll"]], rtol=1e-5)
    assert [pretraining.BEARDS[code] for code in truth["beard"]] == faces.table["beard"].tolist()
    assert "emotion" not in truth


def test_every_network_of_the_quick_size_ships_and_is_small(backbones_home, monkeypatch):
    monkeypatch.delenv("FER_TF_MODELS")
    assert set(drawn_weights.drawn_names()) == SHIPPED == set(pretraining.RECIPES)
    sizes = [drawn_weights.drawn_file(name).stat().st_size for name in SHIPPED]
    assert max(sizes) <= 2_000_000
    assert sum(sizes) <= 8_000_000


def test_the_shipped_face_net_tells_apart_people_that_it_has_never_seen(tiny_faces):
    face_net = face_nets.open_face_net("identities")
    rows = tiny_faces.test.rows
    people = tiny_faces.table["identity"].to_numpy()[rows]
    assert face_nets.verification_auc(face_net, tiny_faces.test.images, people) > 0.8


def test_pretraining_writes_what_drawn_weights_load(backbones_home):
    record = pretraining.pretrain("cnn", pictures=150, epochs=1)
    folder = backbones_home / "models" / "bundled" / "backbones"
    assert record == json.loads((folder / "cnn.json").read_text())
    assert record["people"] == 3
    assert record["unseen_people"]["pictures"] == 100
    assert f"{record['sha256']}  cnn.weights.h5" in (folder / "SHA256SUMS").read_text()
    assert "cnn.weights.h5" in (folder / "README.md").read_text()
    loaded = feature_extractor("cnn", (48, 48, 1), "features", 0.25, weights="drawn")
    fresh = feature_extractor("cnn", (48, 48, 1), "features", 0.25)
    fresh.load_weights(folder / "cnn.weights.h5")
    for one, other in zip(loaded.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    kernel = loaded.get_layer("conv2").get_weights()[0]
    np.testing.assert_array_equal(kernel, kernel.astype(np.float16))  # in half precision


def test_an_interrupted_pretraining_resumes_after_its_last_epoch(backbones_home, monkeypatch, capfd):
    class Stop(Exception):
        pass

    saved = keras.callbacks.BackupAndRestore.on_epoch_end

    def interrupted(self, epoch, logs=None):
        saved(self, epoch, logs)
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(keras.callbacks.BackupAndRestore, "on_epoch_end", interrupted)
        with pytest.raises(Stop):
            pretraining.pretrain("cnn", pictures=150, epochs=3)
    assert "Epoch 1/3" in capfd.readouterr().out
    pretraining.pretrain("cnn", pictures=150, epochs=3)
    out = capfd.readouterr().out
    assert "Epoch 1/3" not in out
    assert "Epoch 3/3" in out


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "VGG19"}, "backbone: allowed are VGG16, MobileNet, cnn, identities; received 'VGG19'"),
        ({"name": "cnn", "pictures": 10}, "pictures: .*100.*received 10"),
        ({"name": "cnn", "epochs": -1}, "epochs: .*received -1"),
    ],
)
def test_wrong_arguments_are_named(backbones_home, wrong, message):
    with pytest.raises(InputError, match=message):
        pretraining.pretrain(**wrong)


def test_features_of_one_person_are_nearer(rng):
    """The area under the ROC curve, against a count over all pairs."""
    features = rng.normal(size=(30, 8)) + np.repeat(rng.normal(size=(6, 8)), 5, axis=0)
    people = np.repeat(np.arange(6), 5)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosine, same = unit @ unit.T, people[:, None] == people
    off = ~np.eye(30, dtype=bool)
    inside, between = cosine[same & off], cosine[~same]
    exact = (inside[:, None] > between).mean()
    assert face_nets.pair_auc(features, people, pairs=20_000) == pytest.approx(exact, abs=0.03)
    assert face_nets.pair_auc(np.eye(6)[people], people) == 1


def test_no_head_names_an_emotion():
    """Heads name person, glasses, beard, hair, lines and pose; none names an emotion."""
    network, _ = pretraining.RECIPES["cnn"].network()
    model = pretraining.with_heads(network, 4)
    assert set(model.output_names) == {"person", "glasses", "beard", "hair", "lines", "pose"} == set(pretraining.LOSSES)
    assert isinstance(model, keras.Model)
