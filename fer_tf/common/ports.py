"""Addresses and ports on which a page is served."""

import ipaddress
import socket

from .checks import InputError, check_whole


def is_loopback(host: str) -> bool:
    """True if only this computer can reach the host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_port(host: str, port: int) -> socket.socket:
    """Opens a listening socket on an address (IPv4, IPv6 or a name) and a port, 0 to 65535; 0 takes any free port.

    Raises: `InputError` if the address cannot be opened.
    """
    check_whole("port", port, 0, 65535)
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        fault = f"{host}:{port} cannot be opened ({error.strerror})"
        raise InputError(f"host, port: {fault}; give another --port") from None
    listening.setblocking(False)
    return listening


def address(listening: socket.socket) -> str:
    """The URL of a listening socket, for a browser on this computer."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:  # it means all addresses, and a browser cannot open it
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
