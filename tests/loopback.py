"""Addresses for processes that play several hosts."""

import socket


def addresses(count):
    """Loopback addresses with ports that are free now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = tuple(("127.0.0.1", probe.getsockname()[1]) for probe in probes)
    for probe in probes:
        probe.close()
    return found
