"""Puts datasets into one folder structure of small pictures, as document [4] did with five datasets.

`prepare_datasets` loads datasets, finds faces if asked, resizes, and writes

    out/train|val|test/<class>/<dataset>-<row>-<name>.jpg    splits as in each dataset's protocol
    out/labels.csv      path, label, split, dataset, source; if known, subject and detected (a face was found)
    out/prepare.json    the settings, the meaning of the class folders, notes, and whether everything is written
    out/record/         summary.csv (counts), skipped.csv (rows that are not written, and why), journal.jsonl

Layout `numbered` has document [4]'s class folders 1 surprise .. 6 anger, `names` has a folder for each class. Load
both with `load_dataset("folder", out)` or `load_dataset("csv", out)`.
"""

from .layouts import LAYOUTS
from .run import Prepared, prepare_datasets
from .settings import DETECTION_OFF, FORMATS, Settings

__all__ = ["DETECTION_OFF", "FORMATS", "LAYOUTS", "Prepared", "Settings", "prepare_datasets"]
