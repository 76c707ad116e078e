"""Training one model on several devices of a host, or on several hosts: each device computes a share of every batch.

Under TensorFlow the devices of one host train through `tf.distribute.MirroredStrategy`. Under JAX the devices of all
hosts train through `keras.distribution.DataParallel`. The experiment's batch size is that of all devices together.
"""

import atexit
import contextlib
import functools
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import keras

from ..common import hashes, sharing
from ..common.checks import InputError, OutOfTime
from ..common.quiet import import_keras, quiet_stderr
from ..experiments.settings import Experiment
from ..runs.environment import has_accelerator, package_versions
from . import hosts as processes
from . import replicas
from .checkpoint import CHECKPOINT, say
from .hosts import Group, Hosts

# Read where no command has chosen: the runs of a queue and of notebooks are processes of their own.
DEVICES = "FER_TF_DEVICES"
_RESUMED_FROM = (CHECKPOINT, "precision.json", "history.csv", "mean_map.json")

_chosen: int | None = None  # devices of this process; None: nobody has chosen, and one is used
_group: Group | None = None


def parse_devices(text: str) -> int:
    """The number of devices that a user means: "all" is 0, "" is 1."""
    if text in ("", "all"):
        return 0 if text else 1
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"devices: must be all or a whole number from 1; received {text!r}")
    return int(text)


@contextlib.contextmanager
def started(
    devices: str = "",
    hosts: str = "",
    rank: int | None = None,
    verbose: bool = True,
) -> Iterator[None]:
    """Uses several devices or hosts for what is trained in this block.

    On a computer without an accelerator, `devices` parts of the processor are used: they show how it works, and are no
    faster. Enter the block before Keras has computed anything.

    Args:
        devices: "all", a number, or "" for one; with `hosts` of each process, and "" is all of them.
        hosts: host:port of each process, with commas between them; "" for one process.
        rank: the place of this process in `hosts`.
        verbose: a line of progress.
    Raises: `InputError` for wrong arguments, too many devices, a host that does not connect, or hosts without JAX.
    """
    global _chosen, _group
    count = parse_devices(devices or ("all" if hosts else ""))
    if rank is not None and not hosts:
        raise InputError("rank: can only be used with --hosts")
    try:
        if hosts:
            _meet(processes.parse_hosts(hosts, rank), count, verbose)
        else:
            _split_processor(count)
        import_keras()
        _chosen = _counted(count)
        yield
    except BaseException as error:
        if _group is not None:
            _group.fail(error)
            _leave_jax(error)
        raise
    else:
        if _group is not None:
            _group.close()
    finally:
        _chosen, _group = None, None


def _leave_jax(error):
    """Ends this process without JAX's own end, which waits for all processes and aborts if one has failed."""
    codes = ((InputError, 2), (OutOfTime, processes.LOST), (KeyboardInterrupt, 130))  # as fer_tf.__main__
    code = next((code for kind, code in codes if isinstance(error, kind)), 1)

    def end():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    atexit.register(end)  # the last that is registered is the first that is called


def use_environment() -> None:
    """Uses the devices of $FER_TF_DEVICES where no command has chosen others."""
    global _chosen
    if _chosen is None and os.environ.get(DEVICES):
        count = parse_devices(os.environ[DEVICES])
        _split_processor(count)
        _chosen = _counted(count)


def group() -> Group | None:
    """The processes of a training on several hosts, or None."""
    return _group


def _is_jax():
    return keras.backend.backend() == "jax"


def _meet(chosen: Hosts, count: int, verbose: bool):
    """Connects the processes, and JAX's own connections between them."""
    global _group
    if not _is_jax():
        raise InputError("hosts: training on several hosts needs JAX; set KERAS_BACKEND=jax on every host")
    # from here on the others learn why this process ends
    _group, coordinator = processes.meet(chosen, functools.partial(say, verbose))
    _split_processor(count)
    import jax

    # it would catch SIGTERM and let the process continue
    jax.config.update("jax_enable_preemption_service", False)
    # what keras.distribution.initialize calls, without its guess of devices and cluster
    with quiet_stderr():
        jax.distributed.initialize(
            coordinator,
            len(_group),
            _group.rank,
            local_device_ids=list(range(count)) if count else None,
            cluster_detection_method="deactivate",
        )


def _split_processor(count):
    """Makes `count` devices of a processor, where there is no accelerator."""
    if count < 2:
        return
    try:
        if _is_jax():
            import jax

            jax.config.update("jax_num_cpu_devices", count)
            return
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            (processor,) = tf.config.list_physical_devices("CPU")
            parts = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
            tf.config.set_logical_device_configuration(processor, parts)
    except RuntimeError:  # Keras has already computed something; `_counted` says what is there
        return


def _local_devices():
    """Names of this process's devices, accelerators where there are any."""
    if _is_jax():
        import jax

        return [f"{device.platform}:{device.id}" for device in jax.local_devices()]
    return keras.distribution.list_devices()


def _counted(count):
    """The number of this process's devices that are used; `InputError` if there are fewer."""
    there = len(_local_devices())
    if count > there:
        why = "" if has_accelerator() else ": a processor is divided only before Keras has computed anything"
        raise InputError(f"devices: there are {there}; received {count}{why}")
    return count or there


