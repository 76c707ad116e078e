"""Loads the datasets to prepare, each with its own options."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ...common.checks import InputError, check_choice, check_names
from ...common.paths import data_root, expanded
from .. import DATASETS, FaceDataset, load_dataset, parse_options

# Names for a student's own folder: pictures may be written there, and then loaded by that name.
_OWN = ("folder", "csv")


def check_place(names: Iterable[str], out: str | Path, data_dir: str | Path | None) -> None:
    """Raises `InputError` if `out` is in the folder of a dataset: raw data is never written to.

    Args:
        names: the datasets to prepare.
        out: the folder to write.
        data_dir: see `load_dataset`.
    """
    out, root = expanded(out).resolve(), data_root(data_dir)
    for name in {*DATASETS, *names} - ({*_OWN} - {*names}):
        raw = (root / name).resolve()
        if out == raw or raw in out.parents:
            raise InputError(f"out: {out} is in {raw}, the raw data of {name}; give a folder outside")


def check_apart(datasets: Iterable[FaceDataset], out: str | Path) -> None:
    """Raises `InputError` if a picture to read is in `out`, also through a link or through a csv in another place."""
    out = os.path.realpath(out)
    for ds in datasets:
        for folder in {os.path.dirname(path) for path in ds.store.paths} if ds.store.paths is not None else ():
            if Path(os.path.realpath(folder)).is_relative_to(out):
                raise InputError(f"out: {out} holds pictures of {ds.name} ({folder}), which would be overwritten")


def load_sources(
    names: Sequence[str],
    data_dir: str | Path | None = None,
    protocol: str | Sequence[str] | None = None,
    options: Sequence[str] = (),
    seed: int = 0,
) -> list[tuple[FaceDataset, dict[str, Any]]]:
    """Loads the datasets; if possible, their pictures stay in the files until they are needed.

    Args:
        names: keys of `DATASETS`, each once.
        data_dir, seed: see `load_dataset`.
        protocol: one protocol for all, or None; or "ckplus=random" for one of them (a list for several).
        options: list of texts: "image_size=256" (for each dataset with this option) or "ckplus.image_size=256" (for
            this one); see `parse_options`.
    Returns: list of (`FaceDataset`, dict of its options).
    Raises: `InputError` for a wrong argument; the errors of `load_dataset`.
    """
    for name in names:
        check_choice("dataset", name, DATASETS)
    if not names or len(set(names)) != len(names):
        raise InputError(f"datasets: name one or more, each once; received {', '.join(names) or 'none'}")
    protocols, chosen = _protocols(names, protocol), _options(names, options)
    sources = []
    for name in names:
        # a streamed dataset knows its files and needs little memory, and a broken picture only fails when it is read
        streamed = {"stream": True} if "stream" in DATASETS[name].options else {}
        ds = load_dataset(name, data_dir, protocols.get(name), seed=seed, **streamed, **chosen[name])
        sources.append((ds, chosen[name]))
    return sources


def _protocols(names, protocol):
    """dict dataset -> protocol."""
    protocols = {}
    for text in [protocol] if isinstance(protocol, str) else protocol or []:
        name, sign, value = text.partition("=")
        protocols |= {check_choice("protocol", name, names): value} if sign else dict.fromkeys(names, text)
    for name, value in protocols.items():
        check_choice(f"protocol of {name}", value, DATASETS[name].protocols)
    return protocols


def _options(names, texts):
    """dict dataset -> dict of its options."""
    options = {name: {} for name in names}
    for text in texts:
        key = text.partition("=")[0]
        dataset, dot, option = key.partition(".")
        item = text.removeprefix(f"{dataset}.") if dot else text
        if dot:
            check_choice(f"options: dataset of {text!r}", dataset, names)
        for name in [dataset] if dot else _takers(names, key):
            _refuse_own(option or key)
            options[name] |= parse_options(name, [item])
    return options


def _refuse_own(key):
    if key in ("size", "channels"):
        raise InputError(f"options: {key} is a setting of `data prepare` itself (--{key})")
    if key == "stream":
        raise InputError("options: stream cannot be set in `data prepare`, which always reads files one by one")


def _takers(names, key):
    """The datasets with this option; `InputError` if there are none."""
    _refuse_own(key)
    options = {name: {"classes", *DATASETS[name].options} for name in names}
    check_names(f"options of {', '.join(names)}", [key], set().union(*options.values()))
    return [name for name in names if key in options[name]]
