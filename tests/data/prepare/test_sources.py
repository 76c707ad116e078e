"""Sources: raw data is never written to, and wrong arguments are refused before anything is written."""

import pytest
from fixtures import (
    file_contents,
    written_pictures,
)

from fer_tf.common.checks import InputError
from fer_tf.data.prepare import prepare_datasets


def test_raw_data_is_never_written_to(tmp_path, photos, fer2013_root):
    before = file_contents(photos)
    for out in (photos / "folder", photos / "folder" / "new", photos / "fer2013" / "new"):
        with pytest.raises(InputError, match="is in .*the raw data of"):
            prepare_datasets(["folder"], out, photos)
    prepare_datasets(["folder"], tmp_path / "out", photos)
    assert file_contents(photos) == before
    (tmp_path / "link").symlink_to(photos / "folder")
    with pytest.raises(InputError, match="is in"):
        prepare_datasets(["folder"], tmp_path / "link" / "new", photos)
    prepare_datasets(["fer2013"], tmp_path / "data" / "folder", fer2013_root, size=48)  # to be loaded as `folder`
    with pytest.raises(InputError, match="holds pictures of folder"):
        prepare_datasets(["folder"], tmp_path / "out", tmp_path / "out", force=True)
    assert written_pictures(tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 4}, "size: must be a number >= 8"),
        ({"channels": 2}, "channels: allowed are None, 1, 3"),
        ({"format": "gif"}, "format: allowed are jpg, png"),
        ({"layout": "codes"}, "layout: allowed are numbered, names"),
        ({"detector": "eyes"}, "detector: allowed are mtcnn"),
        ({"margin": 0.2}, "margin, missing: have no effect with detector 'none'"),
        ({"missing": "skip"}, "margin, missing: have no effect"),
        ({"detector": "haar", "missing": "error"}, "missing: allowed are whole, skip"),
        ({"workers": 0}, "workers: must be a number >= 1"),
        ({"protocol": "official"}, "protocol of synthetic: allowed are identity"),
        ({"protocol": "ckplus=random"}, "protocol: allowed are synthetic"),
        ({"options": ["camera=left"]}, "options of synthetic: unknown 'camera'"),
        ({"options": ["jaffe.fold=1"]}, "dataset of 'jaffe.fold=1': allowed are synthetic"),
        ({"options": ["size=3"]}, r"options: size is a setting of `data prepare` itself \(--size\)"),
        ({"options": ["synthetic.channels=3"]}, "channels is a setting"),
        ({"names": ["synthetic", "synthetic"]}, "datasets: name one or more, each once"),
        ({"names": ["fer"]}, "dataset: allowed are synthetic, fer2013"),
    ],
)
def test_wrong_arguments(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        prepare_datasets(**{"names": ["synthetic"], "out": tmp_path / "out", **arguments})
    assert not (tmp_path / "out").exists()
