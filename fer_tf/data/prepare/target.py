"""The folder that is written: what is there already, what a run before has told about it, and adding a picture."""

import json
import os
from pathlib import Path

import cv2
import numpy as np

from ...common.checks import DataError, InputError
from ...common.files import write_text
from ..base import SPLITS
from ..folders import list_files
from .layouts import OWN_NAME
from .settings import JPEG_QUALITY, differences

SETTINGS = "prepare.json"
RECORD = "record"
_PART = ".part"


class Target:
    """The folder to write.

    Attributes:
        out: its path.
        outcomes: dict (dataset, row) -> (outcome, detail) as the journal of this and earlier runs has them.
    """

    def __init__(self, out):
        self.out = Path(out)
        self.journal = self.out / RECORD / "journal.jsonl"
        self.outcomes = {}

    def open(self, record, force):
        """Makes the folder ready for a run with these settings: new, or to go on with.

        Args:
            record: dict, what must be equal for the files of an earlier run to be kept.
            force: True takes away what an earlier run has written.
        Raises: `InputError` for a folder with anything else in it, or with files of other settings.
        """
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"out: {self.out} is a file; give a folder")
        is_ours = (self.out / SETTINGS).is_file()
        if not is_ours and self.out.is_dir() and any(self.out.iterdir()):
            raise InputError(f"out: {self.out} is not empty and not of `data prepare`; give a new or empty folder")
        if is_ours and force:
            self._clear()
        elif is_ours:
            self._compare(record)
        self.outcomes = self._read_journal()

    def _compare(self, record):
        try:
            there = json.loads((self.out / SETTINGS).read_text(encoding="utf-8"))["settings"]
            changed = differences(there, json.loads(json.dumps(record)))
        except (ValueError, KeyError, AttributeError, TypeError):
            changed = [f"{SETTINGS} there is damaged"]
        if changed:
            raise InputError(
                f"out: {self.out} was prepared with other settings: {'; '.join(changed)}. Give another folder, or "
                "--force to take its pictures away and begin anew"
            )

    def _clear(self):
        """Takes away what prepare has written, and nothing else."""
        for name in ("labels.csv", f"{RECORD}/summary.csv", f"{RECORD}/skipped.csv"):
            (self.out / name).unlink(missing_ok=True)
        self.journal.unlink(missing_ok=True)
        for path in self._pictures():
            if OWN_NAME.fullmatch(path.name):
                path.unlink()

    def _pictures(self):
        return [path for split in SPLITS for path in list_files(self.out / split)]

    def _read_journal(self):
        """See `outcomes`; a line that a kill cut off is passed over."""
        if not self.journal.is_file():
            return {}
        outcomes = {}
        for line in self.journal.read_text(encoding="utf-8").splitlines():
            try:
                dataset, row, outcome, detail = json.loads(line)
            except ValueError:
                continue
            outcomes[dataset, row] = outcome, detail
        return outcomes

    def there(self, wanted):
        """The pictures that are there already, set of paths relative to the folder; halves of killed runs go.

        Args:
            wanted: set of the paths that belong there.
        Raises: `DataError` for a picture that is not one of them: whoever loads the folder would take it along.
        """
        for part in self.out.glob(f"*/*/.*{_PART}"):
            part.unlink()
        found = {path.relative_to(self.out).as_posix(): path for path in self._pictures()}
        strange = sorted(set(found) - wanted)
        if strange:
            raise DataError(
                f"{self.out / strange[0]}: was not written by `data prepare` ({len(strange)} such files); move it away"
            )
        return {name for name, path in found.items() if path.stat().st_size}

    def describe(self, record, folders, notes, complete):
        """Writes `prepare.json`."""
        content = {"complete": complete, "folders": folders, "settings": record, "notes": notes}
        write_text(self.out / SETTINGS, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    def tell(self, dataset, batch):
        """Adds a batch of `Picture` to the journal. Before their files are written: then each file has its line."""
        self.journal.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps([dataset, int(each.row), each.outcome, each.detail]) + "\n" for each in batch]
        with open(self.journal, "a", encoding="utf-8") as file:
            file.write("\n" + "".join(lines))  # a killed run may have left half a line without an end
        self.outcomes.update({(dataset, each.row): (each.outcome, each.detail) for each in batch})

    def add(self, path, image):
        """Writes uint8 [H, W, 1 or 3] to `path` (relative), in one step."""
        whole = self.out / path
        part = whole.with_name(f".{whole.name}{_PART}")
        part.write_bytes(encoded(image, whole.suffix))
        os.replace(part, whole)

    def add_all(self, pictures):
        """Writes a list of (path, image); a task of their own would cost more than most pictures do."""
        for path, image in pictures:
            self.add(path, image)


def encoded(image, suffix):
    """The bytes of uint8 [H, W, 1 or 3] (RGB) as a `.jpg` of quality 95 or a `.png`."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix == ".jpg" else []
    done, content = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]), settings)
    if not done:
        raise InputError(f"format: OpenCV cannot write {suffix}")
    return content.tobytes()
