"""Csv files of pixels, tried as FER2013: what is broken is refused with its place, and never read as other pixels."""

import numpy as np
import pytest
from fer2013_copies import FORMS, GOOD, PIXELS, assert_official, load
from fixtures import assert_refused, run_cli, tar_bytes, zip_bytes

from fer_tf.common.checks import DataError

# broken copies

ARCHIVE = "the archive is broken or cut short"
_GZ, _XZ, _ZIP, _TAR = (FORMS[form][1] for form in ("gz", "xz", "zip", "kaggle tarball"))


def flipped(written, position, bit=1):
    """The bytes with one bit flipped, as a bad disk does."""
    return written[:position] + bytes([written[position] ^ (1 << bit)]) + written[position + 1 :]


def bad_line(line):
    """A csv whose fourth line is `line`."""
    return f"emotion,pixels,Usage\n{GOOD}\n{GOOD}\n{line}\n{GOOD}\n"


def bad_pixel(value):
    return bad_line(f"0,{PIXELS[:-1]}{value},Training")


_UTF16 = "emotion,pixels,Usage\n".encode("utf-16")

# what is wrong -> (file name, content, what the message must say)
BAD = {
    "row cut short": ("fer2013.csv", bad_line(f"0,{PIXELS[:4001]},Training"), "line 4: 2001 pixel values, 2304"),
    "cut in the pixels": ("fer2013.csv", bad_line("0,7 7 7").rsplit("\n", 2)[0], "line 4: 3 pixel values, 2304"),
    "cut before the pixels": ("fer2013.csv", bad_line("0,"), "line 4: 0 pixel values"),
    "cut in the first row": ("fer2013.csv", "emotion,pixels,Usage\n3,", "line 2: 0 pixel values"),
    "no usage": ("fer2013.csv", bad_line(f"0,{PIXELS}"), "line 4: unknown Usage ''"),
    "one pixel too many": ("fer2013.csv", bad_line(f"0,{PIXELS} 7,Training"), "line 4: 2305 pixel values, 2304"),
    "rows that make up for each other": (
        "fer2013.csv",
        bad_line(f"0,{PIXELS[2:]},Training\n0,{PIXELS} 7,Training"),
        "line 4: 2303 pixel values",
    ),
    "pixel 256": ("fer2013.csv", bad_pixel("256"), "line 4: pixel value 256 is outside 0..255"),
    "pixel -1": ("fer2013.csv", bad_pixel("-1"), "line 4: pixel value -1 is outside 0..255"),
    "huge pixel": ("fer2013.csv", bad_pixel("9" * 30), "is outside 0..255"),
    "pixel abc": ("fer2013.csv", bad_pixel("abc"), "line 4: pixel 'abc' is not a whole number"),
    "pixel 12.5": ("fer2013.csv", bad_pixel("12.5"), "line 4: pixel '12.5' is not a whole number"),
    "pixel --5": ("fer2013.csv", bad_pixel("--5"), "line 4: pixel '--5' is not a whole number"),
    "unknown usage": ("fer2013.csv", bad_line(f"0,{PIXELS},Test"), "line 4: unknown Usage 'Test'; allowed are Train"),
    "label 7": ("fer2013.csv", bad_line(f"7,{PIXELS},Training"), "line 4: unknown emotion '7'; allowed are 0, 1, 2"),
    "no label": ("fer2013.csv", bad_line(f",{PIXELS},Training"), "line 4: unknown emotion ''"),
    "one field too many": ("fer2013.csv", bad_line(f"{GOOD},Training"), "line 4"),
    "missing column": ("fer2013.csv", f"emotion,pixels\n0,{PIXELS}\n", "no column Usage (its columns: emotion, pixels"),
    "web page": ("fer2013.csv", "<!doctype html>\n<html><body>Sign in</body></html>\n", "is a web page and not the"),
    "empty": ("fer2013.csv", "", "is not a csv that can be read (it is empty)"),
    "UTF-16": ("fer2013.csv", _UTF16, "is not a csv that can be read (it is not text in UTF-8, from byte 0 on)"),
    "many columns": ("fer2013.csv", f"emotion,pixels,Usage\n{GOOD}\n{GOOD},1,2\n", "line 3 has 5 columns, 3 are expec"),
    "open quotation mark": ("fer2013.csv", 'emotion,pixels,Usage\n"0,7', "(a quotation mark in line 2 has no end)"),
    "header alone": ("fer2013.csv", "emotion,pixels,Usage\n", "has a header but no rows"),
    "binary": ("fer2013.csv", bytes(range(256)) * 9, "fer2013.csv: "),
    "half a gz": ("fer2013.csv.gz", _GZ[: len(_GZ) // 2], ARCHIVE),
    "half an xz": ("fer2013.csv.xz", _XZ[: len(_XZ) // 2], ARCHIVE),
    "half a tarball": ("fer2013.tar.gz", _TAR[: len(_TAR) // 2], ARCHIVE),
    "half a zip": ("fer2013.csv.zip", _ZIP[: len(_ZIP) // 2], ARCHIVE),
    # the first byte after the headers says how what follows is compressed
    "damaged gz": ("fer2013.csv.gz", flipped(_GZ, 10), ARCHIVE),
    "damaged zip": ("fer2013.csv.zip", flipped(_ZIP, 30 + len("fer2013.csv")), ARCHIVE),
    "damaged xz": ("fer2013.csv.xz", flipped(_XZ, len(_XZ) // 2), ARCHIVE),
    "no gz": ("fer2013.csv.gz", "text", ARCHIVE),
    "no zip": ("fer2013.zip", "text", ARCHIVE),
    "no tarball": ("fer2013.tar.gz", "<!doctype html>", "is a web page and not the data; sign in to the site"),
    "zip of folders": (
        "archive.zip",
        zip_bytes({"train/fear/a.png": ""}),
        "unpack its folders train/ and test/ into",
    ),
    "zip without the csv": (
        "archive.zip",
        zip_bytes({"cats.csv": ""}),
        "holds none of fer2013.csv, icml_face_data.csv",
    ),
    "tarball without the csv": ("fer2013.tar.gz", tar_bytes({"README": ""}), "(it has README)"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_broken_copy_is_refused_with_file_line_and_fault(fer2013_folder, capsys, fault):
    name, written, message = BAD[fault]
    path = fer2013_folder / name
    path.write_bytes(written if isinstance(written, bytes) else written.encode())
    with pytest.raises(DataError) as refused:
        load(fer2013_folder)
    assert str(refused.value).startswith(str(path))
    assert message in str(refused.value)
    answer = run_cli(capsys, "data", "counts", "fer2013", "--data-dir", fer2013_folder.parent)
    assert_refused(answer, f"error: {path}", message)
    assert not (fer2013_folder.parent.parent / "cache").exists()


@pytest.mark.parametrize("fault", ["missing column", "web page", "empty", "UTF-16", "no zip", "half a tarball"])
def test_data_check_does_not_call_a_file_present_that_cannot_be_read(fer2013_folder, capsys, fault):
    name, written, message = BAD[fault]
    (fer2013_folder / name).write_bytes(written if isinstance(written, bytes) else written.encode())
    answer = run_cli(capsys, "data", "check", "fer2013", "--data-dir", fer2013_folder.parent)
    assert_refused(answer, f"error: {fer2013_folder / name}", message)
    assert "damaged: " in run_cli(capsys, "data", "check", "all", "--data-dir", fer2013_folder.parent).out


@pytest.mark.parametrize("form", ["gz", "xz", "zip", "kaggle tarball"])
def test_a_flipped_bit_never_gives_other_pixels(fer2013_folder, form):
    name, written = FORMS[form]
    for position in np.random.default_rng(0).integers(len(written), size=20):
        (fer2013_folder / name).write_bytes(flipped(written, position))
        fault = None
        try:
            ds = load(fer2013_folder)
        except DataError as error:
            fault = str(error)
        if fault is None:
            assert_official(ds)
        else:
            assert str(fer2013_folder / name) in fault
