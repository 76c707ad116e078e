"""Several datasets as one, as document [4] trained on five: `load_dataset("ferplus+rafdb+ckplus+tfeid+disfa")`.

Each dataset keeps its own split, under the protocol whose results are comparable with others'. Classes are joined by
name. The column `source` of the table says where a picture comes from. A bool column for each source ("from ferplus")
gives every evaluation the accuracy on that source alone.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..common.checks import InputError, MissingDataError, check_choice
from ..emotions import SecondOutput, class_order, class_subset
from .base import SPLITS, DatasetSpec, FaceDataset
from .sources import mark_sources
from .stores import joined_store

SIGN = "+"
PROTOCOLS = {
    "own": "each dataset's own split, under the protocol whose results are comparable with others'",
    "six": "document [4]'s: the same splits, six emotions (no neutral, no contempt), 64×64, gray repeated to RGB",
}
_SIX: dict[str, Any] = {"classes": 6, "size": 64, "channels": 3}


@dataclass(frozen=True)
class JoinedSpec(DatasetSpec):
    """What is known about several datasets as one.

    Attributes:
        parts: dict name -> `DatasetSpec`, in the order of the pictures.
    """

    parts: dict[str, DatasetSpec] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """The options of all parts, each with the name of its dataset in front: `ckplus.fold`."""
        return {f"{name}.{key}": value for name, spec in self.parts.items() for key, value in spec.options.items()}


def joined_spec(name: str, datasets: dict[str, DatasetSpec], load: Callable, check: Callable) -> JoinedSpec:
    """The spec of a joined dataset.

    Args:
        name: names of datasets with "+" between them.
        datasets: dict name -> `DatasetSpec` of all that may be joined.
        load, check: see `DatasetSpec`.
    Raises: `InputError` for an unknown name, one that is there twice, or fewer than two.
    """
    names = [part.strip() for part in name.split(SIGN)]
    for part in names:
        check_choice("dataset", part, datasets)
    if len(set(names)) != len(names) or len(names) < 2:
        raise InputError(f"dataset: a joined dataset is two or more datasets, each once; received {name!r}")
    parts = {part: datasets[part] for part in names}
    return JoinedSpec(
        load=load,
        check=check,
        title=f"{', '.join(names)} as one dataset",
        class_names=class_order(emotion for spec in parts.values() for emotion in spec.class_names),
        protocols=PROTOCOLS,
        images=" + ".join(spec.images for spec in parts.values()),
        how_to_get=f"get each of {', '.join(names)}; `fer-tf data check` says how",
        licence="; ".join(f"{part}: {spec.licence}" for part, spec in parts.items()),
        traps=(
            "A model can tell the sources apart, and each has other shares of the classes: read the accuracy of each "
            "source next to the total.",
            "The largest source decides the total: FER+ has twenty times as many pictures as CK+.",
            "Datasets may share pictures or people: `fer-tf data doctor` counts copies between sources.",
        ),
        paper_name=" + ".join(spec.paper_name or part for part, spec in parts.items()),
        honest_protocol="own",
        at_hand=all(spec.at_hand for spec in parts.values()),
        is_drawn=all(spec.is_drawn for spec in parts.values()),
        own_classes=any(spec.own_classes for spec in parts.values()),
        limits="; ".join(dict.fromkeys(spec.limits for spec in parts.values())),
        parts=parts,
    )


def options_of(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options of one part, without its name: those of ckplus in {"ckplus.fold": 3} are {"fold": 3}."""
    return {key.partition(".")[2]: value for key, value in options.items() if key.partition(".")[0] == name}


def honest(spec: DatasetSpec) -> str:
    """The protocol under which a dataset is joined: the one comparable with others' results, else its first."""
    return spec.honest_protocol or next(iter(spec.protocols))


def present_parts(spec: JoinedSpec, home: Path) -> list[str]:
    """The names of those parts that are on disk: their folder has a file, or they are drawn.

    Args:
        spec: `JoinedSpec`.
        home: the folder with one folder for each dataset.
    Raises: `MissingDataError` if fewer than two are there.
    """
    present = [name for name, part in spec.parts.items() if part.is_drawn or _has_files(home / name)]
    if len(present) < 2:
        absent = [name for name in spec.parts if name not in present]
        alone = f"only {present[0]} is" if present else "none of them is"
        raise MissingDataError(
            f"{SIGN.join(spec.parts)}: {alone} in {home}, and a joined dataset needs two. How to get the others: "
            + "; ".join(f"`fer-tf data check {name}`" for name in absent)
        )
    return present


def _has_files(folder):
    return folder.is_dir() and any(True for _ in folder.iterdir())


