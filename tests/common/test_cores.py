"""Which cores a process may use, and how many threads it computes with."""

import os

from fer_tf.common.cores import thread_variables, usable_cores


def test_cores_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5, 2}, raising=False)
    assert usable_cores() == [2, 5]
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == [0]


def test_every_library_with_threads_of_its_own_is_told_their_number():
    variables = thread_variables(3)
    assert {variables[name] for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")} == {"3"}
