"""What a run was made with: the revision says if the code differs from it, and missing programs do not stop a run."""

import subprocess

import keras
import numpy as np
import pytest

from fer_tf.runs import environment


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one commit, taken for the project's; the cached revision is forgotten before and after."""
    commands = (["init", "-q"], ["add", "a.txt"], ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "a"])
    (tmp_path / "a.txt").write_text("a")
    for command in commands:
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    monkeypatch.setattr(environment, "project_root", lambda: tmp_path)
    environment.git_revision.cache_clear()
    yield tmp_path
    environment.git_revision.cache_clear()


def test_the_revision_says_that_tracked_files_differ(repository):
    revision = environment.git_revision()
    assert len(revision) >= 7
    assert "+" not in revision
    (repository / "untracked.txt").write_text("b")
    environment.git_revision.cache_clear()
    assert environment.git_revision() == revision
    (repository / "a.txt").write_text("b")
    environment.git_revision.cache_clear()
    assert environment.git_revision() == f"{revision}+changes"


def test_without_git_the_revision_is_unknown(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert environment.git_revision() == "unknown"


def test_versions_are_those_that_are_loaded(monkeypatch):
    versions = environment.package_versions()
    assert (versions["keras"], versions["numpy"]) == (keras.__version__, np.__version__)
    monkeypatch.setattr(environment, "_PACKAGES", ("numpy", "no-such-package"))
    assert list(environment.package_versions()) == ["numpy"]


def test_every_run_says_where_it_ran():
    facts = environment.environment()
    assert facts["device"]
    assert facts["cores"] >= 1
    assert environment.peak_memory_mb() > 10
