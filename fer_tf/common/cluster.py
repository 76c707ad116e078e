"""A cluster of computers: functions run on them as tasks, and long lists in parts. Only this module knows Ray.

    with connected("ray", threads=2) as cluster:
        task = cluster.start(function, argument)
        task.result()

Ray (the extra `cluster`) places the tasks, sends arguments and results, starts what was killed again on another
computer, and holds back what would not fit into memory. All computers must see the same folders under the same paths.
"""

import contextlib
import importlib.util
import logging
import os
import pickle
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .checks import InputError, OutOfTime, check_choice, check_range, check_whole
from .cores import thread_variables, usable_cores
from .paths import cache_root, data_root, models_root, project_root, reports_root
from .quiet import quiet_stderr

CLUSTERS = ("ray",)
ADDRESS = "RAY_ADDRESS"
# How often a task is started in all if its process is killed.
ATTEMPTS = 3
# Variables of this process that the tasks get, too: what decides how they compute, and where things are.
_HANDED_ON = ("FER_TF_", "KERAS_", "TF_", "XLA_", "JAX_")
_SECONDS = 10  # to wait for an answer from the cluster's address
_STARTS = 3  # Ray gives its own processes 15 seconds to start, which a busy computer may not keep


class LostTask(Exception):
    """The process of a task was ended from outside, as often as a task is started."""


class StoppedTask(Exception):
    """A task ended because it was stopped."""


@dataclass(frozen=True)
class Share:
    """What one task gets of a computer.

    Attributes:
        threads: cores, at least 1; it computes with this number of threads.
        gpus: graphics cards, at least 0. 0.5 lets two tasks share a card. Without a card it sees none.
    Raises: `InputError` for values out of range.
    """

    threads: int = 1
    gpus: float = 0.0

    def __post_init__(self) -> None:
        check_whole("threads", self.threads, 1)
        check_range("gpus", self.gpus, 0)

    @property
    def resources(self) -> dict[str, float]:
        """The share as Ray's resources."""
        return {"CPU": self.threads, "GPU": self.gpus}


def check_options(cluster: str | None, threads: int | None, gpus: float | None) -> Share:
    """The `Share` that options of the command line mean; None for a default.

    Raises: `InputError` for an unknown cluster, for one whose package is not installed, and for threads or gpus without
        a cluster.
    """
    if cluster is None and (threads is not None or gpus is not None):
        raise InputError("threads, gpus: can only be used with --cluster; they are what each of its tasks gets")
    if cluster is not None:
        check_installed(cluster)
    return Share(threads or 1, gpus or 0.0)


def check_installed(cluster: str) -> None:
    """Raises `InputError` for an unknown cluster, and for one whose package is not installed."""
    check_choice("cluster", cluster, CLUSTERS)
    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("ray.data") is None:
        raise InputError('cluster: ray needs a package of its own: pip install -e ".[cluster]" (see CLUSTER.md)')


def need_file(path: str | Path, what: str) -> None:
    """Raises `InputError` in a task whose computer does not see a file that the caller has just written.

    Args:
        path: the file.
        what: what is in its folder, for the message.
    """
    if not Path(path).is_file():
        raise InputError(
            f"cluster: the computer {socket.gethostname()} does not see {path}; put {what} into a folder that all "
            "computers of the cluster share, under the same path"
        )


class Task:
    """A function that runs on a cluster. Get it from `Cluster.start`."""

    def __init__(self, reference: Any) -> None:
        self._reference = reference

    def is_done(self) -> bool:
        """True if `result` returns at once."""
        import ray

        return bool(ray.wait([self._reference], timeout=0)[0])

    def result(self) -> Any:
        """What the function returned; waits for it.

        Raises: what the function raised; `LostTask`; `StoppedTask`; `InputError` if its computer lacks a package.
        """
        import ray

        try:
            return ray.get(self._reference)
        except ray.exceptions.TaskCancelledError:
            raise StoppedTask from None
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RaySystemError as error:  # its computer cannot import what it needs
            raise _lacking(_first_line(error)) from None
        except ray.exceptions.RayError as error:  # its process or its computer was lost
            raise LostTask(_first_line(error)) from None

    def stop(self, by_force: bool = False) -> None:
        """Stops the function as Ctrl-C would, or by ending its process."""
        import ray

        ray.cancel(self._reference, force=by_force)


