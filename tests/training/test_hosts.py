"""Processes of a training meet, compare what they train, and end if one of them is lost."""

import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from loopback import addresses

from fer_tf.common.checks import InputError, OutOfTime
from fer_tf.training import hosts
from fer_tf.training.hosts import Hosts, meet, parse_hosts

ADVICE = {"data": "copy the same files", "code": "install the same revision"}


@pytest.fixture
def ended(monkeypatch):
    """Collects exit codes; the process lives on."""
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    return codes


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setenv(hosts.WAIT, "5")
    monkeypatch.setattr(hosts, "_BEAT", 0.05)
    monkeypatch.setattr(hosts, "_SILENT", 0.5)


def all_met(count):
    """The groups of `count` processes, played by threads."""
    places = addresses(count)
    with ThreadPoolExecutor(count) as pool:
        found = list(pool.map(lambda rank: meet(Hosts(places, rank), lambda text: None), range(count)))
    assert len({coordinator for _, coordinator in found}) == 1
    return [group for group, _ in found]


def close(groups):
    with ThreadPoolExecutor(len(groups)) as pool:
        list(pool.map(lambda group: group.close(), groups))


def wait_for(condition):
    until = time.monotonic() + 10
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()


def reach(place):
    """A connection to a process that may only begin to listen."""
    for _ in range(500):
        try:
            return socket.create_connection(place, 5)
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise AssertionError(f"nobody listens at {place}")


def outcome(call):
    """None, or the message of the `InputError` that a call raises."""
    try:
        call()
    except InputError as error:
        return str(error)
    return None


def compared(groups, facts):
    with ThreadPoolExecutor(len(groups)) as pool:
        calls = [(lambda g=group, f=fact: g.compare(f, ADVICE)) for group, fact in zip(groups, facts, strict=True)]
        return list(pool.map(outcome, calls))


@pytest.mark.parametrize(
    ("text", "rank", "fault"),
    [
        ("a:1", 0, "hosts: must be two or more different"),
        ("a:1,a:1", 0, "hosts: must be two or more different"),
        ("a:1,b", 0, "hosts: an address must be host:port, such as 10.0.0.1:7000; received 'b'"),
        ("a:1,b:99999", 0, "port: must be a number >= 1 and <= 65535; received 99999"),
        ("a:1,b:2", 2, "rank: must be 0 to 1, the place in --hosts; received 2"),
        ("a:1,b:2", -1, "rank: must be 0 to 1"),
        ("a:1,b:2", None, "rank: missing; give --rank K"),
    ],
)
def test_a_wrong_list_or_rank_is_refused(text, rank, fault):
    with pytest.raises(InputError, match=fault):
        parse_hosts(text, rank)


def test_addresses_of_every_kind_are_read():
    found = parse_hosts("lab1:7000, 10.0.0.2:7001,[::1]:7002", 2)
    assert found.addresses == (("lab1", 7000), ("10.0.0.2", 7001), ("::1", 7002))
    assert found.name(1) == "rank 1 (10.0.0.2:7001)"


def test_a_host_that_does_not_come_is_named(monkeypatch):
    monkeypatch.setenv(hosts.WAIT, "0.2")
    places = addresses(2)
    with pytest.raises(InputError, match=rf"rank 1 \(127.0.0.1:{places[1][1]}\) did not come within 0 seconds"):
        meet(Hosts(places, 0), lambda text: None)
    with pytest.raises(InputError, match=rf"rank 0 at 127.0.0.1:{places[0][1]} cannot be reached \(Connection refused"):
        meet(Hosts(places, 1), lambda text: None)
    with pytest.raises(InputError, match="rank 0 at no.such.host.invalid:7000 cannot be reached"):
        meet(Hosts((("no.such.host.invalid", 7000), places[1]), 1), lambda text: None)


@pytest.mark.parametrize("text", ["five", "-1", "nan"])
def test_a_wrong_time_to_wait_names_the_variable(monkeypatch, text):
    monkeypatch.setenv(hosts.WAIT, text)
    with pytest.raises(InputError, match=f"FER_TF_HOSTS_WAIT: must be a number of seconds from 0; received '{text}'"):
        meet(Hosts(addresses(2), 0), lambda text: None)


def test_a_port_that_is_taken_is_named():
    places = addresses(2)
    with socket.create_server(places[0]), pytest.raises(InputError, match=f"127.0.0.1:{places[0][1]} cannot be opened"):
        meet(Hosts(places, 0), lambda text: None)


def test_what_does_not_belong_is_turned_away_and_the_others_meet():
    places = addresses(2)
    other = (places[0], ("127.0.0.1", 1))
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(meet, Hosts(places, 0), lambda text: None)
        with reach(places[0]) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\n")
        with pytest.raises(InputError, match=f"hosts: rank 0 has other --hosts: 127.0.0.1:{places[0][1]},"):
            meet(Hosts(other, 1), lambda text: None)
        follower, _ = meet(Hosts(places, 1), lambda text: None)
        close([leader.result()[0], follower])


