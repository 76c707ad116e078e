"""Files that ship: a file that was changed after it was measured is refused, and `sha256sum -c` finds it too."""

import hashlib
import json

import pytest

from fer_tf.common.checks import ModelFileError
from fer_tf.common.shipped import check_shipped, write_checksums


def test_a_file_that_is_not_the_measured_one_is_refused(tmp_path):
    path, record = tmp_path / "a.h5", tmp_path / "a.json"
    path.write_bytes(b"weights")
    record.write_text(json.dumps({"file": "a.h5", "sha256": hashlib.sha256(b"weights").hexdigest()}))
    check_shipped(path, record)
    path.write_bytes(b"other weights")
    with pytest.raises(ModelFileError, match=r"a\.h5: is not the file that a\.json describes .* `git checkout a\.h5`"):
        check_shipped(path, record)


def test_checksums_have_the_form_of_sha256sum(tmp_path):
    write_checksums(tmp_path, [{"file": "a.h5", "sha256": "12ab"}, {"file": "b.h5", "sha256": "34cd"}])
    assert (tmp_path / "SHA256SUMS").read_text() == "12ab  a.h5\n34cd  b.h5\n"
