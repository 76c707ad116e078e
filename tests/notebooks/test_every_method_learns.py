"""The embedded run teaches only if its methods learn: each is above the most frequent class with its interval."""

import nbformat
import pytest

from fer_tf.evaluation.comparison import has_learned
from fer_tf.experiments import equal_steps
from fer_tf.runs.reproduce import notebook_paths
from fer_tf.training import run_experiment

METHODS = sorted(
    {
        name
        for path in notebook_paths()
        for name in nbformat.read(path, as_version=4).metadata.fer_tf.get("experiments", [])
    }
    | {"patt_lite", "residual_masking", "ran_face"}  # the documents' future work, and RAN over a face network
    - {"majority"}
)
# Chapters 2, 3, 6 and 7 also train these on a part of the faces.
WITH_FEW = ("cnn4_se", "cnn4_se_aug", "mobilenet", "mobilenet_scratch", "facenet2expnet", "facenet2expnet_scratch")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_at_quick_size(fresh_home, name, seed):
    run = run_experiment(name, "synthetic", seed=seed, size="quick", verbose=False)
    assert has_learned(run.metrics["test"])


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", WITH_FEW)
def test_they_learn_from_a_tenth_of_the_faces_too(fresh_home, name, seed):
    steps, few = equal_steps(name, 0.1, "quick"), {"train_share": 0.1}
    run = run_experiment(name, "synthetic", seed=seed, size="quick", dataset_options=few, verbose=False, **steps)
    assert has_learned(run.metrics["test"])
