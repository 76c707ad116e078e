"""The commands on datasets: what is there, counts, and prepared folders."""

import re

from fixtures import run_cli


def test_data_check_tells_what_is_there_and_what_is_missing(capsys, home, fer2013_root):
    present = run_cli(capsys, "data", "check", "fer2013", "--data-dir", fer2013_root)
    assert present.code == 0
    assert str(fer2013_root / "fer2013" / "fer2013.csv") in present.out
    missing = run_cli(capsys, "data", "check", "fer2013", "--data-dir", home / "nowhere")
    assert missing.code == 1
    assert missing.err == ""
    assert str(home / "nowhere" / "fer2013") in missing.out
    assert "https://www.kaggle.com" in missing.out
    both = run_cli(capsys, "data", "check", "--data-dir", home / "nowhere")
    assert "synthetic: " in both.out
    assert "How to get it" in both.out


def test_data_counts_shows_images_a_class_and_split(capsys, home, fer2013_root):
    answer = run_cli(capsys, "data", "counts", "fer2013", "--data-dir", fer2013_root)
    assert answer.code == 0
    assert re.search(r"disgust +20 +5 +5 +30\n", answer.out)
    assert re.search(r"all +140 +35 +35 +210\n", answer.out)
