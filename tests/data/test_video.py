"""Frames of real little films whose brightness is their number, so that a wrong frame shows; and of broken files."""

import struct

import cv2
import numpy as np
import pytest

from fer_tf.common.checks import DataError, InputError
from fer_tf.data import video
from fer_tf.data.video import read_frames, video_info

COUNT, FPS = 24, 20
FORMS = {"avi": "MJPG", "mp4": "mp4v", "mkv": "MJPG"}


def write_film(path, count=COUNT, size=(48, 64)):
    """A film of `count` gray frames (height, width), frame k of brightness 10 + 8 k, its left half 10 brighter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = cv2.VideoWriter_fourcc(*FORMS[path.suffix[1:].lower()])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, FPS, size[::-1])
    for index in range(count):
        frame = np.full((*size, 3), 10 + 8 * index, np.uint8)
        frame[:, : size[1] // 2] += 10
        writer.write(frame)
    writer.release()
    return path


def number(image):
    """Which frame of the film this is, by its right half (codecs darken it by up to 3)."""
    return round((image[:, image.shape[1] * 3 // 4 :].mean() - 8.5) / 8)


def numbers(frames):
    """The indices of frames after checking that the pictures are those."""
    frames = list(frames)
    assert [number(frame.image) for frame in frames] == [frame.index for frame in frames]
    return [frame.index for frame in frames]


@pytest.fixture(params=FORMS)
def film(request, tmp_path):
    return write_film(tmp_path / f"film.{request.param}")


@pytest.fixture
def avi(tmp_path):
    return write_film(tmp_path / "film.avi")


@pytest.fixture
def mp4(tmp_path):
    return write_film(tmp_path / "film.mp4")


def test_info(film):
    info = video_info(film)
    assert info == (film, COUNT, False, FPS, COUNT / FPS, 64, 48)


def test_every_frame_with_its_time(film):
    reader = read_frames(film)
    frames = list(reader)
    assert numbers(frames) == list(range(COUNT))
    assert [frame.time for frame in frames] == pytest.approx(np.arange(COUNT) / FPS, abs=0.001)
    assert all(frame.image.shape == (48, 64, 3) and frame.image.dtype == np.uint8 for frame in frames)
    assert (reader.expected, reader.read, reader.passed, reader.complaint) == (COUNT, COUNT, COUNT, "")


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"rate": 5}, [0, 4, 8, 12, 16, 20]),
        ({"rate": 8}, [0, 3, 5, 8, 10, 13, 15, 18, 20, 23]),
        ({"rate": 20}, list(range(24))),
        ({"rate": 1000}, list(range(24))),
        ({"rate": 0.01}, [0]),
        ({"indices": [7, 3, 3, 20]}, [3, 7, 20]),
        ({"indices": np.array([23])}, [23]),
        ({"indices": []}, []),
    ],
)
def test_choices(film, choice, wanted):
    reader = read_frames(film, **choice)
    assert numbers(reader) == wanted
    assert reader.read == len(wanted)
    assert reader.complaint == ""
    assert reader.expected == (None if "rate" in choice else len(wanted))


def test_reads_as_it_goes_and_begins_anew(avi):
    reader = read_frames(avi)
    first = next(iter(reader))
    assert (first.index, reader.passed, reader.read) == (0, 1, 1)
    assert numbers(reader) == numbers(reader) == list(range(COUNT))
    stopped = read_frames(avi, indices=[2])
    assert numbers(stopped) == [2]
    assert stopped.passed == 3


def test_size_and_channels(avi):
    frame = next(iter(read_frames(avi, size=(10, 20), channels=1)))
    assert frame.image.shape == (10, 20, 1)


def test_colours_are_rgb(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "red.avi"), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 32))
    writer.write(np.full((32, 32, 3), (0, 0, 200), np.uint8))  # OpenCV's order: blue, green, red
    writer.release()
    (frame,) = read_frames(tmp_path / "red.avi")
    assert frame.image.mean(axis=(0, 1)) == pytest.approx([200, 0, 0], abs=6)


def test_names_of_any_script_and_case(tmp_path):
    assert len(numbers(read_frames(write_film(tmp_path / "видео é 100%_%02d" / "FILM ü.AVI")))) == COUNT


def grown(data, names, by):
    """Adds `by` to the sizes of these boxes of an mp4's moov."""
    for name in names:
        at = data.index(name, data.rindex(b"moov")) - 4
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + by)


