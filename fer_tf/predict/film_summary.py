"""The summary of a film: how long each emotion was shown, by track, and the moments at which it was clearest."""

import base64
import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from ..common.files import replacing, write_text
from ..common.text import one_line, read_cell
from ..data.images import convert
from ..plots import PALETTE, save_figure, styled
from .pictures import Faces
from .resumable_csv import read_rows
from .timeline import timeline

# Side in pixels of a moment's thumbnail.
SIDE = 96
MOMENTS, SUMMARY = "moments.csv", "summary"


class Moments:
    """Keeps, for each class, the face of a film with its highest probability among those with this label.

    Args:
        class_names: the classes.
        state: the state of earlier `Moments` that these continue, or None.
    """

    def __init__(self, class_names: Sequence[str], state: dict | None = None) -> None:
        self.class_names = list(class_names)
        self.best: dict[str, dict] = dict(state or {})

    @property
    def state(self) -> dict:
        """The state from which others can continue, a JSON value."""
        return self.best

    def add(self, faces: Faces) -> None:
        """Looks at the faces of some frames, with the tracks of `follow_faces`."""
        read = [row for row in faces.rows if not row["error"]]
        for row, crop, probabilities in zip(read, faces.crops, faces.probabilities, strict=True):
            name = self.class_names[int(probabilities.argmax())]
            highest = float(probabilities.max())
            if row.get("track") is not None and highest > self.best.get(name, {"confidence": 0.0})["confidence"]:
                place = {"time": row["time"], "track": row["track"], "confidence": highest}
                self.best[name] = {**place, "jpeg": base64.b64encode(_thumbnail(crop)).decode()}

    def write(self, folder: Path) -> None:
        """Writes a thumbnail for each class that was seen, and a csv with their times. Those of earlier calls go."""
        for name in self.class_names:
            (folder / f"{name}.jpg").unlink(missing_ok=True)
        rows = [
            {"label": name, **{key: value for key, value in self.best[name].items() if key != "jpeg"}}
            for name in self.class_names
            if name in self.best
        ]
        for row in rows:
            row["file"] = f"{row['label']}.jpg"
            with replacing(folder / row["file"]) as part:
                part.write_bytes(base64.b64decode(self.best[row["label"]]["jpeg"]))
        columns = ["label", "time", "track", "confidence", "file"]
        write_text(folder / MOMENTS, pd.DataFrame(rows, columns=columns).to_csv(index=False, float_format="%.6f"))


def _thumbnail(crop):
    file = io.BytesIO()
    Image.fromarray(convert(crop[None], (SIDE, SIDE), 3)[0]).save(file, "JPEG", quality=90)
    return file.getvalue()


