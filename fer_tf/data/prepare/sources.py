"""Loading the datasets to prepare, each with its own options."""

import os
from pathlib import Path

from ...common.checks import InputError, check_choice, check_names
from ...common.paths import data_root, expanded
from .. import DATASETS, load_dataset, parse_options

# Names that mean a student's own folder: pictures may be written there, to be loaded by that name.
_OWN = ("folder", "csv")


def check_place(names, out, data_dir):
    """Raises `InputError` if `out` lies in the folder of a dataset: raw data is never written to."""
    out, root = expanded(out).resolve(), data_root(data_dir)
    for name in {*DATASETS, *names} - ({*_OWN} - {*names}):
        raw = (root / name).resolve()
        if out == raw or raw in out.parents:
            raise InputError(f"out: {out} lies in {raw}, the raw data of {name}; give a folder outside")


def check_apart(sources, out):
    """Raises `InputError` if a picture to read lies in `out`, also by way of a link or of a csv elsewhere."""
    out = os.path.realpath(out)
    for ds, _ in sources:
        for folder in {os.path.dirname(path) for path in ds.store.paths} if ds.store.paths is not None else ():
            if Path(os.path.realpath(folder)).is_relative_to(out):
                raise InputError(f"out: {out} holds pictures of {ds.name} ({folder}), which would be written over")


def load_sources(names, data_dir=None, protocol=None, options=(), seed=0):
    """The datasets, read from their files picture by picture where they can be.

    Args:
        names: keys of `DATASETS`, each once.
        data_dir, seed: see `load_dataset`.
        protocol: one for all, or None; or "ckplus=random" for one of them (several of these in a list).
        options: list of texts "image_size=256" (for each of the datasets that has this option) or
            "ckplus.image_size=256" (for that one); see `parse_options`.
    Returns: list of (`FaceDataset`, dict of the options it was given).
    """
    for name in names:
        check_choice("dataset", name, DATASETS)
    if not names or len(set(names)) != len(names):
        raise InputError(f"datasets: name one or more, each once; received {', '.join(names) or 'none'}")
    protocols, chosen = _protocols(names, protocol), _options(names, options)
    return [(_load(name, data_dir, protocols.get(name), seed, chosen[name]), chosen[name]) for name in names]


def _load(name, data_dir, protocol, seed, options):
    # a streamed set tells its files, keeps memory free, and a broken picture shows when its turn comes
    streamed = {"stream": True} if "stream" in DATASETS[name].options else {}
    return load_dataset(name, data_dir, protocol, seed=seed, **{**streamed, **options})


def _protocols(names, protocol):
    """dict dataset -> protocol."""
    found = {}
    for text in [protocol] if isinstance(protocol, str) else protocol or []:
        name, sign, one = text.partition("=")
        found |= {check_choice("protocol", name, names): one} if sign else dict.fromkeys(names, text)
    for name, one in found.items():
        check_choice(f"protocol of {name}", one, DATASETS[name].protocols)
    return found


def _options(names, texts):
    """dict dataset -> dict of its options."""
    found = {name: {} for name in names}
    for text in texts:
        key = text.partition("=")[0]
        place, dot, plain = key.partition(".")
        item = text.removeprefix(f"{place}.") if dot else text
        if dot:
            check_choice(f"options: dataset of {text!r}", place, names)
        for name in [place] if dot else _takers(names, key):
            _refuse_own(plain or key)
            found[name] |= parse_options(name, [item])
    return found


def _refuse_own(key):
    if key in ("size", "channels"):
        raise InputError(f"options: {key} is a setting of `data prepare` itself (--{key})")
    if key == "stream":
        raise InputError("options: stream is not for `data prepare`, which always reads files one by one")


def _takers(names, key):
    """The datasets that have this option; `InputError` where none has."""
    _refuse_own(key)
    known = {name: {"classes", *DATASETS[name].options} for name in names}
    check_names(f"options of {', '.join(names)}", [key], set().union(*known.values()))
    return [name for name in names if key in known[name]]
