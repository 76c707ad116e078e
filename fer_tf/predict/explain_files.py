"""Explains picture files: writes overlays, contact sheets and a csv that lists them."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ..common.checks import InputError
from ..common.files import replacing
from ..common.text import safe_cell
from ..explain import (
    METHODS,
    check_method,
    class_name,
    cut_at_last_map,
    empty_reason,
    explain,
    is_empty,
    resolve_method,
)
from ..explain import plots as explain_plots
from .inputs import plain_stem
from .pictures import in_chunks, read_picture
from .recognizer import BOX_COLUMNS, EmotionRecognizer

TABLE = "explanations.csv"
# The names of the pictures that a call writes next to the csv.
_WRITTEN = re.compile(rf"sheet-\d{{3,}}\.png|\d{{4,}}-.*-face\d+-({'|'.join(map(re.escape, METHODS))})\.png")
COLUMNS = [*BOX_COLUMNS, "label", "confidence", "target", "method", "layer", "empty", "file", "error"]
FACES_A_SHEET = 10


def written_files(out: str | Path) -> list[Path]:
    """The files of an earlier call in the folder `out`. They are not pictures to explain."""
    folder = Path(out)
    names = os.listdir(folder) if folder.is_dir() else []
    return [folder / name for name in names if name == TABLE or _WRITTEN.fullmatch(name)]


class FileExplainer:
    """Draws where a model looks in the faces of picture files.

    Args:
        recognizer: the model and its detector. Its batch_size is the number of files that are held in memory at once;
            fewer if they are large.
        methods: names of `fer_tf.explain.METHODS`; "auto" is the default for the model's head.
        target: a class name; None for each face's predicted class.
    Raises: `InputError` if the model does not support the method or has no such class, before a picture is read.

    Attributes:
        layers: dict method -> name of the layer whose map is drawn, "" if the method does not use one layer.
        remark: a warning about that layer's map, or "".
    """

    def __init__(
        self, recognizer: EmotionRecognizer, methods: Sequence[str] = ("auto",), target: str | None = None
    ) -> None:
        if not methods:
            raise InputError("method: give at least one")
        self.recognizer = recognizer
        names = [resolve_method(recognizer.model, method) for method in methods]
        self.layers = {method: check_method(recognizer.model, method, target) for method in names}
        self.remark = cut_at_last_map(recognizer.model).remark if any(self.layers.values()) else ""
        self.target = None if target is None else class_name(recognizer.model, target)

    def write(self, paths: Sequence[str | Path], out: str | Path, progress: bool = True) -> pd.DataFrame:
        """Explains files. Writes one picture per face and method, sheets of several faces, and last explanations.csv.

        Args:
            paths: the picture files.
            out: folder to write to; files with the same names are replaced.
            progress: show a progress bar.
        Returns: DataFrame with the content of explanations.csv, one row per face and method, and one row for a file
            that cannot be read. Columns: path, face, x, y, w, h, detected, label and confidence (of the prediction),
            target (the explained class), method, layer, empty (why the map is empty, or ""), file (in `out`), error.
        """
        out, step = Path(out), self.recognizer.batch_size
        out.mkdir(parents=True, exist_ok=True)
        rows, sheets, done = [], _Sheets(out, self.layers), 0
        with tqdm(total=len(paths), disable=not progress, unit="image", desc="explain") as bar:
            for pictures in in_chunks(map(read_picture, paths), step):
                rows += self._explained(paths[done : done + len(pictures)], pictures, done, out, sheets)
                done += len(pictures)  # a disabled bar does not count
                bar.update(len(pictures))
        sheets.finish()
        table = pd.DataFrame(rows, columns=COLUMNS)
        table[["x", "y", "w", "h"]] = table[["x", "y", "w", "h"]].astype("Int64")
        cells = table.assign(path=table["path"].map(safe_cell), error=table["error"].map(safe_cell))
        with replacing(out / TABLE) as temporary:
            cells.to_csv(temporary, index=False, float_format="%.6f")
        return table

    def _explained(self, paths, pictures, start, out, sheets):
        """Writes the maps of some files, which begin at position `start` of all files; returns their rows as dicts."""
        faces = self.recognizer.recognise(pictures)
        targets = self.target or self.recognizer.targets(faces.probabilities)
        maps = {method: explain(self.recognizer.model, faces.crops, method, targets) for method in self.layers}
        table = self.recognizer.table(faces.rows, faces.probabilities).to_dict("records")
        positions, rows, crops = [row["picture"] for row in faces.rows], [], enumerate(faces.crops)
        for row, position in zip(table, positions, strict=True):
            if row["error"]:
                rows.append(row | {"target": "", "method": "", "layer": "", "empty": "", "file": ""})
                continue
            index, crop = next(crops)
            face_maps = {method: all_maps[index] for method, all_maps in maps.items()}
            number = start + position + 1
            name = f"{number:04d}-{plain_stem(paths[position])}-face{row['face']}"
            for method, face_map in face_maps.items():
                rows.append(self._write_map(row, crop, method, face_map, out, name))
            sheets.add(crop, face_maps, _title(row, number, self.target))
        return rows

    def _write_map(self, row, crop, method, face_map, out, name):
        """Writes one face's map and returns its row of the table."""
        target = (self.target or row["label"]) if METHODS[method].has_target else ""
        explained = f"{method} of {target}" if target else method
        reason = empty_reason(method) if is_empty(face_map) else ""
        caption = f"{row['label']} {row['confidence']:.2f}: {explained}{reason and ', empty'}"
        file = f"{name}-{method}.png"
        with replacing(out / file) as temporary:
            explain_plots.face_beside_map(crop, face_map, caption, reason=reason).save(temporary)
        columns = {"method": method, "layer": self.layers[method], "empty": reason.removeprefix("empty: ")}
        return {**row, "target": target, **columns, "file": file}


class _Sheets:
    """Collects faces and writes a contact sheet each time one is full."""

    def __init__(self, out, layers):
        self.out, self.layers, self.held, self.number = out, layers, [], 0

    def add(self, crop, maps, title):
        self.held.append((crop, maps, title))
        if len(self.held) == FACES_A_SHEET:
            self.finish()

    def finish(self):
        if not self.held:
            return
        crops, maps, titles = zip(*self.held, strict=True)
        by_method = {method: np.stack([face_maps[method] for face_maps in maps]) for method in self.layers}
        figure = explain_plots.overlays(np.stack(crops), by_method, titles, marks=self.layers)
        self.number, self.held = self.number + 1, []
        with replacing(self.out / f"sheet-{self.number:03d}.png") as temporary:
            figure.savefig(temporary, dpi=110, bbox_inches="tight")


def _title(row, number, target):
    """The text next to a face on a sheet, in short lines and with letters that every font has."""
    name = plain_stem(row["path"], 16).encode("latin-1", "replace").decode("latin-1")
    face = f", face {row['face']}" if row["face"] else ""
    explained = [f"map of {target}"] if target and target != row["label"] else []
    return "\n".join([f"{number}: {name}{face}", f"{row['label']} {row['confidence']:.2f}", *explained])
