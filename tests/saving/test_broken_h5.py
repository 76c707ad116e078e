"""Damaged HDF5 files are refused before the HDF5 library loops over them; whole files are read."""

import h5py
import pytest

from fer_tf.common.checks import ModelFileError
from fer_tf.saving import load_model
from fer_tf.saving.broken_h5 import check_heaps


def test_a_whole_file_is_accepted(tiny_model_path):
    check_heaps(tiny_model_path)


def test_a_damaged_heap_is_refused_before_hdf5_loops_over_it(tiny_model_path, tmp_path, monkeypatch):
    """HDF5 1.14 never returns from such a file, and Ctrl-C does not stop it."""
    path = tmp_path / "m.h5"
    content = bytearray(tiny_model_path.read_bytes())
    size = content.index(b"GCOL") + 16 + 8  # of the first object: with its header it becomes 0 in 64 bits
    content[size : size + 8] = (2**64 - 16).to_bytes(8, "little")
    path.write_bytes(content)
    monkeypatch.setattr(h5py, "File", None)  # the test must not hang, either
    with pytest.raises(ModelFileError, match=r"m.h5: is damaged \(the sizes in its HDF5 heap at byte [\d,]+ are wrong"):
        load_model(path)
