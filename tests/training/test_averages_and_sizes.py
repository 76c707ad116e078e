"""Moving averages, progressive resizing and a time limit in whole trainings, also interrupted ones."""

import numpy as np
import pandas as pd
import pytest
from fixtures import fit_compact

from fer_tf import losses
from fer_tf.common.checks import OutOfTime
from fer_tf.data.feeding.epoch_plan import target_matrix
from fer_tf.models.inference import predict_probabilities
from fer_tf.training import checkpoint

# "auto" could choose another precision for each of two runs that are compared
SETTINGS = {"limit": 32, "precision": "float32"}
pytestmark = pytest.mark.usefixtures("untraced")


@pytest.mark.parametrize(
    "stops",
    [
        pytest.param((2,), id="where the size changes"),
        pytest.param((1, 2, 3), marks=pytest.mark.slow, id="among the small and the large pictures, too"),
    ],
)
def test_an_interrupted_fit_with_all_of_them_ends_bit_for_bit_the_same(tmp_path, tiny_faces, monkeypatch, stops):
    for stop in stops:
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint.EpochKeeper, "on_epoch_begin", stopping_at(stop))
            with pytest.raises(KeyboardInterrupt):
                fit_compact(tiny_faces, tmp_path / "stopped", **SETTINGS)
    stopped, _, one = fit_compact(tiny_faces, tmp_path / "stopped", **SETTINGS)
    whole, facts, other = fit_compact(tiny_faces, tmp_path / "whole", **SETTINGS)
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), other.drop(columns="seconds"))
    for first, second in zip(stopped.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    assert other["size"].tolist() == [24, 24, 48, 48]
    assert facts["best_epoch"] >= 3, "the best epoch is one at the last size"


def stopping_at(number):
    begin = checkpoint.EpochKeeper.on_epoch_begin

    def stopped(self, epoch, logs=None):
        if epoch == number:
            raise KeyboardInterrupt
        begin(self, epoch, logs)

    return stopped


def test_what_is_validated_and_kept_is_the_average(tmp_path, tiny_faces):
    """The kept weights have the validation loss of the best epoch's row; the raw weights would have another."""
    model, facts, history = fit_compact(tiny_faces, tmp_path, sizes="", epochs=2, ema=0.8)
    val = tiny_faces.limited(64).val
    loss = losses.classification_loss()(target_matrix(val), predict_probabilities(model, val))
    assert float(loss) == pytest.approx(history.set_index("epoch").loc[facts["best_epoch"], "val_loss"], rel=1e-4)


def test_a_time_that_has_come_stops_training_after_its_checkpoint(tmp_path, tiny_faces, monkeypatch):
    keep = checkpoint.EpochKeeper._keep_best

    def running_out(self, row):
        self.stop_at = 0.0
        keep(self, row)

    monkeypatch.setattr(checkpoint.EpochKeeper, "_keep_best", running_out)
    with pytest.raises(OutOfTime, match="no time left for another epoch"):
        fit_compact(tiny_faces, tmp_path, sizes="", epochs=2)
    assert len(pd.read_csv(tmp_path / "history.csv")) == 1
    assert (tmp_path / checkpoint.CHECKPOINT).is_file()