class Cluster:
    """A connection to a cluster. Get one from `connected`.

    Attributes:
        share: what each task gets.
    """

    def __init__(self, share: Share) -> None:
        self.share = share

    def size(self) -> int:
        """How many tasks run at the same time on the computers that are there now; at least 1."""
        return max(1, sum(_fitting(node, self.share) for node in _nodes()))

    def shared(self, value: Any) -> Any:
        """A value that many tasks get as an argument, sent to each computer once."""
        import ray

        return ray.put(value)

    def start(self, function: Callable, *arguments: Any, attempts: int = ATTEMPTS, is_alone: bool = False) -> Task:
        """Starts a function as a task.

        If its process or its computer is killed, it starts again, if possible elsewhere.

        Args:
            function: a function of a module.
            arguments: values, or what `shared` returned.
            attempts: how often it is started in all.
            is_alone: its process runs nothing else before or after.
        """
        import ray

        options = {"num_cpus": self.share.threads, "num_gpus": self.share.gpus, "max_retries": attempts - 1}
        if is_alone:
            options["max_calls"] = 1
        remote = ray.remote(**options)(_in_folder)
        return Task(remote.options(name=function.__name__).remote(os.getcwd(), function, *arguments))

    def wait(self, tasks: Sequence[Task]) -> list[Task]:
        """Waits until some of the tasks are done; returns those."""
        import ray

        by_reference = {task._reference: task for task in tasks}
        done, _ = ray.wait(list(by_reference), num_returns=1)
        return [by_reference[reference] for reference in done]

    def each(
        self, make: type, arguments: dict[str, Any], parts: Sequence[Any], workers: int | None = None
    ) -> Iterator[Any]:
        """Runs an object's call on each part through Ray Data; the objects live as long as there are parts.

        A part whose process was killed is computed again. Parts wait until somebody takes the results.

        Args:
            make: a class of a module; its objects take one part and return the result.
            arguments: for the class; once in each process.
            parts: the parts, of any type.
            workers: largest number of processes; None for as many as fit.
        Yields: the results as they come, in any order.
        Raises: what the class or its objects raise; `OutOfTime` if the cluster itself or too many processes are lost.
        """
        import ray

        if not parts:
            return
        _quiet_ray_data()
        most = min(len(parts), workers or self.size())
        rows = [{"part": pickle.dumps(part)} for part in parts]
        results = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            _Each,
            fn_constructor_args=(os.getcwd(), pickle.dumps((make, arguments))),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most, initial_size=most),
            num_cpus=self.share.threads,
            num_gpus=self.share.gpus,
        )
        try:
            for row in results.iter_rows():
                result = pickle.loads(row["result"])
                if row["has_failed"]:
                    raise result
                yield result
        except ray.exceptions.RayError as error:
            raise OutOfTime(f"cluster: processes were ended from outside ({_first_line(error)})") from None


@contextlib.contextmanager
def connected(cluster: str | None, share: Share | None = None) -> Iterator[Cluster | None]:
    """Connects to the cluster at $RAY_ADDRESS, or starts one on this computer's cores; ends the connection afterwards.

    Args:
        cluster: one of `CLUSTERS`; None for no cluster, which gives None.
        share: what each task gets; None for one core.
    Raises: `InputError` if the package is missing, the address does not answer, or no computer has as much.
    """
    if cluster is None:
        yield None
        return
    check_installed(cluster)
    share = share or Share()
    address = os.environ.get(ADDRESS) or "local"
    _check_address(address)
    _connect(address, share)
    try:
        _check_room(address, share)
        yield Cluster(share)
    finally:
        import ray

        ray.shutdown()


def _connect(address, share):
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray sends usage statistics
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # notes in the middle of a command
    import ray

    is_local = address == "local"
    own = {"num_cpus": len(usable_cores()), "include_dashboard": False} if is_local else {}
    environment = {"py_modules": [str(_package())], "env_vars": _variables(share)}
    for left in reversed(range(_STARTS if is_local else 1)):
        try:
            with quiet_stderr():  # notes on what it starts; why it fails is in the error
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment, **own)
            return
        except Exception as error:  # Ray raises errors of any type, plain `Exception` among them
            ray.shutdown()  # ends what it has started
            what = "start on this computer" if is_local else f"connect to {address} ({ADDRESS})"
            hint = "" if is_local else "; a cluster that was started with a token needs RAY_AUTH_MODE=token here, too"
            if not left:
                raise InputError(f"cluster: Ray cannot {what}: {_first_line(error)}{hint}") from None


