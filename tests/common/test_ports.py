"""Ports and addresses of a page."""

import pytest

from fer_tf.common.checks import InputError
from fer_tf.common.ports import is_loopback, open_port


def test_a_port_in_use_is_reported_in_one_line():
    with open_port("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(InputError, match=f"port: 127.0.0.1:{port} cannot be opened .*; give another"):
            open_port("127.0.0.1", port)


def test_only_loopback_counts_as_this_computer():
    assert all(map(is_loopback, ("127.0.0.1", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "192.168.1.5", "box.local", "")))
