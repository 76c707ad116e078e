"""The sound of an annotated copy: it comes from the film by ffmpeg, and the copy stays whole if ffmpeg fails."""

import subprocess

import pytest

from fer_tf.predict import film_sound
from fer_tf.predict.film_sound import add_sound


@pytest.fixture
def film(tmp_path):
    """A stand-in for a film: what ffmpeg does with it is decided by each test."""
    path = tmp_path / "film.mp4"
    path.write_bytes(b"a film")
    return path


def test_a_copy_gets_the_sound_by_ffmpeg(film, tmp_path, monkeypatch):
    """A stand-in for ffmpeg that cannot copy this form of sound, and writes what it was asked for."""
    asked = []

    def run(command, **options):
        asked.append(command)
        is_copied = command[command.index("-c:a") + 1] == "copy"
        if not is_copied:
            place = command[-1].removeprefix("file:")
            with open(place, "wb") as file:
                file.write(b"film with sound")
        return subprocess.CompletedProcess(command, int(is_copied), "", "codec not supported\n")

    monkeypatch.setattr(film_sound.subprocess, "run", run)
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(b"film")
    assert add_sound(copy, film, "ffmpeg") == ""
    assert copy.read_bytes() == b"film with sound"
    assert [command[command.index("-c:a") + 1] for command in asked] == ["copy", "aac"]
    inputs = [asked[0][place + 1] for place, part in enumerate(asked[0]) if part == "-i"]
    assert inputs == [f"file:{copy}", f"file:{film}"], "its own pictures, the film's sound"


def test_a_copy_stays_as_it_is_if_ffmpeg_fails(film, tmp_path, monkeypatch):
    monkeypatch.setattr(
        film_sound.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, "", "bad\nworse\n")
    )
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(b"film")
    assert add_sound(copy, film, "ffmpeg") == "its copy has no sound: ffmpeg failed (worse)"
    assert copy.read_bytes() == b"film"
