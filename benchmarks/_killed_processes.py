"""Commands as processes that can be killed, and what they leave running; for `kills.py`.

A command is a fork of a process that has imported everything, so that a kill costs no imports.
"""

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

import psutil  # comes with Jupyter

# Seconds after which a command, or what it has left running, is taken for hanging.
LONGEST = 1800
# Calls after which a command must have ended without an error.
ATTEMPTS = 5


def imported():
    """Imports what the commands need, without starting TensorFlow: its threads do not outlive a fork."""
    from fer_tf.common.quiet import import_keras

    import_keras(wake=False)
    importlib.import_module("papermill")
    for name in ("cli", "predict.predict_files", "training.search", "runs.reproduce", "runs.report", "data.prepare"):
        importlib.import_module(f"fer_tf.{name}")


class Process:
    """A command in a fork of this process, whose output goes to a file.

    Attributes:
        pid: of the fork.
        code: its exit code; None while it runs.
        seconds: of processor time, with all processes that it waited for; of an ended command.
    """

    def __init__(self, words, home):
        self.code, self.seconds = None, 0.0
        self.starts_others = words[0] in ("queue", "reproduce")
        self.pid = os.fork()
        if not self.pid:
            _become(words, home)

    def wait(self, seconds=float("inf")):
        """True once the command has ended; False if it and what it started have used the processor for longer."""
        end = time.monotonic() + LONGEST
        while self.code is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.code, self.seconds = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
            elif self._used() >= seconds:
                return False
            elif time.monotonic() > end:
                raise SystemExit(f"a command takes longer than {LONGEST} seconds")
            else:
                time.sleep(min(0.2, 0.2 * seconds))
        return True

    def _used(self):
        """Seconds of processor time of the command and of all processes that it has started."""
        if not self.starts_others:
            return sum(psutil.Process(self.pid).cpu_times()[:4])
        used = 0.0
        for process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                used += sum(process.cpu_times()[:4])
        return used

    def _all(self):
        own = psutil.Process(self.pid)
        return [own, *own.children(recursive=True)]

    def kill(self, with_children):
        """kill -9, of the command alone or with all processes that it has started."""
        os.kill(self.pid, signal.SIGSTOP)  # it starts nothing more
        for process in self._all() if with_children else [psutil.Process(self.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        os.waitpid(self.pid, 0)


def _become(words, home):
    """Turns a fork into the command; it does not return."""
    log = os.open(home / "log.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.chdir(home)
    os.environ |= {f"FER_TF_{name}": str(home / name.lower()) for name in ("REPORTS", "MODELS", "CACHE")}
    _run(words)


def _run(words):
    """Runs a command line in a fork and ends it."""
    from fer_tf.__main__ import main

    sys.argv, code = ["fer-tf", *words], 1
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


class ForkedRun:
    """A run of a queue as a fork of the queue, with the methods of `subprocess.Popen` that the queue uses."""

    def __init__(self, command, stdout, env, pass_fds, **_):
        self.returncode, self.pid = None, os.fork()
        if self.pid:
            return
        os.setsid()
        for stream in (1, 2):
            os.dup2(stdout.fileno(), stream)
        for number in map(int, os.listdir("/proc/self/fd")):
            if number > 2 and number not in pass_fds:  # the locks of the other runs
                with contextlib.suppress(OSError):
                    os.close(number)
        os.environ.clear()
        os.environ |= env
        _run(command[command.index("fer_tf") + 1 :])

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout=None):
        end = time.monotonic() + (timeout or LONGEST)
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("a run", timeout)
            time.sleep(0.02)
        return self.returncode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def without_new_pythons():
    """Lets queues fork their runs, and notebooks run in the process of `reproduce`."""
    import papermill
    import tensorflow as tf

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    from notebooks.in_process import InProcessEngine

    from fer_tf import plots
    from fer_tf.training import queue

    queue.subprocess = SimpleNamespace(**vars(subprocess) | {"Popen": ForkedRun})
    papermill.engines.papermill_engines._engines[None] = InProcessEngine
    tf.config.run_functions_eagerly(True)  # tracing takes longer than a few small steps
    for name in ("savefig.dpi", "figure.dpi"):
        plots._STYLE[name] = 30


def until_it_ends(words, home):
    """Runs the command until it ends without an error and nothing that it started is left.

    Returns: seconds of processor time of the last call.
    """
    for _ in range(ATTEMPTS):
        while survivors(home):
            time.sleep(0.5)
        process = Process(words, home)
        process.wait()
        if process.code == 0 and not survivors(home):
            return process.seconds
    raise SystemExit(f"{words[0]} does not end: {(home / 'log.txt').read_text()[-2000:]}")


def survivors(home):
    """The processes that work in this folder and were started by a command, also by a killed one."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            is_here = process.cwd() == str(home)
            is_ours = is_here or process.environ().get("FER_TF_REPORTS") == str(home / "reports")
            found += [process] if is_ours and process.status() != psutil.STATUS_ZOMBIE else []
    return found