def test_a_rank_that_is_there_twice_is_refused():
    places = addresses(3)
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(meet, Hosts(places, 0), lambda text: None)
        first = pool.submit(meet, Hosts(places, 1), lambda text: None)
        with reach(places[0]) as second:
            header = {"kind": "hello", "content": {"rank": 0, "hosts": [list(place) for place in places]}, "bytes": 0}
            second.sendall(json.dumps(header).encode() + b"\n")
            answer = json.loads(second.makefile("rb").readline())
        assert answer["kind"] == "refused"
        assert "rank 0 is already there" in answer["content"]
        last, _ = meet(Hosts(places, 2), lambda text: None)
        assert sorted(leader.result()[0].peers) == [1, 2]
        close([leader.result()[0], first.result()[0], last])


def test_equal_facts_pass_and_a_difference_is_named_on_every_host():
    groups = all_met(3)
    same = {"data": "d", "code": "c"}
    assert compared(groups, [same] * 3) == [None] * 3
    messages = compared(groups, [same, same, {"data": "d", "code": "x"}])
    assert len(set(messages)) == 1
    assert "rank 2 (127.0.0.1:" in messages[0]
    assert "has another code than rank 0 (x, not c): install the same revision" in messages[0]


def test_files_of_the_first_reach_the_others(tmp_path):
    groups = all_met(2)
    (tmp_path / "from" / "matching").mkdir(parents=True)
    (tmp_path / "from" / "checkpoint.npz").write_bytes(bytes(range(256)) * 1000)
    (tmp_path / "from" / "matching" / "mean_map.json").write_text("{}\n")
    groups[0].send_files(tmp_path / "from", ["checkpoint.npz", "matching/mean_map.json"])
    groups[1].receive_files(tmp_path / "to")
    for name in ("checkpoint.npz", "matching/mean_map.json"):
        assert (tmp_path / "to" / name).read_bytes() == (tmp_path / "from" / name).read_bytes()
    close(groups)


def test_leaving_in_the_usual_way_is_no_loss(ended):
    close(all_met(3))
    time.sleep(0.2)
    assert ended == []


def test_a_killed_process_ends_the_others_with_a_message(ended, capsys):
    """The first notices the closed connection and says so to the others."""
    groups = all_met(3)
    groups[1]._closing.set()  # this thread plays the killed process, which says nothing more
    groups[1].peers[0].connection.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: len(ended) >= 2)
    assert set(ended) == {hosts.LOST}
    text = capsys.readouterr().err
    lost = f"error: {groups[0].hosts.name(1)} was lost: its process ended or its host cannot be reached"
    assert text.count(lost) == 2
    assert "The same command on every host resumes after the last finished epoch" in text
    for group in groups:
        group._closing.set()


def test_a_silent_host_is_lost_too(ended, capsys):
    groups = all_met(2)
    groups[1]._closing.set()  # no more signs of life, and the connection stays open
    wait_for(lambda: ended)
    assert f"{groups[0].hosts.name(1)} was lost: no sign of life for 0 seconds" in capsys.readouterr().err
    groups[0]._closing.set()


def test_a_long_transfer_is_no_silence(ended):
    """Neither for its receiver, which gets pieces and no beats, nor for the third process, which waits."""
    groups = all_met(3)
    peer = groups[0].peers[1]
    with peer.writing:  # as `send`, on a slow network
        peer.connection.sendall(b'{"kind": "file", "content": "checkpoint.npz", "bytes": 1200}\n')
        for _ in range(12):
            time.sleep(0.1)
            peer.connection.sendall(bytes(100))
    assert groups[1].hear("file") == ("checkpoint.npz", bytes(1200))
    assert ended == []
    close(groups)


@pytest.mark.parametrize(("kind", "code"), [(InputError, 2), (OutOfTime, hosts.LOST), (RuntimeError, hosts.LOST)])
def test_the_reason_of_an_error_reaches_the_others(ended, capsys, tmp_path, kind, code):
    """With the hint to start again only where this can help."""
    groups = all_met(2)
    groups[1].scratch = tmp_path / "scratch"
    groups[1].scratch.mkdir()
    groups[0].fail(kind("depth: the maps have 6 channels"))
    wait_for(lambda: ended)
    assert ended == [code]
    assert "rank 0 (127.0.0.1:" in (text := capsys.readouterr().err)
    assert "ended (depth: the maps have 6 channels)" in text
    assert ("The same command on every host resumes" in text) == (code == hosts.LOST)
    assert not (tmp_path / "scratch").exists()
    groups[1]._closing.set()


def test_a_message_out_of_order_is_an_error():
    groups = all_met(2)
    groups[0].tell("learns")
    with pytest.raises(RuntimeError, match="sent 'learns' where 'finished' was expected"):
        groups[1].hear("finished")
    close(groups)