def check(experiment: Experiment) -> None:
    """Raises `InputError` for settings that cannot be trained on the chosen devices or hosts."""
    devices = (_chosen or 1) * (len(_group) if _group else 1)
    if _group is not None and (experiment.salient_by or experiment.face_net_epochs):
        key = "salient_by" if experiment.salient_by else "face_net_epochs"
        raise InputError(f"{key}: cannot be trained with --hosts; leave --hosts out, or {key}")
    if devices == 1 or not experiment.epochs:
        return
    if experiment.batch_size % devices:
        fitting = [number for number in range(devices, 0, -1) if experiment.batch_size % number == 0][0]
        raise InputError(
            f"batch_size: {experiment.batch_size} pictures cannot be shared evenly by {devices} devices; use {fitting} "
            f"devices, or --set batch_size={max(1, round(experiment.batch_size / devices)) * devices}"
        )
    if not _is_jax():
        _check_mirrored(experiment)


def _check_mirrored(experiment):
    """Raises `InputError` for settings that the devices of TensorFlow cannot train as one device does."""
    whys = {
        "clip_norm": experiment.clip_norm and "each device would clip its own share of the gradient; set it to 0",
        "jit": experiment.jit == "on" and "a step that XLA compiles runs on one device; set it to auto",
    }
    for key, why in whys.items():
        if why:
            raise InputError(f"{key}: under TensorFlow {why}, use one device, or set KERAS_BACKEND=jax")


@contextlib.contextmanager
def scope() -> Iterator[None]:
    """Builds and fits models on the chosen devices; without a choice as usual, on one."""
    if (_chosen or 1) == 1 and _group is None:
        with sharing.shared(sharing.Sharing(callbacks=(replicas.OwnArrays(),) if _is_jax() else ())):
            yield
    elif _is_jax():
        with _on_jax_devices(_chosen, _group):
            yield
    else:
        strategy = _mirrored(_chosen)
        now = sharing.Sharing(_chosen or 1, is_mirrored=True, callbacks=(replicas.OneBatch(strategy),))
        with strategy.scope(), sharing.shared(now):
            yield


@functools.cache
def _mirrored(count):
    import tensorflow as tf

    with quiet_stderr():
        return tf.distribute.MirroredStrategy([f"/{name}" for name in _local_devices()[:count]])


@contextlib.contextmanager
def _on_jax_devices(count, members):
    """`scope` under JAX: a step is one computation over the pictures on all devices."""
    import jax
    from keras.src.backend.jax import distribution_lib

    devices = _all_devices(count)
    distribution = keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    mesh, total = distribution.device_mesh.backend_mesh, len(devices)
    evenly, whole = (
        jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes)) for axes in ((mesh.axis_names[0],), ())
    )

    def place(array, rows, layout=None):
        layout = layout or (whole if rows % total else evenly)
        return jax.make_array_from_process_local_data(
            layout, keras.ops.convert_to_numpy(array), (rows, *array.shape[1:])
        )

    def distribute(batch, layout, **options):
        """Keras's function takes the layout of an epoch's first batch; the last one may not be divisible.

        On several hosts, a batch that is not placed yet is one that every process has whole (`predict_on_batch`).
        """
        if isinstance(batch, jax.Array) and len(batch.sharding.device_set) == total:
            return batch
        return place(batch, len(batch), whole if members else None)

    usual = distribution_lib.distribute_data_input
    rank, number = (members.rank, len(members)) if members else (0, 1)
    now = sharing.Sharing(
        total, number, rank, place=place if members else None, callbacks=(replicas.OwnArrays(),), needs_jit=True
    )
    distribution_lib.distribute_data_input = distribute
    try:
        with distribution.scope(), sharing.shared(now):
            yield
    finally:
        distribution_lib.distribute_data_input = usual


def _all_devices(count):
    """Names of the first `count` devices of each process, in the order of ranks."""
    import jax

    found = {}
    for device in jax.devices():
        found.setdefault(device.process_index, []).append(f"{device.platform}:{device.id}")
    return [name for rank in sorted(found) for name in found[rank][:count]]


def compare(record: dict) -> None:
    """Checks that all hosts train the same; `InputError` that names what differs and on which host."""
    if _group is None:
        return
    own = hashes.code_fingerprint([__file__, processes, replicas, sharing])
    asked = ("experiment", "settings", "seed", "dataset", "protocol")
    facts = {
        "command": hashes.fingerprint([record[key] for key in asked]),
        "data": record["dataset_fingerprint"],
        "code": f"{record['code']}-{own}",
        "versions": hashes.fingerprint({**package_versions(), "jax": version("jax")}),
        "run": record["fingerprint"],
    }
    advice = {
        "command": "give the same experiment, dataset and settings to all hosts",
        "data": "copy the same files to all hosts (fer-tf data check)",
        "code": "install the same revision of the kit on all hosts",
        "versions": "install the same versions of its packages on all hosts",
        "run": "its options, pretrained weights or teachers differ",
    }
    _group.compare(facts, advice)


def resumed_from(directory: Path) -> list[str]:
    """The files of an unfinished run that every process needs to resume it, by their places in its folder."""
    files = [path for path in sorted(directory.rglob("*")) if path.name in _RESUMED_FROM and path.is_file()]
    return [str(path.relative_to(directory)) for path in files]


@contextlib.contextmanager
def scratch(members: Group) -> Iterator[Path]:
    """A temporary folder with what the run has so far: processes other than rank 0 write nothing else."""
    with tempfile.TemporaryDirectory(prefix="fer_tf_rank_") as folder:
        members.scratch = Path(folder)
        members.receive_files(members.scratch)
        yield members.scratch
    members.scratch = None
