"""A second output for every model: within its range, and the classes stay what they were."""

import numpy as np
import pytest
from tiny_nets import small

from fer_tf.common.checks import InputError
from fer_tf.emotions import VALENCE_AROUSAL, SecondOutput
from fer_tf.models import build_model
from fer_tf.models.second_output import with_second_output

pytestmark = pytest.mark.usefixtures("untraced")
UNITS = SecondOutput("action_units", ("AU1", "AU2", "AU4"))


@pytest.mark.parametrize("name", ["compact", "ran"])
@pytest.mark.parametrize("second", [VALENCE_AROUSAL, UNITS], ids=lambda second: second.kind)
def test_values_are_in_their_range_and_classes_unchanged(name, second, rng):
    model = small(name) if name == "ran" else build_model(name, (32, 32, 1), 4, width=0.1)
    images = rng.integers(0, 256, (5, 32, 32, 1), dtype=np.uint8)
    both = with_second_output(model, second)
    both.get_layer("values").kernel.assign(rng.normal(0, 5, both.get_layer("values").kernel.shape))
    probabilities, values = both.predict_on_batch(images)
    np.testing.assert_allclose(probabilities, model.predict_on_batch(images), atol=1e-6)
    assert values.shape == (5, len(second.names))
    assert values.min() >= (-1 if second is VALENCE_AROUSAL else 0)
    assert values.max() <= 1
    assert np.ptp(values, axis=0).max() > 0, "they depend on the picture"


def test_the_majority_baseline_has_no_features_for_it():
    with pytest.raises(InputError, match="majority has no features for a second output; take targets=expression"):
        with_second_output(build_model("majority", (32, 32, 1), 4), VALENCE_AROUSAL)
    with pytest.raises(InputError, match="kind of the second output: allowed are"):
        with_second_output(build_model("cnn", (32, 32, 1), 4, width=0.1), SecondOutput("age", ("years",)))
