"""A fit that trains nothing, for tests of searches."""

import numpy as np
from fixtures import history_of

from fer_tf.training import trials


class FakeFit:
    """Replaces `fitting.fit`: writes a history that depends on settings and seed alone; may fail or be interrupted."""

    def __init__(self, stop_after=None, fails=lambda experiment: False):
        self.trained, self.stop_after, self.fails = [], stop_after, fails

    def __call__(self, training_data, experiment, seed, progress):
        if len(self.trained) == self.stop_after:
            raise KeyboardInterrupt
        self.trained.append(experiment)
        if self.fails(experiment):
            raise RuntimeError("out of memory\nmore text")
        rng = np.random.default_rng(int(1000 * experiment.learning_rate) + experiment.batch_size + 10_000 * seed)
        history = history_of(*rng.random(experiment.epochs), accuracies=list(rng.random(experiment.epochs)))
        end = trials.epochs_within(history, experiment)
        progress.directory.mkdir(parents=True, exist_ok=True)
        history[:end].to_csv(progress.directory / "history.csv", index=False)
        return None, {"parameters": 7}
