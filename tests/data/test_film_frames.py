"""Frames out of films: which are written, their names, resuming, and films that cannot be read."""

import cv2
import numpy as np
import pandas as pd
import pytest
from fixtures import cut, run_cli

from fer_tf.common.checks import DataError, InputError
from fer_tf.data import film_frames, load_dataset
from fer_tf.data.film_frames import save_frames
from fer_tf.data.images import read_image

COUNT, FPS = 24, 10


def write_film(path, count=COUNT, step=10):
    """Frame k has the gray step × k, 10 frames per second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), FPS, (64, 48))
    for index in range(count):
        writer.write(np.full((48, 64, 3), step * index, np.uint8))
    writer.release()
    return path


@pytest.fixture
def film(tmp_path):
    return write_film(tmp_path / "Mein Film.avi")


def pictures(out):
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.suffix in (".jpg", ".png"))


@pytest.mark.parametrize("format", ["jpg", "png"])
def test_every_nth_frame_is_written_with_its_number_and_time(film, tmp_path, format):
    out = tmp_path / "out"
    saved = save_frames([film], out, every=5, format=format)
    names = [f"Mein_Film/Mein_Film-f{index:06d}-t{index / FPS:08.3f}.{format}" for index in range(0, COUNT, 5)]
    assert pictures(out) == names
    assert (saved.new, saved.complaints, saved.unread) == (5, [], [])
    for index, name in zip(range(0, COUNT, 5), names, strict=True):
        assert read_image(out / name).shape == (48, 64, 3)
        assert read_image(out / name).mean() == pytest.approx(10 * index, abs=2)
    table = pd.read_csv(out / "frames.csv")
    assert list(table) == ["path", "film", "frame", "time"]
    assert list(table["path"]) == names
    assert set(table["film"]) == {"Mein Film.avi"}
    assert list(table["frame"]) == [0, 5, 10, 15, 20]
    assert list(table["time"]) == [0, 0.5, 1, 1.5, 2]


def test_frames_of_a_rate(film, tmp_path):
    save_frames([film], tmp_path / "out", fps=2)
    assert list(pd.read_csv(tmp_path / "out" / "frames.csv")["frame"]) == [0, 5, 10, 15, 20]


def test_a_stopped_call_is_resumed(film, tmp_path, monkeypatch):
    written, replacing = [], film_frames.replacing

    def stopping(path):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        return replacing(path)

    monkeypatch.setattr(film_frames, "replacing", stopping)
    with pytest.raises(KeyboardInterrupt):
        save_frames([film], tmp_path / "out", every=4)
    assert len(pictures(tmp_path / "out")) == 3
    monkeypatch.setattr(film_frames, "replacing", replacing)
    saved = save_frames([film], tmp_path / "out", every=4)
    assert (saved.new, len(saved.table)) == (3, 6)
    assert list(saved.table["frame"]) == [0, 4, 8, 12, 16, 20]
    monkeypatch.setattr(film_frames, "read_frames", None)  # a finished film is not read again
    assert save_frames([film], tmp_path / "out", every=4).new == 0


def test_films_of_a_folder_share_one_list(film, tmp_path):
    write_film(tmp_path / "films" / "b" / "two.avi", 3)
    write_film(tmp_path / "films" / "one.avi", 2)
    (tmp_path / "films" / "notes.txt").write_text("x")
    save_frames([film], tmp_path / "out", every=10)
    saved = save_frames([tmp_path / "films"], tmp_path / "out", every=1)
    assert saved.new == 5
    assert list(saved.table["film"]) == ["Mein Film.avi"] * 3 + ["one.avi"] * 2 + ["two.avi"] * 3


def test_the_list_with_labels_is_a_dataset(tmp_path):
    for name in ("a", "b", "c", "d"):
        write_film(tmp_path / f"{name}.avi", 10, step=20)
    saved = save_frames([tmp_path / f"{name}.avi" for name in "abcd"], tmp_path / "home" / "csv", every=2)
    labels = saved.table.assign(label=np.where(saved.table["frame"] < 4, "happy", "sad"), subject=saved.table["film"])
    labels.to_csv(tmp_path / "home" / "csv" / "frames.csv", index=False)
    ds = load_dataset("csv", tmp_path / "home")
    assert ds.class_names == ("happiness", "sadness")
    assert len(ds.table) == 20
    assert (ds.table.groupby("film")["split"].nunique() == 1).all()


def test_a_film_that_cannot_be_read_does_not_stop_the_others(film, tmp_path):
    broken, missing = tmp_path / "broken.avi", tmp_path / "missing.mp4"
    broken.write_text("no film")
    saved = save_frames([broken, film, missing, tmp_path / "empty.avi"], tmp_path / "out")
    assert saved.new == 3
    assert [text.partition(": ")[0] for text in saved.unread] == [
        str(broken),
        str(missing),
        str(tmp_path / "empty.avi"),
    ]
    assert "cannot be read as a video" in saved.unread[0]
    assert "no such file" in saved.unread[1]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"Mein_Film", "frames.csv"}


def test_a_film_that_was_cut_short_gives_what_it_has(film, tmp_path):
    cut(film, 0.6)
    saved = save_frames([film], tmp_path / "out", every=1)
    assert 0 < saved.new < COUNT
    assert len(saved.complaints) == 1
    assert "its header claims 24 frames" in saved.complaints[0]
    again = save_frames([film], tmp_path / "out", every=1)
    assert (again.new, again.complaints) == (0, saved.complaints)


def test_other_settings_other_films_and_other_folders_are_refused(film, tmp_path):
    out = tmp_path / "out"
    save_frames([film], out, every=5)
    with pytest.raises(InputError, match="holds frames of every 5, now 4. Delete it, or give another folder"):
        save_frames([film], out, every=4)
    with pytest.raises(InputError, match="fps None, now 2"):
        save_frames([film], out, fps=2)
    write_film(film, 7)
    with pytest.raises(InputError, match="another film of this name"):
        save_frames([film], out, every=5)
    assert len(pictures(out)) == 5
    (out / "mine").mkdir()
    (out / "mine" / "photo.jpg").write_text("x")
    with pytest.raises(InputError, match="mine exists and has no frames.json; give another folder"):
        save_frames([write_film(tmp_path / "mine.avi")], out)
    with pytest.raises(InputError, match="have the same name; give each a folder of its own"):
        save_frames([film, write_film(tmp_path / "b" / film.name)], tmp_path / "new")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"every": 0}, "every: must be a number >= 1; received 0"),
        ({"fps": 0}, "fps: must be above 0 frames a second; received 0"),
        ({"format": "gif"}, "format: allowed are jpg, png; received 'gif'"),
    ],
)
def test_wrong_settings(film, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        save_frames([film], tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_nothing_to_read(tmp_path):
    with pytest.raises(InputError, match="films: name at least one"):
        save_frames([], tmp_path / "out")
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match="photos: has no video file"):
        save_frames([tmp_path / "photos"], tmp_path / "out")


def test_command(capsys, film, tmp_path):
    out = tmp_path / "out"
    answer = run_cli(capsys, "data", "frames", film, "--out", out, "--every", 8)
    assert answer.code == 0
    assert f"3 frames in {out}, 3 of them new; {out / 'frames.csv'} lists them" in answer.out
    answer = run_cli(capsys, "data", "frames", film, tmp_path / "none.avi", "--out", out, "--every", 8)
    assert answer.code == 1
    assert "3 frames in" in answer.out
    assert "not read: " in answer.err
    assert "none.avi: no such file" in answer.err
