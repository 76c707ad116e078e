"""The processes of a training on several hosts: they meet, compare what they train, and notice if one is lost.

Rank 0 listens at the first address, the others connect to it. Each process says every few seconds that it is there. A
process that is killed closes its connection; a host that is switched off becomes silent. In both cases the others end
with a message, because a step needs all of them.
"""

import contextlib
import json
import os
import queue
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ..common.checks import InputError, OutOfTime, check_range, check_whole
from ..common.text import one_line

# Seconds to wait until all processes have been started; a variable of the environment.
WAIT = "FER_TF_HOSTS_WAIT"
_WAIT = 300.0
# Seconds between two signs of life, and of silence after which a process is lost.
_BEAT, _SILENT = 5.0, 30.0
# The exit code of a process that lost another one: a temporary failure, try again (sysexits.h).
LOST = 75
# The exit code for a wrong input: the same command would end in the same way.
_WRONG = 2
_PIECE = 1_000_000  # bytes that are read at once
_BEAT_MESSAGE = b'{"kind": "beat", "content": null, "bytes": 0}\n'
_AGAIN = "The same command on every host resumes after the last finished epoch"


@dataclass(frozen=True)
class Hosts:
    """Where the processes of a training are.

    Attributes:
        addresses: (host, port) of each process; rank 0 listens at the first.
        rank: of this process, its place in `addresses`.
    """

    addresses: tuple[tuple[str, int], ...]
    rank: int

    def name(self, rank: int) -> str:
        """A process, for messages."""
        host, port = self.addresses[rank]
        return f"rank {rank} ({host}:{port})"


def parse_hosts(text: str, rank: int | None) -> Hosts:
    """The hosts that a user means.

    Args:
        text: host:port of each process with commas between them, "10.0.0.1:7000,10.0.0.2:7000".
        rank: this process's place in the list, from 0.
    Raises: `InputError` for less than two addresses, one that is given twice or is incomplete, or a rank that is not in
        the list.
    """
    addresses = tuple(_address(part.strip()) for part in text.split(","))
    if len(addresses) < 2 or len(set(addresses)) < len(addresses):
        raise InputError(f"hosts: must be two or more different host:port with commas between them; received {text!r}")
    last = len(addresses) - 1
    if rank is None:
        raise InputError(f"rank: missing; give --rank K, this process's place in --hosts, 0 to {last}")
    if not 0 <= rank <= last:
        raise InputError(f"rank: must be 0 to {last}, the place in --hosts; received {rank}")
    return Hosts(addresses, rank)


def _address(text):
    host, separator, port = text.rpartition(":")
    if not (host and separator and port.isdecimal()):
        raise InputError(f"hosts: an address must be host:port, such as 10.0.0.1:7000; received {text!r}")
    return host.strip("[]"), check_whole("hosts, port", int(port), 1, 65535)


@dataclass
class _Peer:
    """A connection to another process, and what has arrived from it."""

    rank: int
    connection: socket.socket
    file: Any
    inbox: queue.Queue = field(default_factory=queue.Queue)
    seen: float = field(default_factory=time.monotonic)
    said_bye: bool = False
    writing: threading.Lock = field(default_factory=threading.Lock)

    def send(self, kind: str, content: Any = None, blob: bytes = b"") -> None:
        """Sends a message: a line of JSON, then bytes."""
        header = json.dumps({"kind": kind, "content": content, "bytes": len(blob)}).encode() + b"\n"
        with self.writing:
            self.connection.sendall(header + blob)

    def beat(self) -> None:
        """Says that this process is there. A message that is being sent says so, too, and is not waited for."""
        if self.writing.acquire(blocking=False):
            try:
                self.connection.sendall(_BEAT_MESSAGE)
            finally:
                self.writing.release()

    def receive(self) -> tuple[str, Any, bytes]:
        """The next message: kind, content and bytes. Raises `EOFError` if the other side has closed."""
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        header = json.loads(line)
        self.seen = time.monotonic()
        return header["kind"], header["content"], self._blob(header["bytes"])

    def _blob(self, size):
        """The bytes of a message. No beat comes between them, so each piece counts as one."""
        blob = bytearray()
        while len(blob) < size:
            piece = self.file.read1(min(_PIECE, size - len(blob)))
            if not piece:
                raise EOFError
            blob += piece
            self.seen = time.monotonic()
        return bytes(blob)