def load_parts(
    spec: JoinedSpec,
    home: Path,
    protocol: str,
    load: Callable[..., FaceDataset],
    settings: dict[str, Any],
    options: dict[str, Any],
) -> list[FaceDataset]:
    """Loads those parts that are on disk, all at one size and with the same channels.

    Args:
        spec, home: see `present_parts`.
        protocol: a key of `PROTOCOLS`.
        load: `load_dataset`.
        settings: its size, channels, train_share and seed. Without a size and channels, the smallest of all parts are
            taken: nothing is enlarged, and no source has colour alone.
        options: of the parts, as in `JoinedSpec.options`.
    Returns: list of `FaceDataset`, in the order of the parts.
    """
    settings = _with_defaults(settings, protocol)
    parts = []
    for name in present_parts(spec, home):
        part = spec.parts[name]
        own = _reading(part, settings) | options_of(name, options)
        parts.append(load(name, home, honest(part), **settings, **own))
    shape = min((ds.image_shape[:2] for ds in parts), key=lambda sides: sides[0] * sides[1])
    channels = min(ds.image_shape[2] for ds in parts)
    for ds in parts:
        if ds.image_shape != (*shape, channels):
            ds.store = ds.store.converted(shape, channels)
    return parts


def _reading(part, settings):
    """Options with which a part is read at the wanted size and channels: not resized twice, and not gray first."""
    wanted = {"image_size": settings["size"], "image_channels": settings["channels"]}
    return {key: value for key, value in wanted.items() if isinstance(value, int) and key in part.options}


def _with_defaults(settings, protocol):
    chosen = {key: settings[key] for key in ("size", "channels", "train_share", "seed")}
    if protocol == "six":
        chosen |= {key: _SIX[key] for key in ("size", "channels") if chosen[key] is None}
    return chosen


def join(
    name: str, protocol: str, datasets: Sequence[FaceDataset], classes: int | Sequence[str] | None = None
) -> FaceDataset:
    """Joins loaded datasets. Pictures of train that are in val or test of another source are left out.

    Args:
        name, protocol: of the result.
        datasets: two or more, with pictures of one size and the same channels.
        classes: which of their classes to keep, as in `load_dataset`. None: those that all of them have (with the
            protocol `six` the first six). With a choice, a source may lack some of them.
    Returns: `FaceDataset` with the columns source, a bool column for each source, name (with the source in front),
        subject (likewise), and all columns that the sources have. If one of them has soft labels, the others' labels
        are certain. If one has a second output, its values are unknown (NaN) for sources without one.
    Raises: `InputError` for classes that fit no source, fewer than two in common, or different second outputs.
    """
    names = _class_names(datasets, _SIX["classes"] if classes is None and protocol == "six" else classes)
    parts = [ds.with_classes([emotion for emotion in names if emotion in ds.class_names]) for ds in datasets]
    table = pd.concat([_part_table(part, names) for part in parts], ignore_index=True)
    for column in (key for part in parts for key in part.table if part.table[key].dtype == bool):
        table[column] = table[column].eq(True).to_numpy(bool)  # a list of one source: no for all others
    second = _second(parts, table)
    mark_sources(table, table["source"])
    basis = [(part.name, part.protocol, part.source) for part in parts]
    joined = FaceDataset(
        name=name,
        protocol=protocol,
        class_names=names,
        table=table,
        store=joined_store([part.store for part in parts]),
        notes=[*_sizes(parts), *_lacking(parts, names)],
        source=hashlib.sha256(repr(basis).encode()).hexdigest(),
        probabilities=_soft_labels(parts, names),
        deviation="; ".join(filter(None, [part.deviation for part in parts])),
        second=second,
    )
    joined.notes += _without_copies(joined)
    joined.notes += [f"{part.name}: {note}" for part in parts for note in part.notes]
    return joined


def _class_names(datasets, classes):
    every = class_order(emotion for ds in datasets for emotion in ds.class_names)
    if classes is not None:
        names = class_subset(classes, every)
    else:
        names = tuple(emotion for emotion in every if all(emotion in ds.class_names for ds in datasets))
    for ds in datasets:
        if not set(names) & set(ds.class_names):
            raise InputError(f"classes: {ds.name} has none of {', '.join(names) or 'the classes of the others'}")
    if len(names) < 2:
        raise InputError(f"classes: the sources have only {', '.join(names)} in common; choose some with classes=")
    return names


