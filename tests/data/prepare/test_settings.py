"""Settings of an earlier run in the folder."""

import pytest
from fixtures import (
    SYNTHETIC,
    file_contents,
    written_pictures,
)

from fer_tf.common.checks import InputError
from fer_tf.data.prepare import prepare_datasets


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"size": 40}, r"size \(32 there, 40 now\)"),
        ({"format": "png"}, r"format \(jpg there, png now\)"),
        ({"layout": "names"}, r"layout \(numbered there, names now\)"),
        ({"seed": 1}, "datasets: synthetic: its files, labels or splits have changed; seed"),
        ({"options": ["count=130"]}, r"count \(120 there, 130 now\)"),
    ],
)
def test_other_settings_are_refused_unless_forced(tmp_path, change, fault):
    out = tmp_path / "out"
    prepare_datasets(["synthetic"], out, **SYNTHETIC)
    before = file_contents(out)
    with pytest.raises(InputError, match=f"was prepared with other settings: .*{fault}.*--force"):
        prepare_datasets(["synthetic"], out, **SYNTHETIC | change)
    assert file_contents(out) == before
    done = prepare_datasets(["synthetic"], out, force=True, **SYNTHETIC | change)
    assert len(written_pictures(out)) == len(done.labels) == done.new
