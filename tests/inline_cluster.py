"""A cluster without Ray: its tasks run in this process when somebody waits for them, the last started first."""

import pickle

from fer_tf.common.cluster import Cluster, LostTask, Share, StoppedTask, Task


class InlineTask(Task):
    def __init__(self, call, faults):
        self.call, self.faults, self.ended = call, faults, None

    def is_done(self):
        return self.ended is not None

    def run(self):
        if self.ended is None:
            fault = self.faults.pop(0) if self.faults else None
            try:
                self.ended = ("raise", fault) if fault else ("return", self.call())
            except Exception as error:
                self.ended = ("raise", error)

    def result(self):
        self.run()
        how, what = self.ended
        if how == "raise":
            raise what
        return what

    def stop(self, by_force=False):
        self.ended = ("raise", StoppedTask())


class InlineCluster(Cluster):
    """See above.

    Args:
        share: what each task gets.
        lost: as many tasks, the first ones, are lost; a number.

    Attributes:
        started: what was started, a list of (function, arguments).
        parts: the parts of all calls of `each`.
    """

    def __init__(self, share=None, lost=0):
        super().__init__(share or Share())
        self.faults = [LostTask("killed")] * lost
        self.started, self.parts = [], []

    def size(self):
        return 2

    def shared(self, value):
        return value

    def start(self, function, *arguments, attempts=3, is_alone=False):
        self.started.append((function, arguments))
        sent = pickle.loads(pickle.dumps(arguments))  # as between computers
        return InlineTask(lambda: function(*sent), self.faults)

    def wait(self, tasks):
        tasks[-1].run()
        return [tasks[-1]]

    def each(self, make, arguments, parts, workers=None):
        self.parts += parts
        worker = make(**pickle.loads(pickle.dumps(arguments)))
        for part in reversed(parts):
            yield pickle.loads(pickle.dumps(worker(pickle.loads(pickle.dumps(part)))))