def _package():
    """The folder of the package. It is sent to all computers, so they run the code of this one."""
    return Path(__file__).resolve().parent.parent


def _variables(share):
    """The environment of all tasks: the settings of this process, its folders, and the number of threads."""
    variables = {key: value for key, value in os.environ.items() if key.startswith(_HANDED_ON)}
    folders = {"PROJECT": project_root(), "DATA": data_root(), "REPORTS": reports_root(), "MODELS": models_root()}
    folders["CACHE"] = cache_root()
    variables |= {f"FER_TF_{name}": os.path.abspath(folder) for name, folder in folders.items()}
    variables |= thread_variables(share.threads)
    if not share.gpus:  # a task that asked for no card would use the first one
        variables["CUDA_VISIBLE_DEVICES"] = ""
    if share.gpus % 1:  # else the first task takes all memory of the card
        variables |= {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return variables


def _check_address(address):
    """Raises `InputError` for an address that Ray would wait for without end."""
    if address in ("local", "auto"):
        return
    host, _, port = address.rpartition(":")
    if "/" in address or not host or not port.isdecimal():
        raise InputError(
            f"{ADDRESS}: must be HOST:PORT of the cluster's head as `ray start` prints it (10.0.0.5:6379), auto or "
            f"local; received {address!r}"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{ADDRESS}: {address} does not answer ({reason}); start the cluster's head there with `ray start --head`, "
            "or unset the variable for a cluster on this computer"
        ) from None


def _nodes():
    """The resources of each computer that is there."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _fitting(resources, share):
    """How many tasks fit on a computer at the same time."""
    needed = {name: value for name, value in share.resources.items() if value}
    return min(int(resources.get(name, 0) / value + 1e-9) for name, value in needed.items())


def _check_room(address, share):
    nodes = _nodes()
    if any(_fitting(node, share) for node in nodes):
        return
    had = "; ".join(f"{node.get('CPU', 0):g} cores, {node.get('GPU', 0):g} GPUs" for node in nodes)
    wanted = f"{share.threads} cores and {share.gpus:g} GPUs"
    text = f"threads, gpus: no computer of the cluster has {wanted} (there are: {had})"
    if address == "local":
        raise InputError(text)
    # a cluster of a cloud may start such a computer when a task waits for it
    print(f"note: {text}; the tasks wait until one joins", file=sys.stderr, flush=True)


def _in_folder(folder, function, *arguments):
    _enter(folder)
    return function(*arguments)


def _enter(folder):
    """Enters the caller's working directory, so that relative paths mean the same files."""
    try:
        os.chdir(folder)
    except OSError:
        raise InputError(
            f"cluster: the computer {socket.gethostname()} has no folder {folder}; start the command in a folder that "
            "all computers of the cluster share, under the same path"
        ) from None


class _Each:
    """Calls an object for each row of a Ray dataset. What it raises is a result, too: Ray Data keeps its text only."""

    def __init__(self, folder, made_of):
        self.call, self.error = None, None
        try:
            _enter(folder)
            make, arguments = pickle.loads(made_of)
            self.call = make(**arguments)
        except ImportError as error:
            self.error = _lacking(error)
        except Exception as error:  # whatever it is, the caller gets it
            self.error = error

    def __call__(self, row):
        try:
            if self.error:
                raise self.error
            return {"result": pickle.dumps(self.call(pickle.loads(row["part"]))), "has_failed": False}
        except Exception as error:  # whatever it is, the caller gets it
            return {"result": pickle.dumps(error), "has_failed": True}


def _lacking(fault):
    text = f"cluster: a computer cannot run the task ({fault}); all computers need the packages of requirements.txt"
    return InputError(text)


def _first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _quiet_ray_data():
    """Hides Ray Data's bars and notes; the commands have their own."""
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