def shares_of_time(table: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """How long each track was seen, and the share of this time with each label.

    A face counts from its frame to the next one.

    Args:
        table: DataFrame with time (seconds), track and label, one row per face and frame, in order of time.
        class_names: the labels.
    Returns: DataFrame, one row per track and a last row `all` for all tracks together: track, begin, end, seconds, and
        for each class its share of the seconds, 0..1.
    """
    times = np.unique(table["time"])
    steps = np.diff(times)
    lengths = dict(zip(times, [*steps, np.median(steps) if len(steps) else 0.0], strict=True))
    seen = table.dropna(subset=["track"]).assign(seconds=lambda rows: rows["time"].map(lengths))
    groups = [(int(track), rows) for track, rows in seen.groupby("track")] + ([("all", seen)] if len(seen) else [])
    made = []
    for track, rows in groups:
        by_label = rows.groupby("label")["seconds"].sum()
        total = rows["seconds"].sum()
        counts = rows["label"].value_counts()  # a film of one frame has no length
        shares = by_label / total if total else counts / counts.sum()
        ends = {"track": track, "begin": rows["time"].min(), "end": rows["time"].max(), "seconds": total}
        made.append({**ends, **{name: float(shares.get(name, 0.0)) for name in class_names}})
    return pd.DataFrame(made, columns=["track", "begin", "end", "seconds", *class_names])


def write_film_figures(class_names: Sequence[str], out: str | Path, places: Mapping[str, Path]) -> list[Path]:
    """Draws the timelines and writes the summaries of a csv's films, one film's rows at a time.

    Args:
        class_names: the classes.
        out: the csv of `predict_files`.
        places: the path of each film's timeline, without suffix, by the film's name.
    Returns: the paths of the films that have rows with a label.
    """
    columns, written = ["time", "track", *class_names], []
    for cell, rows in itertools.groupby(read_rows(out), lambda row: row["path"]) if places else ():
        name = read_cell(cell)
        if name not in places:
            continue
        kept = [row for row in rows if row["label"]]
        if kept:
            table = pd.DataFrame(kept)[["frame", *columns, "label", "confidence"]]
            numbers = [*columns, "confidence", "frame"]
            table[numbers] = table[numbers].apply(pd.to_numeric)
            title = f"Emotions over time in {one_line(Path(name).name)}"
            save_figure(timeline(table, class_names, title), places[name], title)
            write_summary(table, class_names, places[name], f"Emotions in {one_line(Path(name).name)}")
            written.append(places[name])
    return written


def write_summary(table: pd.DataFrame, class_names: Sequence[str], folder: Path, title: str = "") -> None:
    """Writes a film's summary: `summary.csv`, `summary.png` and one csv for each track.

    Args:
        table: DataFrame with frame, time, track, label, confidence and a column for each class, one row per face.
        class_names: the classes.
        folder: the film's folder, in which `Moments.write` has written the moments.
        title: title of the figure.
    """
    shares = shares_of_time(table, class_names)
    for old in folder.glob("track-*.csv"):
        old.unlink()
    write_text(folder / f"{SUMMARY}.csv", shares.to_csv(index=False, float_format="%.6f"))
    for track, rows in table.dropna(subset=["track"]).groupby("track"):
        text = rows.drop(columns="track").to_csv(index=False, float_format="%.6f")
        write_text(folder / f"track-{int(track)}.csv", text)
    moments = pd.read_csv(folder / MOMENTS) if (folder / MOMENTS).is_file() else pd.DataFrame(columns=["label"])
    images = [np.asarray(Image.open(folder / file)) for file in moments.get("file", [])]
    figure = summary_figure(shares, class_names, moments, images, title)
    with replacing(folder / f"{SUMMARY}.png") as part:
        figure.savefig(part, dpi=100)


@styled
def summary_figure(
    shares: pd.DataFrame,
    class_names: Sequence[str],
    moments: pd.DataFrame,
    images: Sequence[np.ndarray],
    title: str = "",
) -> Figure:
    """Draws the share of time of each class, over all tracks, and the moments' thumbnails with their times.

    Args:
        shares: from `shares_of_time`.
        class_names: the classes.
        moments: DataFrame with label, time (seconds) and confidence.
        images: uint8 [h, w, 3], one for each moment.
        title: title of the figure.
    """
    figure = Figure(figsize=(10, 4.6))
    bars, *axes = [figure.add_subplot(2, 1, 1), *(figure.add_subplot(2, 8, 9 + place) for place in range(8))]
    values = shares.iloc[-1][list(class_names)].to_numpy(float) if len(shares) else np.zeros(len(class_names))
    bars.bar(list(class_names), values, color=PALETTE[: len(class_names)])
    for place, value in enumerate(values):
        bars.text(place, value, f"{value:.0%}", ha="center", va="bottom", fontsize=9)
    bars.set(ylim=(0, 1.1), ylabel="share of time")
    bars.set_title(title if len(shares) else f"{title}: no face found", parse_math=False)
    for axis in axes:
        axis.axis("off")
    for axis, image, moment in zip(axes, images, moments.itertuples(), strict=False):
        axis.imshow(image)
        axis.set_title(f"{moment.label}\n{clock(moment.time)}, {moment.confidence:.2f}", fontsize=8)
    return figure


def clock(seconds: float) -> str:
    """A time in a film as hours, minutes and seconds: 75.25 → "1:15.2", 3675 → "1:01:15.0"."""
    tenths = int(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{f'{hours}:{minutes:02d}' if hours else minutes}:{rest // 10:02d}.{rest % 10}"