def test_rate_goes_by_the_clock_where_frames_are_unevenly_long(mp4):
    data = bytearray(mp4.read_bytes())
    at = data.index(b"stts", data.rindex(b"moov")) + 8  # its table: how many frames last how long
    runs, samples, length = struct.unpack_from(">III", data, at)
    assert (runs, samples) == (1, COUNT)
    data[at : at + 12] = struct.pack(">5I", 2, COUNT // 2, length // 2, COUNT // 2, length * 3 // 2)
    grown(data, (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"), 8)
    mp4.write_bytes(data)
    times = [frame.time for frame in read_frames(mp4)]
    assert times == pytest.approx([*np.arange(12) * 0.025, *(0.3 + np.arange(12) * 0.075)], abs=0.001)
    # the first half is short frames (every fourth begins a tenth of a second), the second half long ones
    assert numbers(read_frames(mp4, rate=10)) == [0, 4, 8, 12, 14, 15, 16, 18, 19, 20, 22, 23]


def test_phone_videos_come_upright(mp4):
    data = bytearray(mp4.read_bytes())
    at = data.index(b"tkhd", data.rindex(b"moov")) + 44
    assert struct.unpack_from(">9i", data, at) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", data, at, 0, 65536, 0, -65536, 0, 0, 48 << 16, 0, 1 << 30)  # to be turned clockwise
    mp4.write_bytes(data)
    frame = next(iter(read_frames(mp4)))
    assert frame.image.shape == (64, 48, 3)
    assert frame.image[:24].mean() > frame.image[40:].mean() + 5  # what was on the left is on top
    assert video_info(mp4)[-2:] == (48, 64)


def cut_avi(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])


def cut_mp4(path):
    """Moves the index before the frames, as for streaming, and cuts the frames."""
    data = bytearray(path.read_bytes())
    moov, mdat = data.rindex(b"moov") - 4, data.index(b"mdat") - 4
    at = data.index(b"stco", moov) + 8
    for place in range(struct.unpack_from(">I", data, at)[0]):
        offset = struct.unpack_from(">I", data, at + 4 + 4 * place)[0]
        struct.pack_into(">I", data, at + 4 + 4 * place, offset + len(data) - moov)
    body = data[mdat:moov]
    path.write_bytes(data[:mdat] + data[moov:] + body[: len(body) * 6 // 10])


@pytest.fixture(params=[("avi", cut_avi), ("mp4", cut_mp4)], ids=["avi", "mp4"])
def stump(request, tmp_path):
    suffix, shorten = request.param
    path = write_film(tmp_path / f"film.{suffix}")
    shorten(path)
    return path


def test_file_cut_short_gives_what_is_there_and_says_what_is_not(stump, capfd):
    reader = read_frames(stump)
    there = len(list(reader))
    assert 3 < there < 20
    assert numbers(list(reader)[:-1]) == list(range(there - 1))  # the frame it was cut in may be half a frame
    assert (reader.expected, reader.read) == (COUNT, there)
    assert reader.complaint == f"{stump}: its header claims {COUNT} frames, {there} can be decoded"
    assert video_info(stump).frames == COUNT
    assert capfd.readouterr() == ("", "")


def test_indices_after_the_end(avi):
    reader = read_frames(avi, indices=[3, 24, 1000])
    assert numbers(reader) == [3]
    assert (reader.read, reader.expected) == (1, 3)
    assert reader.complaint == f"{avi}: it ends after 24 frames, before 2 of those asked for"
    assert numbers(read_frames(avi, indices=[3])) == [3]


@pytest.mark.parametrize("place", [0.5, 0.7, 0.9])
def test_reading_goes_on_after_damage(avi, place, capfd):
    data = bytearray(avi.read_bytes())
    at = int(len(data) * place)
    data[at : at + 300] = bytes(300)
    avi.write_bytes(data)
    reader = read_frames(avi)
    frames = list(reader)
    assert reader.read == len(frames) == COUNT - 2  # a frame takes about 230 bytes
    assert number(frames[-1].image) == COUNT - 1
    assert reader.complaint == f"{avi}: its header claims 24 frames, 22 can be decoded"
    assert capfd.readouterr() == ("", "")


HOPELESS = {
    "missing": (lambda path: None, "no such file"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "text": (lambda path: path.write_text("a diary\n" * 500), "cannot be read as a video"),
    "zeros": (lambda path: path.write_bytes(bytes(9000)), "cannot be read as a video"),
    "mp4 without its end": (
        lambda path: path.write_bytes(write_film(path.with_name("whole.mp4")).read_bytes()[:2000]),
        "cannot be read as a video, or is cut short before its index",
    ),
    "avi without a frame": (
        lambda path: path.write_bytes(write_film(path.with_name("whole.avi")).read_bytes()[:5700]),
        "(no frame of it can be decoded|cannot be read as a video)",
    ),
    "playlist": (lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n"), "cannot be read"),
}


@pytest.mark.parametrize("kind", HOPELESS)
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_hopeless_files_are_named_in_one_line(tmp_path, kind, suffix, capfd):
    make, message = HOPELESS[kind]
    path = tmp_path / f"bad{suffix}"
    make(path)
    capfd.readouterr()
    with pytest.raises(DataError, match=message) as error:
        list(read_frames(path))
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_addresses_are_no_files():
    with pytest.raises(DataError, match="no such file"):
        read_frames("http://127.0.0.1:9/film.mp4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 1, "indices": [2]}, "rate and indices: only one of"),
        ({"rate": 0}, "rate: must be above 0"),
        ({"rate": -1}, "rate: must be a number >= 0; received -1"),
        ({"rate": float("nan")}, "rate: must be a number"),
        ({"indices": 3}, "indices: must be a list of frame numbers; received 3"),
        ({"indices": [1, -1]}, "indices: must be whole numbers from 0; received -1"),
        ({"indices": [1.5]}, "indices: must be whole numbers from 0; received 1.5"),
        ({"size": 48}, r"size: must be \(height, width\); received 48"),
        ({"size": (0, 5)}, "size: must be a number >= 1"),
        ({"channels": 4}, "channels: allowed are 1, 3; received 4"),
    ],
)
def test_wrong_arguments(avi, arguments, message):
    with pytest.raises(InputError, match=message):
        read_frames(avi, **arguments)


def lie(monkeypatch, **answers):
    """Makes films answer so about themselves: property -> value, or function of the true value."""

    class Liar:
        def __init__(self, *arguments):
            self.film = CAPTURE(*arguments)

        def __getattr__(self, name):
            return getattr(self.film, name)

        def get(self, prop):
            true = self.film.get(prop)
            for name, answer in answers.items():
                if prop == getattr(cv2, f"CAP_PROP_{name}"):
                    return answer(true) if callable(answer) else answer
            return true

    monkeypatch.setattr(video.cv2, "VideoCapture", Liar)


CAPTURE = cv2.VideoCapture


@pytest.mark.parametrize("claim", [0, -1, -192153584101141, float("nan"), float("inf")])
def test_header_without_a_number_of_frames(avi, monkeypatch, claim):
    lie(monkeypatch, FRAME_COUNT=claim)
    info = video_info(avi)
    assert (info.frames, info.counted, info.fps) == (COUNT, True, FPS)
    reader = read_frames(avi)
    assert numbers(reader) == list(range(COUNT))
    assert (reader.expected, reader.complaint) == (COUNT, "")


def test_a_sound_longer_than_the_pictures_is_no_fault_of_a_matroska_file(tmp_path, monkeypatch):
    """Its number of frames is computed from the longest track. A file that lacks more has been cut short."""
    film = write_film(tmp_path / "film.mkv")
    for extra, complaint in ((FPS - 1, ""), (2 * FPS, f"{film}: its header claims {COUNT + 2 * FPS:.0f} frames, ")):
        lie(monkeypatch, FRAME_COUNT=COUNT + extra)
        reader = read_frames(film)
        assert numbers(reader) == list(range(COUNT))
        assert reader.complaint.startswith(complaint)
        assert bool(reader.complaint) == bool(complaint)


@pytest.mark.parametrize("claim", [0, -20, float("nan"), 90000])
def test_header_without_a_rate(avi, monkeypatch, claim):
    lie(monkeypatch, FPS=claim)
    info = video_info(avi)
    assert info.fps == pytest.approx(FPS)
    assert info.duration == pytest.approx(COUNT / FPS)
    assert numbers(read_frames(avi, rate=5)) == [0, 4, 8, 12, 16, 20]


@pytest.mark.parametrize("stored", [0, -1, float("nan")])
def test_times_come_from_the_count_where_none_are_kept(avi, monkeypatch, stored):
    lie(monkeypatch, POS_MSEC=stored)
    assert [frame.time for frame in read_frames(avi)] == pytest.approx(np.arange(COUNT) / FPS)
    lie(monkeypatch, POS_MSEC=stored, FPS=0)
    assert [frame.time for frame in read_frames(avi)] == pytest.approx(np.arange(COUNT) / video.ASSUMED_FPS)


def test_times_never_fall(avi, monkeypatch):
    lie(monkeypatch, POS_MSEC=lambda true: true - 120 if true == 500 else true)
    times = [frame.time for frame in read_frames(avi)]
    assert times[9:12] == pytest.approx([0.45, 0.45, 0.55])