class Group:
    """The connected processes of a training; made by `meet`.

    Attributes:
        hosts: `Hosts`.
        peers: rank -> connection; rank 0 has one to each other process, the others have one to rank 0.
    """

    def __init__(self, hosts: Hosts, peers: dict[int, _Peer]) -> None:
        self.hosts, self.peers = hosts, peers
        self.scratch: Path | None = None
        self._closing = threading.Event()
        for peer in peers.values():
            peer.connection.settimeout(None)
            peer.seen = time.monotonic()
            threading.Thread(target=self._read, args=(peer,), daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def rank(self) -> int:
        """Of this process."""
        return self.hosts.rank

    @property
    def leads(self) -> bool:
        """True for rank 0, which writes the run."""
        return self.rank == 0

    def __len__(self) -> int:
        return len(self.hosts.addresses)

    def tell(self, kind: str, content: Any = None, blob: bytes = b"") -> None:
        """Sends a message to all connected processes; one that cannot be reached is noticed by its reader."""
        for peer in self.peers.values():
            with contextlib.suppress(OSError):
                peer.send(kind, content, blob)

    def hear(self, kind: str, rank: int = 0) -> tuple[Any, bytes]:
        """Waits for the next message of a process, which must be of this kind; returns its content and bytes."""
        found, content, blob = self.peers[rank].inbox.get()
        if found != kind:
            raise RuntimeError(f"{self.hosts.name(rank)} sent {found!r} where {kind!r} was expected")
        return content, blob

    def hear_one_of(self, *kinds: str) -> tuple[str, Any]:
        """Waits for the next message of rank 0, which must be of one of these kinds: its kind and content."""
        found, content, _ = self.peers[0].inbox.get()
        if found not in kinds:
            raise RuntimeError(f"{self.hosts.name(0)} sent {found!r} where {' or '.join(kinds)} was expected")
        return found, content

    def compare(self, facts: dict[str, str], advice: dict[str, str]) -> None:
        """Checks that all processes have the same facts.

        Args:
            facts: what must be equal: name -> fingerprint.
            advice: name -> what to do if it is not.
        Raises: `InputError` in every process, which names the first difference.
        """
        if not self.leads:
            self.tell("facts", facts)
            reason, _ = self.hear("compared")
        else:
            found = {rank: self.hear("facts", rank)[0] for rank in self.peers}
            differences = [
                f"{self.hosts.name(rank)} has another {name} than rank 0 ({other[name]}, not {value}): {advice[name]}"
                for rank, other in sorted(found.items())
                for name, value in facts.items()
                if other[name] != value
            ]
            reason = differences[0] if differences else ""
            self.tell("compared", reason)
        if reason:
            self.close()
            raise InputError(f"hosts: {reason}")

    def send_files(self, folder: Path, names: list[str]) -> None:
        """Sends files of a folder to all other processes."""
        self.tell("files", names)
        for name in names:
            self.tell("file", name, (folder / name).read_bytes())

    def receive_files(self, folder: Path) -> None:
        """Writes the files that rank 0 sends into a folder."""
        names, _ = self.hear("files")
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.hear("file")[1])

    def fail(self, error: BaseException) -> None:
        """Tells the others why this process ends, unless one of them was lost: then this process ends by `end`."""
        if not isinstance(error, InputError | OutOfTime | KeyboardInterrupt):
            time.sleep(2 * _BEAT)  # a step that lost a process fails before its connection is seen to be closed
        self._closing.set()
        reason = one_line(str(error)) or type(error).__name__
        code = _WRONG if isinstance(error, InputError) else LOST
        self.tell("failed", {"reason": f"{self.hosts.name(self.rank)} ended ({reason})", "code": code})
        self.close(waits=False)

    def close(self, waits: bool = True) -> None:
        """Leaves the group: from now on a closed connection is no loss."""
        self._closing.set()
        self.tell("bye")
        until = time.monotonic() + _SILENT
        while waits and time.monotonic() < until and not all(peer.said_bye for peer in self.peers.values()):
            time.sleep(0.05)
        for peer in self.peers.values():
            with contextlib.suppress(OSError):
                peer.connection.shutdown(socket.SHUT_RDWR)

    def _read(self, peer):
        """Takes in what a process sends, until it leaves or is lost."""
        try:
            while True:
                kind, content, blob = peer.receive()
                if kind == "bye":
                    peer.said_bye = True
                elif kind == "failed":
                    if not self._closing.is_set():
                        self.end(content["reason"], content["code"])
                elif kind != "beat":
                    peer.inbox.put((kind, content, blob))
        except (OSError, EOFError, ValueError):
            if not (peer.said_bye or self._closing.is_set()):
                self.end(f"{self.hosts.name(peer.rank)} was lost: its process ended or its host cannot be reached")

    def _watch(self):
        """Says every few seconds that this process is there, and looks for those that are silent."""
        while not self._closing.wait(_BEAT):
            for peer in self.peers.values():
                with contextlib.suppress(OSError):
                    peer.beat()
                if not peer.said_bye and time.monotonic() - peer.seen > _SILENT:
                    self.end(f"{self.hosts.name(peer.rank)} was lost: no sign of life for {_SILENT:.0f} seconds")

    def end(self, reason: str, code: int = LOST) -> NoReturn:
        """Ends this process at once: a step that waits for a lost process cannot be interrupted in another way.

        Args:
            reason: why it ends.
            code: the exit code; 2 for a wrong input, which the same command would meet again.
        """
        if self.leads and not self._closing.is_set():
            self._closing.set()
            self.tell("failed", {"reason": reason, "code": code})
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)
        print(f"error: {reason}" if code == _WRONG else f"error: {reason}. {_AGAIN}", file=sys.stderr, flush=True)
        os._exit(code)


