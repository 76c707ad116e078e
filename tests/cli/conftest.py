"""Fixtures of the tests of commands."""

import pytest


@pytest.fixture
def home(fresh_home, monkeypatch):
    """Empty reports and models folders, and a separate working directory."""
    (fresh_home / "work").mkdir()
    monkeypatch.chdir(fresh_home / "work")
    return fresh_home
