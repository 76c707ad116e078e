"""A run of a queue as a task of a cluster."""

import contextlib
import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

from ..common.checks import InputError
from ..common.cluster import Cluster, LostTask, StoppedTask, Task, need_file

_LOOKED_AT = 0.1  # seconds between two looks at a run that is waited for
_INTERRUPTED = 130


class ClusterRun:
    """A run as a task of a cluster, with the methods of `subprocess.Popen` that the queue uses.

    It is a process of its own on one of the computers, which ends with its task. The queue restarts a killed run and
    counts the attempts.

    Args:
        cluster: the cluster.
        command: the words after `python -m fer_tf`.
        log: the file for all that it prints.
        lock: a file that its computer must see, next to the log.
        environment: variables of the run.
        nice: added to its niceness.

    Attributes:
        returncode: its exit code, negative for a signal; None while it runs.
    """

    def __init__(
        self, cluster: Cluster, command: list[str], log: Path, lock: Path, environment: dict[str, str], nice: int
    ) -> None:
        self.log = log
        self.returncode: int | None = None
        arguments = (command, os.path.abspath(log), os.path.abspath(lock), environment, nice)
        self._task = cluster.start(run_command, *arguments, attempts=1, is_alone=True)

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        if self.returncode is None and self._task.is_done():
            self.returncode = self._code(self._task)
        return self.returncode

    def _code(self, task: Task) -> int:
        try:
            return task.result()
        except StoppedTask:
            return _INTERRUPTED
        except LostTask as error:
            fault, code = str(error), -signal.SIGKILL
        except InputError as error:
            fault, code = f"error: {error}", 2
        except Exception as error:  # whatever it is, the other runs go on
            fault, code = f"{type(error).__name__}: {error}", 1
        with open(self.log, "a", encoding="utf-8") as file:  # where the queue looks for the reason
            file.write(f"{fault}\n")
        return code

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end; raises `subprocess.TimeoutExpired` after `timeout` seconds (None: no limit)."""
        until = float("inf") if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if timeout is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired("a run on a cluster", timeout)
            time.sleep(_LOOKED_AT)
        return code

    def send_signal(self, number: int) -> None:
        """Stops it as Ctrl-C would, whatever the number."""
        self._task.stop()

    def terminate(self) -> None:
        """Stops it as Ctrl-C would."""
        self._task.stop()

    def kill(self) -> None:
        """Ends its process."""
        self._task.stop(by_force=True)


def run_command(command: list[str], log: str, lock: str, environment: dict[str, str], nice: int) -> int:
    """Runs a command of the kit in this process, with its output in a file; returns its exit code.

    Args:
        command: the words after `python -m fer_tf`.
        log, lock, environment, nice: see `ClusterRun`.
    Raises: `InputError` if this computer does not see the folder of the log.
    """
    need_file(lock, "reports (FER_TF_REPORTS)")
    os.environ |= environment
    with contextlib.suppress(OSError, AttributeError):
        os.nice(nice)
    with open(log, "a", encoding="utf-8", buffering=1) as file:
        for stream in (1, 2):  # also what libraries in C write
            os.dup2(file.fileno(), stream)
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            return _exit_code(command)


def _exit_code(command):
    sys.argv = ["fer-tf", *command]
    try:
        runpy.run_module("fer_tf", run_name="__main__", alter_sys=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # as in a process of its own: the reason is in the log
        traceback.print_exc()
        return 1
    return 0
