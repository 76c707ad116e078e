"""Fixtures of several files on one dataset."""

import pytest
from ckplus_copies import FRAMES, SUBJECTS, code_of, value, write_frame
from disfa_copies import write_subject


@pytest.fixture
def disfa_root(tmp_path):
    """Six people of 30 frames, in a folder of another script, with the litter that systems leave."""
    disfa_root = tmp_path / "données 数据" / "disfa"
    for number in range(1, 7):
        write_subject(disfa_root, f"SN{number:03d}")
    for place in ("Videos_LeftCamera/Thumbs.db", "Videos_LeftCamera/._LeftVideoSN001_comp.avi"):
        (disfa_root / place).write_text("x")
    (disfa_root / "Videos_LeftCamera" / "readme.txt").write_text("x")
    (disfa_root / "ActionUnit_Labels" / ".DS_Store").write_text("x")
    (disfa_root / "ActionUnit_Labels" / "SN001" / "Thumbs.db").write_text("x")
    return disfa_root


@pytest.fixture
def ckplus_home(tmp_path):
    """Two sequences a subject; those of number 2 of the last four subjects without label, as most folders are."""
    root = tmp_path / "my dätä" / "ckplus"
    for place, subject in enumerate(SUBJECTS):
        for sequence in (0, 1):
            key = f"{subject}/{sequence + 1:03d}"
            for frame in range(1, FRAMES + 1):
                stem = f"{subject}_{sequence + 1:03d}_{frame:08d}"
                suffix = ".PNG" if place == 3 else ".png"
                write_frame(
                    root / "cohn-kanade-images" / key / f"{stem}{suffix}", value(subject, sequence, frame), place == 10
                )
            (root / "Emotion" / key).mkdir(parents=True)
            (root / "cohn-kanade-images" / key / ".DS_Store").write_text("x")
            if sequence == 0 or place < 8:
                label = f"   {code_of(subject, sequence):.7e}\n"
                (root / "Emotion" / key / f"{stem}_emotion.txt").write_text(label)
    for litter in ("Thumbs.db", "._S005_001_00000006_emotion.txt"):
        (root / "Emotion" / "S005" / litter).write_text("x")
    (root / "cohn-kanade-images" / "S005" / "001" / "._x.png").write_text("x")
    return root
