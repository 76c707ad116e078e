"""At which size a pretrained network wants to see 48 px faces: frozen features at several sizes, one classifier.

    python benchmarks/resolution.py data/raw                       MobileNet with ImageNet's weights, FER2013
    python benchmarks/resolution.py data/raw --images 2000         fewer training pictures

A network that halves its input five times leaves a 48 px picture one or two cells. Here its last map's means are taken
at each size from the same training pictures, a logistic regression is fitted on them, and its accuracy on validation
pictures (PublicTest) and the time of the features are compared. The test split is not read. Needs ImageNet's weights in
Keras's cache or a network.
"""

import argparse
import time

from _measure import in_own_process, print_table, report

# one weights file for all: at 128, 160 and 192 px Keras would take MobileNet's of those sizes
SIDES = (48, 96, 144, 224)


def main(arguments):
    options = ("--data-dir", arguments.data_dir, "--backbone", arguments.backbone, "--images", arguments.images)
    rows = [in_own_process(__file__, side, "--measure", *options) for side in SIDES]
    table = print_table(rows, "ms/picture", SIDES[0], faster="lower")
    best = table["val accuracy"].max()
    enough = table.index[table["val accuracy"] > best - 0.01][0]
    print(f"\nwithin one point of the best: {enough} px")
    return table


def measure(side, arguments):
    """Prints one size's figures."""
    from fer_tf.common.quiet import import_keras

    import_keras()
    import keras
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from fer_tf import data
    from fer_tf.models.backbones import transfer_model

    ds = data.load_dataset("fer2013", arguments.data_dir)
    whole = transfer_model("probe", arguments.backbone, ds.image_shape, 7, "imagenet", side, 0, 0.0, 1.0, 0.0)
    features = keras.Model(whole.input, whole.get_layer("pool").output)
    train, labels = ds.train.sample(arguments.images)
    val, val_labels = ds.val.sample(arguments.images // 2)
    features.predict(train[:64], verbose=0)  # compiled before the clock starts
    started = time.perf_counter()
    known = features.predict(train, batch_size=64, verbose=0)
    seconds = time.perf_counter() - started
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)).fit(known, labels)
    accuracy = classifier.score(features.predict(val, batch_size=64, verbose=0), val_labels)
    cells = "×".join(map(str, whole.get_layer("backbone").output_shape[1:3]))
    figures = {"map": cells, "val accuracy": round(accuracy, 4), "ms/picture": round(1e3 * seconds / len(train), 2)}
    report(**figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", nargs="?", default="data/raw", help="folder with fer2013/")
    parser.add_argument("--backbone", default="MobileNet", help="a name of keras.applications")
    parser.add_argument("--images", type=int, default=6000, help="training pictures; half as many for validation")
    parser.add_argument("--data-dir", dest="named_dir", help=argparse.SUPPRESS)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        side, chosen.data_dir = int(chosen.data_dir), chosen.named_dir
        measure(side, chosen)
    else:
        main(chosen)
