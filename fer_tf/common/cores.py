"""The processor's cores, and the number of threads that a process computes with."""

import os

# One of these for each library that computes in threads of its own; they are read when the library starts.
_THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def usable_cores() -> list[int]:
    """Numbers of the cores that this process may use: fewer than the machine has in a container or a cluster's job."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def thread_variables(threads: int) -> dict[str, str]:
    """Environment variables that make a new process compute with this number of threads."""
    return {**dict.fromkeys(_THREAD_VARIABLES, str(threads)), "TF_NUM_INTEROP_THREADS": "1"}
