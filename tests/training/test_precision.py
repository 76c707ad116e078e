"""Precision: measured only where it can pay; the faster one is taken, recorded and kept."""

import pytest
from fixtures import COMPACT, fit_compact

from fer_tf.experiments import resolve
from fer_tf.training import fitting, precision

pytestmark = pytest.mark.usefixtures("untraced")


def test_precision_is_measured_only_where_it_can_pay(monkeypatch):
    def never(name):
        raise AssertionError("no model is needed on a processor without bfloat16")

    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    assert precision.choose(never, None, None)["chosen"] == "float32"


@pytest.mark.parametrize("faster", ["float32", "mixed_bfloat16"])
def test_the_faster_precision_is_taken_recorded_and_kept(tmp_path, tiny_faces, monkeypatch, faster):
    times = {"float32": 1.0, "mixed_bfloat16": 2.0} if faster == "float32" else {"float32": 2.0, "mixed_bfloat16": 1.0}
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "_milliseconds", lambda model, *_: times[model.get_layer("pool").dtype_policy.name])
    model, facts, _ = fit_compact(tiny_faces, tmp_path, sizes="", epochs=1)
    assert facts["precision"] == {"chosen": faster, "milliseconds_per_picture": times}
    assert model.get_layer("pool").dtype_policy.name == "float32", "what is saved computes in float32"
    monkeypatch.setattr(precision, "_milliseconds", None)  # a resumed run does not measure again
    experiment, progress = resolve("compact", "smoke", COMPACT), fitting.Progress(tmp_path, "f", verbose=False)
    assert fitting.measured_precision(None, experiment, 0, progress)["chosen"] == faster
