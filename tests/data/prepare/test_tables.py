"""Tables of what was written and what was left out."""

import numpy as np
import pandas as pd
import pytest
from fixtures import (
    SYNTHETIC,
    SYNTHETIC_COUNT,
)

from fer_tf.common.checks import DataError
from fer_tf.data.prepare import prepare_datasets, sources
from fer_tf.emotions import EMOTIONS


def test_what_is_left_out_is_counted_and_listed(tmp_path, source):
    done = prepare_datasets(["synthetic"], tmp_path / "out", **SYNTHETIC)
    emotions = source.table["label"].map(source.class_names.__getitem__)
    outside = emotions.isin(["neutral", "contempt"])
    assert outside.any()
    assert len(done.labels) == (~outside).sum()
    counts = done.summary.set_index("class")
    assert list(counts.index) == [*EMOTIONS, ""]
    assert set(counts["dataset"]) == {"synthetic", "all"}
    for name in EMOTIONS[:6]:
        wanted = source.counts().loc[name]
        assert (counts.loc[name, ["train", "val", "test"]] == wanted[["train", "val", "test"]]).all()
        assert counts.loc[name, "written"] == wanted["all"]
    assert (
        counts["class not in the layout"][["neutral", "contempt"]] == source.counts()["all"][["neutral", "contempt"]]
    ).all()
    assert counts.loc["", "written"] == len(done.labels)
    assert counts.loc["", "class not in the layout"] == len(done.skipped) == outside.sum()
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "out/record/summary.csv", keep_default_na=False), done.summary, check_dtype=False
    )
    skipped = pd.read_csv(tmp_path / "out/record/skipped.csv")
    assert list(skipped["row"]) == list(np.flatnonzero(outside))


def test_rows_that_the_protocol_does_not_use_are_reported(tmp_path, source, monkeypatch):
    part = source.limited(10)
    monkeypatch.setattr(sources, "load_dataset", lambda *given, **options: part)
    done = prepare_datasets(["synthetic"], tmp_path / "out", layout="names", **SYNTHETIC)
    assert len(done.labels) == (part.table["split"] != "").sum() == 30
    assert done.summary.iloc[-1]["not used by the protocol"] == SYNTHETIC_COUNT - 30


def test_if_nothing_can_be_written_it_says_so(tmp_path):
    home = tmp_path / "raw" / "folder"
    for split in ("train", "val", "test"):
        (home / split / "happy").mkdir(parents=True)
        (home / split / "happy" / "x.jpg").write_text("no picture")
    with pytest.raises(DataError, match="none of 3 pictures could be written; see record/skipped.csv for the reasons"):
        prepare_datasets(["folder"], tmp_path / "out", home.parent)
    assert (pd.read_csv(tmp_path / "out/record/skipped.csv")["reason"] == "cannot be read").all()
