"""Where things are: what the user sets comes before the project's own folders."""

import pytest

from fer_tf.common import paths


def test_the_data_folder_is_given_or_set_or_the_projects(monkeypatch, tmp_path):
    monkeypatch.delenv("FER_TF_DATA", raising=False)
    assert paths.data_root() == paths.project_root() / "data" / "raw"
    monkeypatch.setenv("FER_TF_DATA", str(tmp_path / "set"))
    assert paths.data_root() == tmp_path / "set"
    assert paths.data_root(tmp_path / "given") == tmp_path / "given"


def test_a_notebook_in_its_own_folder_finds_the_projects_data(monkeypatch, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "data" / "raw").mkdir(parents=True)
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path)
    monkeypatch.chdir(tmp_path / "notebooks")
    assert paths.data_root("data/raw") == tmp_path / "data" / "raw"
    assert str(paths.data_root("elsewhere")) == "elsewhere", "a folder that the project does not have either"


def test_the_users_folder_is_read_from_its_sign(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.expanded("~/x") == tmp_path / "x"
    assert str(paths.expanded("~nobody-of-this-name/x")) == "~nobody-of-this-name/x"


@pytest.mark.parametrize("has_own", [False, True])
def test_bundled_models_are_ones_own_if_there_are_any(monkeypatch, tmp_path, has_own):
    monkeypatch.setenv("FER_TF_MODELS", str(tmp_path))
    if has_own:
        (tmp_path / "bundled").mkdir()
    home = tmp_path if has_own else paths.project_root() / "models"
    assert paths.bundled_root() == home / "bundled"
