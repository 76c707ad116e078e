"""The face network fine-tuned on expressions before stage 1 (document [1])."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from tiny_face_net import DEPTH, experiment, quiet, tiny_face_net

from fer_tf.data.base import ArrayImages
from fer_tf.training import face_nets, fitting, matching

# TensorFlow says of steps that are not traced (`untraced`) that its pipelines still are
pytestmark = [
    pytest.mark.filterwarnings("ignore:Even though the .tf.config.experimental_run_functions_eagerly"),
    pytest.mark.usefixtures("untraced"),
]


@pytest.fixture
def counted_steps(monkeypatch):
    """How many epochs the face net was fine-tuned."""
    train, calls = matching._train_on_expressions, []

    def counted(face_net, split, epochs, batch_size, seed):
        calls.append(epochs)
        train(face_net, split, epochs, batch_size, seed)

    monkeypatch.setattr(matching, "_train_on_expressions", counted)
    return calls


def test_fine_tuning_makes_another_face_net_and_is_kept(fresh_home, face_net_path, little, counted_steps):
    plain = face_nets.open_face_net(str(face_net_path))
    start = plain.trunk.get_weights()
    tuned = matching.fine_tuned(plain, little, 2, 20, 0)
    assert tuned.fingerprint != plain.fingerprint
    assert tuned.name == "tiny.h5 (fine-tuned)"
    moved = [np.abs(one - other).max() for one, other in zip(tuned.trunk.get_weights(), start, strict=True)]
    assert max(moved) > 1e-4
    assert len(list((fresh_home / "models").glob("face_net-fine_tuned-*.weights.h5"))) == 1
    again = matching.fine_tuned(face_nets.open_face_net(str(face_net_path)), little, 2, 20, 0)
    assert counted_steps == [2]
    assert again.fingerprint == tuned.fingerprint
    for one, other in zip(again.trunk.get_weights(), tuned.trunk.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_fine_tuning_moves_layers_that_were_saved_frozen(fresh_home, little, tmp_path):
    """As a face net made by transfer is saved; also the layers of a nested network."""
    inner = tiny_face_net()
    inputs = keras.Input(inner.input_shape[1:])
    x = keras.layers.Conv2D(3, 1, name="own")(inputs)
    x = keras.Model(inner.input, inner.get_layer("second").output, name="nested")(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    for layer in model.layers:
        layer.trainable = False
    model.save(tmp_path / "frozen.h5")
    plain = face_nets.open_face_net(str(tmp_path / "frozen.h5"))
    start = plain.trunk.get_weights()
    tuned = matching.fine_tuned(plain, little, 1, 20, 0)
    moved = [np.abs(one - other).max() > 1e-6 for one, other in zip(tuned.trunk.get_weights(), start, strict=True)]
    assert len(moved) == 6
    assert all(moved)


def test_fine_tuning_depends_on_all_that_it_is_given(fresh_home, face_net_path, little, monkeypatch):
    """Other pictures under the same labels too: the synthetic faces of another difficulty, a set at another size."""
    monkeypatch.setattr(matching, "_train_on_expressions", lambda *_: None)
    other = replace(little.train, store=ArrayImages(255 - little.train.images))
    found = [
        matching.fine_tuned(face_nets.open_face_net(str(face_net_path)), data, *given).fingerprint
        for data, given in [
            (little, (2, 20, 0)),
            (little, (3, 20, 0)),
            (little, (2, 10, 0)),
            (little, (2, 20, 1)),
            (replace(little, train=other), (2, 20, 0)),
            (replace(little, train=replace(little.train, store=little.train.store.converted((24, 24), 1))), (2, 20, 0)),
        ]
    ]
    assert len(set(found)) == len(found)


def test_a_run_matches_the_fine_tuned_net_where_asked(fresh_home, face_net_path, little, counted_steps, monkeypatch):
    given, seen = experiment(face_net_path, matching_epochs=1, face_net_epochs=1), []
    monkeypatch.setattr(
        face_nets, "cached_maps", lambda net, split, grid: seen.append(net.name) or no_maps(split, grid)
    )
    matching.match(fitting.build(given, little), little, given, 0, quiet(fresh_home))
    assert counted_steps == [1]
    assert seen == ["tiny.h5 (fine-tuned)"] * 2


def no_maps(split, grid):
    return np.zeros((len(split), *grid, DEPTH), np.float16)
