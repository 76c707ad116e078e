"""Sharing batches: every picture of a batch is computed by exactly one device, or all of them by each."""

import threading

import numpy as np
import pytest

from fer_tf.common import sharing
from fer_tf.common.checks import InputError
from fer_tf.common.sharing import Sharing, shared

BATCH = np.arange(12)


def test_one_device_computes_everything():
    assert sharing.share(BATCH) is BATCH
    assert sharing.placed((BATCH, None), 12) == (BATCH, None)
    assert sharing.even(256, 5) == 256
    assert sharing.callbacks(["own"]) == ["own"]
    assert sharing.about() == {}
    assert (sharing.jit(False), sharing.jit(True)) == (False, True)


@pytest.mark.parametrize("processes", [2, 3, 4])
def test_processes_share_a_batch_in_order(processes):
    parts = []
    for rank in range(processes):
        with shared(Sharing(processes, processes, rank)):
            parts.append(sharing.share((BATCH, -BATCH)))
    positions, others = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    np.testing.assert_array_equal(positions, BATCH)
    np.testing.assert_array_equal(others, -BATCH)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_batch_that_cannot_be_shared_evenly_is_computed_by_all(rank):
    """Also where the two processes could have equal shares, but their four devices could not."""
    with shared(Sharing(devices=4, processes=2, rank=rank)):
        np.testing.assert_array_equal(sharing.share(BATCH[:10]), BATCH[:10])
        assert len(sharing.share(BATCH)) == 6


def test_devices_that_split_a_batch_by_themselves_get_a_copy_each():
    with shared(Sharing(devices=2, is_mirrored=True)):
        np.testing.assert_array_equal(sharing.share(BATCH[:3]), [0, 1, 2, 0, 1, 2])
        assert len(sharing.share(BATCH)) == 12
        np.testing.assert_array_equal(sharing.share(BATCH[:3], learns=False), [0, 1, 2])


@pytest.mark.parametrize(("devices", "count"), [(2, 257), (2, 3589), (2, 167), (3, 256), (3, 10), (4, 1025), (8, 8)])
def test_validation_gives_each_device_a_picture_of_every_batch(devices, count):
    with shared(Sharing(devices=devices, is_mirrored=True)):
        size = sharing.even(256, count)
        assert size % devices == 0
        assert not 0 < count % size < devices
        assert min(size, count) % devices == 0, "Keras adds up the devices' parts of the first batch"
        assert sharing.even(250, count, learns=True) == 250, "the experiment's batch size is not changed"


@pytest.mark.parametrize(("devices", "size"), [(3, 255), (64, 256), (300, 300)])
def test_batches_of_validation_can_be_shared_evenly(devices, size):
    with shared(Sharing(devices=devices)):
        assert sharing.even(256, 3589) == size


def test_fewer_pictures_than_devices_are_refused_where_each_needs_one():
    wanted = "devices: 3 pictures cannot be shared by 4"
    with shared(Sharing(devices=4, is_mirrored=True)), pytest.raises(InputError, match=wanted):
        sharing.even(256, 3)
    with shared(Sharing(devices=4)):
        assert sharing.even(256, 3) == 256


def test_what_sharing_needs_is_added_and_ends_with_the_block():
    def place(array, rows):
        return array, rows

    with shared(Sharing(4, 2, 1, place=place, callbacks=("mean",), needs_jit=True)):
        assert sharing.callbacks(["own"]) == ["own", "mean"]
        assert sharing.jit(False)
        assert sharing.placed((1, None), 8) == ((1, 8), None)
        assert sharing.about() == {"devices": 4, "hosts": 2}
    assert sharing.about() == {}
    with shared(Sharing(2, is_mirrored=True)):
        assert not sharing.jit(True), "a compiled step runs on one device"


def test_what_only_answers_is_computed_alone():
    """In a thread of its own, where nothing is shared; on one device it is the function itself."""

    def about(rows, key="none"):
        return sharing.share(rows), key, sharing.about(), threading.get_ident()

    assert sharing.alone(about) is about
    with shared(Sharing(4, 2, 1)):
        rows, key, facts, thread = sharing.alone(about)(BATCH, key="given")
        assert sharing.about() == {"devices": 4, "hosts": 2}
    assert rows is BATCH
    assert (key, facts) == ("given", {})
    assert thread != threading.get_ident()
    with shared(Sharing(4, 2, 1)), pytest.raises(InputError, match="no such net"):
        sharing.alone(refuse)()
    assert sharing.about() == {}


def refuse():
    raise InputError("no such net")


def test_answers_of_all_devices_to_the_whole_batch_are_taken_once():
    assert sharing.once(BATCH) is BATCH
    with shared(Sharing(4, 2, 1)):
        assert sharing.once(BATCH) is BATCH
    with shared(Sharing(3, is_mirrored=True)):
        np.testing.assert_array_equal(sharing.once(np.tile(BATCH, 3)), BATCH)
