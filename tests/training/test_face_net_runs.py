"""The network of another run as the face network that stage 1 matches: which run, from which data, and its trace."""

import numpy as np
import pytest
from fixtures import PLAIN, home_of_runs

from fer_tf.common.checks import InputError
from fer_tf.data import load_dataset
from fer_tf.experiments import resolve
from fer_tf.training import face_net_runs, face_nets, run_experiment
from fer_tf.training.queue_entries import Entry

# TensorFlow says of steps that are not traced (`untraced`) that its pipelines still are
pytestmark = [
    pytest.mark.filterwarnings("ignore:Even though the .tf.config.experimental_run_functions_eagerly"),
    pytest.mark.usefixtures("untraced"),
]
TUNED = "facenet2expnet_small_fine_tuned"
SMALL = {"size": "smoke", "dataset_options": {"count": 400}, "limit": 32, "epochs": 1, "verbose": False, **PLAIN}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A face network that has learned expressions, in a home of its own."""
    with home_of_runs(tmp_path_factory.mktemp("tuned")):
        yield run_experiment("face_transfer", **SMALL)


def test_stage_1_matches_the_map_of_the_fine_tuned_network(tuned, monkeypatch):
    seen, maps = [], face_nets.cached_maps

    def noted(face_net, *rest, **options):
        seen.append(face_net)
        return maps(face_net, *rest, **options)

    monkeypatch.setattr(face_nets, "cached_maps", noted)
    run = run_experiment(TUNED, **SMALL, matching_epochs=1, width=0.1)
    assert {net.name for net in seen} == {tuned.model_path.name}
    weights = seen[0].trunk.get_layer("trained_part").get_weights()
    plain = face_nets.open_face_net("identities").trunk.get_weights()
    assert any(np.abs(one - two).max() > 1e-5 for one, two in zip(weights, plain, strict=True)), "it has not learned"
    assert run.record["settings"]["face_net"] == "face_transfer", "a path of this computer is no setting"
    assert run.metrics["training"]["matching"]["epochs"] == 1
    assert run_experiment(TUNED, **SMALL, matching_epochs=1, width=0.1).record == run.record


def test_a_network_trained_again_makes_another_run(tuned):
    """The record depends on the file and not only on its name."""
    from fer_tf.training.run import given_networks

    ds = load_dataset("synthetic", count=400)
    opened = face_net_runs.with_file(resolve(TUNED, "smoke"), ds, 0, {"count": 400})
    before = given_networks(opened, 0)["face_net"]
    content = tuned.model_path.read_bytes()
    try:
        tuned.model_path.write_bytes(content + b" ")
        assert given_networks(opened, 0)["face_net"] != before
    finally:
        tuned.model_path.write_bytes(content)


@pytest.mark.parametrize("name", ["face_transfer", "face_transfer-synthetic-identity-seed0"])
def test_a_network_that_may_have_learned_the_test_images_is_refused(tuned, name):
    other = load_dataset("synthetic", count=300)
    with pytest.raises(InputError, match="face_net: face_transfer-.* was not trained on this split of synthetic"):
        face_net_runs.with_file(resolve(TUNED, "smoke", {"face_net": name}), other, 0, {})


def test_a_run_that_is_not_there_is_named(fresh_home):
    with pytest.raises(InputError, match="face_net: there is no finished run face_transfer-synthetic-identity-seed0"):
        run_experiment(TUNED, **SMALL)


def test_the_queue_waits_for_the_fine_tuned_network():
    row = Entry(TUNED, "ferplus", seed=2, options="label_mode=soft")
    assert row.needs == ["face_transfer-ferplus-official-soft-seed2"]
    assert Entry("facenet2expnet_small", "ferplus").needs == []
    assert Entry("facenet2expnet_small_scratch", "ferplus", overrides="face_net=face_transfer").needs == []
