"""Preparing on a cluster: the same files as in one process, and only missing pictures are made."""

import pytest
from fixtures import PHOTO_PLACES, SYNTHETIC, file_contents, write_face
from inline_cluster import InlineCluster

from fer_tf.common.checks import InputError
from fer_tf.data.prepare import on_cluster, prepare_datasets
from fer_tf.data.prepare.settings import Settings


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(on_cluster, "PART", 7)


def test_the_folder_is_that_of_one_process(tmp_path, small_parts):
    """With photographs in files, one of them broken, and faces that are searched."""
    for number, place in enumerate(PHOTO_PLACES):
        write_face(tmp_path / "photos" / "folder" / place, number, (60, 50))
    (tmp_path / "photos" / "folder" / PHOTO_PLACES[0]).write_text("no picture")
    for settings in ({}, {"detector": "haar", "missing": "whole"}):
        home = tmp_path / f"with{len(settings)}"
        arguments = {"data_dir": tmp_path / "photos", "layout": "names", "size": 32, **settings}
        whole = prepare_datasets(["folder"], home / "whole", **arguments)
        cluster = InlineCluster()
        found = prepare_datasets(["folder"], home / "cluster", cluster=cluster, **arguments)
        assert len(cluster.parts) == -(-len(PHOTO_PLACES) // 7)
        assert file_contents(home / "cluster") == file_contents(home / "whole")
        assert (found.new, len(found.skipped)) == (whole.new, 1)


def test_only_missing_pictures_are_made_again(tmp_path, small_parts):
    out = tmp_path / "out"
    done = prepare_datasets(["synthetic"], out, cluster=InlineCluster(), **SYNTHETIC)
    before = file_contents(out)
    lost = done.labels["path"][:3].tolist()
    for path in lost:
        (out / path).unlink()
    cluster = InlineCluster()
    again = prepare_datasets(["synthetic"], out, cluster=cluster, **SYNTHETIC)
    assert again.new == 3
    assert sorted(path for part in cluster.parts for path in part["paths"]) == sorted(lost)
    assert file_contents(out) == before


def test_a_computer_that_does_not_see_the_folder_says_so(tmp_path):
    with pytest.raises(InputError, match="does not see .*prepare.json; put --out into a folder that all computers"):
        on_cluster.PictureMaker(str(tmp_path / "nowhere"), Settings(), 1)
