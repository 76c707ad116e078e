"""The commands that search hyperparameters and combine runs: what is refused before anything is trained."""

import pytest
from fixtures import assert_refused, files_below, run_cli


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("search", "cnn"), "search: give either --grid or --random N"),
        (("search", "cnn", "--grid", "--random", "2"), "search: give either --grid or --random N"),
        (("search", "cnn", "--random", "2", "--space", "epochs"), "space: allowed are document4"),
        (("ensemble", "cnn-synthetic-identity-seed0"), "runs: must be two or more different ones"),
        (("ensemble", "a", "b"), "runs: a is neither a finished run in"),
        (("ensemble", "a", "b", "--weight", "1", "--select", "greedy"), "weights: are chosen by select greedy"),
    ],
)
def test_a_wrong_call_is_refused_in_one_line_and_writes_nothing(capsys, home, words, text):
    assert_refused(run_cli(capsys, *words), text)
    assert not [name for name in files_below(home) if name.endswith((".h5", ".csv", "record.json"))]