def meet(hosts: Hosts, say: Callable[[str], None] = print) -> tuple[Group, str]:
    """Connects the processes of a training.

    Args:
        hosts: `Hosts`.
        say: prints a line of progress.
    Returns: the group, and the address host:port where JAX's processes meet, on the host of rank 0.
    Raises: `InputError` if not all processes have come within the time of $FER_TF_HOSTS_WAIT (seconds, default 300), or
        if this is not a number from 0.
    """
    seconds = _seconds_to_wait()
    until = time.monotonic() + seconds
    if hosts.rank == 0:
        say(f"rank 0 waits at {hosts.addresses[0][0]}:{hosts.addresses[0][1]} for {len(hosts.addresses) - 1} more")
        peers = _accept(hosts, until, seconds)
        coordinator = f"{hosts.addresses[0][0]}:{_free_port()}"
        for peer in peers.values():
            peer.send("welcome", coordinator)
        return Group(hosts, peers), coordinator
    peer = _connect(hosts, until, seconds)
    return Group(hosts, {0: peer[0]}), peer[1]


def _seconds_to_wait():
    text = os.environ.get(WAIT) or str(_WAIT)
    try:
        return check_range(WAIT, float(text), low=0)
    except ValueError:
        raise InputError(f"{WAIT}: must be a number of seconds from 0; received {text!r}") from None


def _free_port():
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def _accept(hosts, until, seconds):
    """Waits for all other processes; a connection of anything else is closed."""
    host, port = hosts.addresses[0]
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise InputError(f"hosts: {host}:{port} cannot be opened on this host ({error.strerror or error})") from None
    peers = {}
    with listening:
        while len(peers) < len(hosts.addresses) - 1:
            listening.settimeout(max(0.01, until - time.monotonic()))
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                missing = [hosts.name(rank) for rank in range(1, len(hosts.addresses)) if rank not in peers]
                raise InputError(
                    f"hosts: {', '.join(missing)} did not come within {seconds:.0f} seconds; start the same command "
                    f"there with its --rank, and check that it can reach {host}:{port}"
                ) from None
            peer = _greeted(hosts, connection, peers)
            if peer is not None:
                peers[peer.rank] = peer
    return peers


def _greeted(hosts, connection, peers):
    """The process behind a new connection, or None if it does not belong here."""
    connection.settimeout(10)
    peer = _Peer(-1, connection, connection.makefile("rb"))
    try:
        _, hello, _ = peer.receive()
        rank, addresses = hello["rank"], hello["hosts"]
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        connection.close()
        return None
    fault = ""
    if addresses != _as_lists(hosts):
        fault = f"rank 0 has other --hosts: {','.join(f'{host}:{port}' for host, port in hosts.addresses)}"
    elif rank in peers or rank == 0:
        fault = f"rank {rank} is already there; give each process its own --rank"
    if fault:
        peer.send("refused", fault)
        connection.close()
        return None
    peer.rank = rank
    return peer


def _as_lists(hosts):
    return [list(address) for address in hosts.addresses]


def _connect(hosts, until, seconds):
    """The connection to rank 0 and the coordinator's address; tries again until rank 0 is there."""
    host, port = hosts.addresses[0]
    while True:
        try:
            connection = socket.create_connection((host, port), timeout=max(0.01, min(10, until - time.monotonic())))
            break
        except OSError as error:
            if time.monotonic() > until or isinstance(error, socket.gaierror):
                reason = error.strerror or error
                raise InputError(
                    f"hosts: rank 0 at {host}:{port} cannot be reached ({reason}; tried for {seconds:.0f} seconds); "
                    "start it there, and check name, port and firewall"
                ) from None
            time.sleep(0.5)
    peer = _Peer(0, connection, connection.makefile("rb"))
    peer.send("hello", {"rank": hosts.rank, "hosts": _as_lists(hosts)})
    connection.settimeout(max(1.0, until - time.monotonic() + 10))
    try:
        kind, content, _ = peer.receive()
    except (OSError, EOFError, ValueError):
        raise InputError(f"hosts: rank 0 at {host}:{port} closed the connection; see its message") from None
    if kind == "refused":
        raise InputError(f"hosts: {content}")
    return peer, content