def _part_table(part, names):
    """A part's table with the joined labels and names, and its source."""
    table = part.table.copy()
    code = [names.index(emotion) for emotion in part.class_names]
    table["label"] = np.array(code)[table["label"].to_numpy(np.int64)]
    table["source"] = part.name
    table["name"] = [f"{part.name}/{text}" for text in table["name"]]
    if "subject" in table:  # two datasets may both have a subject 1
        text = table["subject"].astype(object).where(table["subject"].notna(), "").astype(str)
        table["subject"] = np.where(text.str.strip() != "", f"{part.name} " + text, "")
    return table


def _second(parts, table) -> SecondOutput | None:
    """The second output of the parts that have one; the values of other parts become NaN in place."""
    found = {part.name: part.second for part in parts if part.second is not None}
    if len(set(found.values())) > 1:
        names = "; ".join(f"{name}: {', '.join(second.names)}" for name, second in found.items())
        raise InputError(f"targets: sources with different second outputs cannot be joined ({names})")
    if not found:
        return None
    [second] = set(found.values())
    table.loc[~table["source"].isin(list(found)), list(second.names)] = np.nan
    return second


def _soft_labels(parts, names):
    """Soft labels float [N, C] if a part has some, else None."""
    if all(part.probabilities is None for part in parts):
        return None
    rows = []
    for part in parts:
        code = [names.index(emotion) for emotion in part.class_names]
        labels = part.table["label"].to_numpy(np.int64)
        soft = np.eye(len(code))[labels] if part.probabilities is None else part.probabilities
        rows.append(np.zeros((len(part.table), len(names))))
        rows[-1][:, code] = soft
    return np.concatenate(rows)


def _sizes(parts):
    """One note: how many pictures of each split come from which source, under which protocol."""
    texts = []
    for part in parts:
        counts = part.counts().loc["all"]
        numbers = "/".join(f"{counts[split]:,}" for split in SPLITS)
        texts.append(f"{part.name} {part.protocol} {numbers}")
    return [f"joined of {len(parts)} sources, each with its own split (train/val/test): {', '.join(texts)}"]


def _lacking(parts, names):
    gaps = {part.name: [emotion for emotion in names if emotion not in part.class_names] for part in parts}
    notes = [f"{name} has no {', '.join(lacking)}" for name, lacking in gaps.items() if lacking]
    empty = [part.name for part in parts if part.table.empty]
    return notes + [f"{name} has no picture of {', '.join(names)}: it adds nothing" for name in empty]


def _without_copies(ds):
    """Leaves pictures out of train that are val or test pictures of another source, in place; returns notes.

    Likewise pictures of val that are test pictures of another source. Only exact copies are found here.
    """
    if ds.store.streamed:
        return ["pictures stay on disk: copies between sources were not searched; `fer-tf data doctor` finds them"]
    hashes, source, split = _hashes(ds.store), ds.table["source"].to_numpy(object), ds.table["split"].to_numpy(object)
    left_out = np.zeros(len(hashes), bool)
    for later, earlier in (("test", ("train", "val")), ("val", ("train",))):
        for name in dict.fromkeys(source):
            held = set(hashes[(split == later) & (source == name)])
            others = np.isin(split.astype(str), earlier) & (source != name)
            left_out |= others & np.fromiter((text in held for text in hashes), bool, len(hashes))
    ds.table["split"] = np.where(left_out, "", split)
    notes = [_shared(first, second, hashes, source) for first, second in combinations(dict.fromkeys(source), 2)]
    if left_out.any():
        counts = ", ".join(f"{(left_out & (split == name)).sum():,} of {name}" for name in ("train", "val"))
        notes.append(f"{counts} are left out: they are val or test pictures of another source, pixel for pixel")
    return [note for note in notes if note]


def _hashes(store):
    from .doctor.examine import image_hashes  # here, because its other parts take long to import

    rows = np.array_split(np.arange(len(store.array)), max(1, len(store.array) // 4096))
    return np.concatenate([image_hashes(store.fetch(chunk)) for chunk in rows])


def _shared(first, second, hashes, source):
    """A note on the pictures that two sources share, "" if there are none."""
    common = set(hashes[source == first]) & set(hashes[source == second])
    if not common:
        return ""
    return (
        f"{len(common):,} pictures are in {first} and in {second}: they count twice, with two labels, and intervals "
        "of the total are too narrow"
    )


def without_missing(ds: FaceDataset, absent: Sequence[str]) -> FaceDataset:
    """The dataset with a note and a deviation that name the parts which are not on disk; unchanged if none."""
    if not absent:
        return ds
    text = f"without {', '.join(absent)}, which {'are' if len(absent) > 1 else 'is'} not on disk"
    return replace(ds, notes=[text, *ds.notes], deviation="; ".join(filter(None, [text, ds.deviation])))
