"""Executes a notebook in this process: TensorFlow is imported once for all chapters instead of once in each kernel."""

import contextlib
import os

import nbformat
import papermill
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from papermill.engines import Engine


class Shell(InteractiveShell):
    """IPython without a terminal or a kernel."""

    def enable_gui(self, gui=None):
        """Does nothing: `%matplotlib inline` needs no window."""


class InProcessEngine(Engine):
    """A papermill engine without a kernel. Cells see what a kernel's cells see: IPython, its magics and its display."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        """Runs all cells; stops at the first that fails, with its error among the cell's outputs as a kernel does."""
        Shell.clear_instance()
        shell, folder = Shell.instance(colors="NoColor"), os.getcwd()
        os.chdir(kwargs.get("cwd") or folder)
        try:
            for number, cell in enumerate(nb_man.nb.cells):
                nb_man.cell_start(cell, number)
                failed = cell.cell_type == "code" and not _run(shell, cell, kwargs.get("stdout_file"))
                (nb_man.cell_exception if failed else nb_man.cell_complete)(cell, number)
                if failed:
                    return
        finally:
            os.chdir(folder)
            Shell.clear_instance()
            _close_figures()


def _run(shell, cell, stdout_file):
    """Runs one code cell and stores its outputs; False if it raised."""
    with capture_output() as captured:
        result = shell.run_cell(cell.source, store_history=True)
    cell.outputs = []
    if captured.stdout:
        cell.outputs.append(nbformat.v4.new_output("stream", name="stdout", text=captured.stdout))
        if stdout_file is not None:
            stdout_file.write(captured.stdout)
    for shown in captured.outputs:
        cell.outputs.append(nbformat.v4.new_output("display_data", data=shown.data, metadata=shown.metadata or {}))
    error = result.error_before_exec or result.error_in_exec
    if error is not None:
        about = {"ename": type(error).__name__, "evalue": str(error), "traceback": [repr(error)]}
        cell.outputs.append(nbformat.v4.new_output("error", **about))
    return error is None


def _close_figures():
    with contextlib.suppress(ImportError):
        import matplotlib.pyplot as plt

        plt.close("all")


def use(monkeypatch):
    """Lets papermill use this engine until the test ends.

    Small runs are executed without compiling: tracing a net's graph takes longer than the few steps of a smoke run.
    Other tests train with graphs. All figures are drawn, with fewer pixels.
    """
    import tensorflow as tf

    from fer_tf import plots

    monkeypatch.setitem(papermill.engines.papermill_engines._engines, None, InProcessEngine)
    for name in ("savefig.dpi", "figure.dpi"):
        monkeypatch.setitem(plots._STYLE, name, 40)
    tf.config.run_functions_eagerly(True)


def stop():
    """Functions are compiled again."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(False)
