"""A face network that another run has fine-tuned on expressions: document [1]'s "fine-tuning the face network"."""

from dataclasses import replace

from ..data.base import FaceDataset
from ..experiments.settings import Experiment
from ..experiments.table import EXPERIMENTS
from ..runs import records
from .distillation import check_same_split, finished_run
from .fitting import needs_face_net


def face_net_run(experiment: Experiment, dataset: str, protocol: str, seed: int, options: dict) -> str:
    """The run whose network is an experiment's face network.

    Args:
        experiment: resolved. Its `face_net` is the name of an experiment, whose run on the same data with the same seed
            is meant, or of a run.
        dataset, protocol, seed, options: of its run.
    Returns: the name of the run; "" if `face_net` is neither.
    """
    name = experiment.face_net
    if not needs_face_net(experiment):
        return ""
    if name in EXPERIMENTS:
        return records.run_name(name, dataset, protocol, seed, options)
    return name if records.read_record(records.run_directory(name)) else ""


def with_file(experiment: Experiment, ds: FaceDataset, seed: int, options: dict) -> Experiment:
    """The experiment with a model's file as its `face_net` if that is the name of an experiment or a run.

    Args:
        experiment: resolved.
        ds, seed, options: of its run.
    Raises: `InputError` for a run that is not finished, or that was tested on other images than this one will be (its
        training images might be among them).
    """
    name = face_net_run(experiment, ds.name, ds.protocol, seed, options)
    if not name:
        return experiment
    run = finished_run(name, "face_net")
    check_same_split(run.name, run.record, ds, "face_net")
    return replace(experiment, face_net=str(run.model_path))
