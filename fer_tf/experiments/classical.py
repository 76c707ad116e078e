"""Classical experiments: hand-made features and a support vector machine (`fer-tf classical`). Plain data."""

from dataclasses import asdict, dataclass
from typing import Any

# The largest number of images per split at each size; 0 takes all.
LIMITS = {"full": 0, "quick": 2000, "smoke": 160}


@dataclass(frozen=True)
class ClassicalExperiment:
    """An entry of `CLASSICAL`: the settings of a support vector machine, and what describes it.

    Attributes:
        features: "hog", "lbp" or "sift": a key of `fer_tf.training.classical.FEATURES`, with its usual cells.
        kernel, Cs, gammas, landmarks: see `fer_tf.training.svm.fit_svm`; the best by validation accuracy is taken.
        words: of a bag of words ("sift"), learned from training images; 0 for features that learn nothing.
        image_size: side that pictures are converted to, in gray.
        source: where it comes from.
        claims: ids of the rows of claims.csv that it answers.
    """

    features: str
    kernel: str = "linear"
    Cs: tuple = (0.001, 0.01, 0.1, 1.0)
    gammas: tuple = (1.0,)
    landmarks: int = 0
    words: int = 0
    image_size: int = 48
    source: str = "document [3], related work: hand-made features and a support vector machine"
    claims: tuple = ()

    def settings(self) -> dict[str, Any]:
        """What the run depends on, as a dict."""
        return {key: value for key, value in asdict(self).items() if key not in ("source", "claims")}


# rbf on landmarks: on FER2013 (28,709 × 900) one exact fit would take about a quarter of an hour
CLASSICAL = {
    "hog_svm": ClassicalExperiment("hog"),
    "lbp_svm": ClassicalExperiment("lbp", Cs=(0.01, 0.1, 1.0, 10.0)),
    "hog_svm_rbf": ClassicalExperiment("hog", "rbf", Cs=(1.0, 10.0), landmarks=2000),
    "lbp_svm_rbf": ClassicalExperiment("lbp", "rbf", Cs=(1.0, 10.0), landmarks=2000),
    "sift_svm": ClassicalExperiment(
        "sift",
        words=128,
        Cs=(0.01, 0.1, 1.0),
        source="document [3], table: a bag of SIFT words and a support vector machine, a plain form of Ionescu, "
        "Popescu & Grozea 2013 (fewer words, one machine for all pictures)",
    ),
}
