"""What each model costs: size, arithmetic, an epoch of FER2013, answers a second, memory.

    python benchmarks/models.py                    all models (about a minute each on two cores; VGG16 three)
    python benchmarks/models.py cnn deepfer        these, compared with the first
    python benchmarks/models.py --steps 40 cnn     more timed steps

Every model at its experiment's pictures (48×48×1; document [4]'s and ResNet18 64×64×3; transfer 96 px inside), random
weights, in its own process. Models that are made of a face network need its file in models/. An epoch is not run:
`s/epoch` is the median of the timed training steps at batch 64, times the 449 steps of FER2013's 28,709 training
pictures, without input pipeline and validation, all layers learning. Multiply-adds are of one picture through
convolutions and dense layers, counted by TensorFlow's profiler.
"""

import argparse
import math
import sys

import numpy as np
from _measure import answers_per_second, in_own_process, print_table, report
from training_step import StepClock

BATCH, IMAGES, STEPS, WARM_UP = 64, 28_709, 15, 3
# how a student asks for answers -> function(model) -> function(images) -> probabilities
WAYS = {
    "predict": lambda model: lambda images: model.predict(images, batch_size=len(images), verbose=0),
    "call": lambda model: lambda images: np.asarray(model(images)),
    "compiled": lambda model: model.predict_on_batch,
}
BATCHES = (1, 256)
COUNTED = ["Conv2D", "Conv2DBackpropInput", "DepthwiseConv2dNative", "MatMul"]


def main(arguments):
    from fer_tf.common.quiet import import_keras

    import_keras()
    names = arguments.models or trained_models()
    unknown = sorted(set(names) - set(trained_models()))
    if unknown:
        raise SystemExit(f"models: unknown {', '.join(unknown)}; allowed are {', '.join(trained_models())}")
    rows = [in_own_process(__file__, name, "--measure", "--steps", arguments.steps) for name in names]
    table = print_table(rows, "s/epoch", names[0], faster="lower")
    print("\nimages a second, times model.predict's at the same batch")
    for batch in BATCHES:
        for way in ("call", "compiled"):
            table[f"{way} x{batch}"] = (table[f"{way} {batch}/s"] / table[f"predict {batch}/s"]).round(1)
    print(table[[column for column in table if " x" in column]].to_string())
    return table


def trained_models():
    """The models that learn by steps, in the order of MODELS."""
    from fer_tf.models import MODELS

    return [name for name in MODELS if name != "majority"]


def experiment_of(name):
    """The first experiment of a model, at full size but with random weights."""
    from dataclasses import replace

    from fer_tf.experiments import EXPERIMENTS

    return replace(next(item for item in EXPERIMENTS.values() if item.model == name), weights="none", jit="auto")


def build(experiment):
    """The experiment's model, and its images' shape."""
    from fer_tf.models import build_model, model_options
    from fer_tf.training.face_nets import open_face_net

    shape = (experiment.image_size or 48, experiment.image_size or 48, experiment.image_channels or 1)
    accepted = model_options(experiment.model)
    options = {key: value for key, value in experiment.settings().items() if key in accepted}
    if "face_net" in options:
        options["face_net"] = open_face_net(experiment.face_net)
    return build_model(experiment.model, shape, 7, **options), shape


def multiply_adds(model, shape):
    """Of one picture, in convolutions and matrix products."""
    import tensorflow as tf

    graph = tf.function(lambda images: model(images)).get_concrete_function(tf.TensorSpec((1, *shape))).graph
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build() | {"account_type_regexes": COUNTED}
    return tf.compat.v1.profiler.profile(graph, options=options, cmd="op").total_float_ops / 2


def seconds_per_step(model, experiment, shape, steps, rng):
    """The median training step, after some that are not counted."""
    import keras

    from fer_tf.training.fitting import compile_model

    compile_model(model, experiment)
    count = BATCH * (steps + WARM_UP)
    images = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    targets = np.eye(7, dtype=np.float32)[rng.integers(7, size=count)]
    clock = StepClock(keras)
    model.fit(images, targets, batch_size=BATCH, epochs=1, verbose=0, shuffle=False, callbacks=[clock.callback])
    return float(np.median(np.diff(clock.times)[WARM_UP - 1 :]))


def measure(name, steps):
    """All figures of one model, printed for `main`."""
    from fer_tf.common.quiet import import_keras

    keras = import_keras()
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    experiment = experiment_of(name)
    model, shape = build(experiment)
    figures = {"input": "x".join(map(str, shape)), "parameters": model.count_params()}
    figures["M multiply-adds"] = round(multiply_adds(model, shape) / 1e6, 1)
    for batch in BATCHES:
        images = rng.integers(0, 256, (batch, *shape), dtype=np.uint8)
        for way, asker in WAYS.items():
            figures[f"{way} {batch}/s"] = round(answers_per_second(asker(model), images), 1)
    step = seconds_per_step(model, experiment, shape, steps, rng)
    report(**figures, **{"ms/step": round(1000 * step, 1), "s/epoch": round(step * math.ceil(IMAGES / BATCH), 1)})


def parsed(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="names of MODELS; default all")
    parser.add_argument("--steps", type=int, default=STEPS, help="timed training steps")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    options = parsed(sys.argv[1:])
    if options.measure:
        measure(options.models[0], options.steps)
    else:
        main(options)
