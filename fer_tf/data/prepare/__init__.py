"""Datasets brought into one folder structure of small pictures, as document [4] did with five of its own.

`prepare_datasets` loads datasets, finds faces if asked, resizes, and writes

    out/train|val|test/<class>/<dataset>-<row>-<name>.jpg    split as each dataset's protocol has it
    out/labels.csv      path, label, split, dataset, source, and where known subject and detected (a face was found)
    out/prepare.json    the settings, what the class folders mean, notes, and whether all is written
    out/record/         summary.csv (counts), skipped.csv (every row that is not written, and why), journal.jsonl

Layout `numbered` has document [4]'s class folders 1 surprise .. 6 anger, `names` a folder an emotion. Both load again
by `load_dataset("folder", out)` and `load_dataset("csv", out)`.
"""

from .layouts import LAYOUTS
from .run import Prepared, prepare_datasets
from .settings import DETECTION_OFF, FORMATS, Settings

__all__ = ["DETECTION_OFF", "FORMATS", "LAYOUTS", "Prepared", "Settings", "prepare_datasets"]
