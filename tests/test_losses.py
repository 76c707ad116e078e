"""Losses against their formulas, and a net trained with the hinge that still gives probabilities."""

import keras
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.experiments import resolve
from fer_tf.losses import Distillation, LabelAccuracy, MultiTarget, SquaredHinge, classification_loss, concordance_loss
from fer_tf.saving import load_model


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def numpy_hinge(targets, scores):
    """Tang 2013, eq. 5 and 9, for one-hot targets: Σ_c max(0, 1 − t_c s_c)², t = ±1, mean over the images."""
    return np.mean(np.sum(np.maximum(0, 1 - (2 * targets - 1) * scores) ** 2, axis=1))


@pytest.fixture
def one_hot(rng):
    return np.eye(7, dtype=np.float32)[rng.integers(7, size=12)]


@pytest.fixture
def soft(rng):
    """Votes as FER+ has them: rows sum to one."""
    return rng.dirichlet(np.ones(7), 12).astype(np.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["one_hot", "soft"])
def test_crossentropy_against_the_formula(kind, smoothing, rng, request):
    """Smoothing moves a share of the target equally to all classes (Szegedy 2016); soft votes are taken as they are."""
    targets, probabilities = request.getfixturevalue(kind), softmax(rng.normal(0, 2, (12, 7)))
    smoothed = targets * (1 - smoothing) + smoothing / 7
    expected = -np.mean(np.sum(smoothed * np.log(probabilities), axis=1))
    found = classification_loss(smoothing)(targets, probabilities.astype(np.float32))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_soft_targets_are_matched_best_by_themselves(soft):
    """Training against votes must have the votes as its aim, not the majority."""
    loss, aside = classification_loss(), soft[:, ::-1]
    best = float(loss(soft, soft))
    assert best < float(loss(soft, 0.9 * soft + 0.1 * aside)) < float(loss(soft, aside))
    sharp = np.eye(7, dtype=np.float32)[soft.argmax(axis=1)] * 0.94 + 0.01
    assert best < float(loss(soft, sharp / sharp.sum(axis=1, keepdims=True)))


def test_squared_hinge_against_the_formula(one_hot, rng):
    scores = rng.normal(0, 2, (12, 7))
    found = classification_loss(loss="squared_hinge")(one_hot, scores.astype(np.float32))
    assert float(found) == pytest.approx(numpy_hinge(one_hot, scores), rel=1e-5)


def test_squared_hinge_is_zero_beyond_the_margin_only(one_hot):
    wide = 4.0 * one_hot - 2.0
    assert float(SquaredHinge()(one_hot, wide)) == 0
    assert float(SquaredHinge()(one_hot, wide / 4)) == pytest.approx(7 * 0.25)


def test_squared_hinge_weighs_soft_targets_by_their_share(one_hot, rng):
    """Mixup's and FER+'s targets: the loss is linear in them."""
    scores, loss = rng.normal(0, 1, (12, 7)).astype(np.float32), SquaredHinge()
    mixed = float(loss(0.3 * one_hot + 0.7 * one_hot[::-1], scores))
    assert mixed == pytest.approx(
        0.3 * float(loss(one_hot, scores)) + 0.7 * float(loss(one_hot[::-1], scores)), rel=1e-5
    )


def numpy_multitarget(targets, probabilities):
    """Barsoum 2016: the best of the right classes counts, −log max_c I(y_c > 0) p_c, picture by picture."""
    chosen = [max(row[target > 0]) for row, target in zip(probabilities, targets, strict=True)]
    return -np.mean(np.log(chosen))


@pytest.fixture
def several_right(rng):
    """Votes of one to three emotions with at least 30 % each."""
    votes = np.zeros((12, 7))
    for row in votes:
        row[rng.choice(7, rng.integers(1, 4), replace=False)] = rng.integers(3, 6)
    return (votes / votes.sum(axis=1, keepdims=True)).astype(np.float32)


def test_multitarget_against_the_formula(several_right, rng):
    probabilities = softmax(rng.normal(0, 2, (12, 7)))
    assert (np.count_nonzero(several_right, axis=1) > 1).any()
    found = classification_loss(loss="multitarget")(several_right, probabilities.astype(np.float32))
    assert float(found) == pytest.approx(numpy_multitarget(several_right, probabilities), rel=1e-5)


def test_multitarget_is_crossentropy_for_one_right_class(one_hot, rng):
    probabilities = softmax(rng.normal(0, 2, (12, 7))).astype(np.float32)
    plain = float(classification_loss()(one_hot, probabilities))
    assert float(MultiTarget()(one_hot, probabilities)) == pytest.approx(plain, rel=1e-5)


def test_multitarget_is_content_with_any_right_class(several_right):
    """Whichever of its emotions the model is sure of, and however few of its votes it has."""
    for pick in (np.argmax, lambda row: np.flatnonzero(row)[-1]):
        sure = np.eye(7, dtype=np.float32)[[pick(row) for row in several_right]]
        assert float(MultiTarget()(several_right, sure)) == pytest.approx(0, abs=1e-5)


def test_a_confident_wrong_answer_is_never_pushed_further():
    """As it would be if wrong classes counted a thousandth: their gradient is zero, the right one's is not."""
    tf = pytest.importorskip("tensorflow")
    outputs = tf.constant([[0.9998, 1e-4, 1e-4]])
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        value = MultiTarget()(np.array([[0, 1, 0]], np.float32), outputs)
    gradient = tape.gradient(value, outputs).numpy()[0]
    assert gradient[0] == gradient[2] == 0
    assert gradient[1] < 0


@pytest.mark.parametrize("loss", ["crossentropy", "squared_hinge", "multitarget"])
def test_gradients_match_finite_differences(loss, one_hot, rng):
    tf = pytest.importorskip("tensorflow")
    function = classification_loss(loss=loss)
    outputs = rng.normal(0, 2, (12, 7)) if loss == "squared_hinge" else softmax(rng.normal(0, 1, (12, 7)))
    outputs = tf.constant(outputs, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        value = function(one_hot, outputs)
    gradient, outputs = tape.gradient(value, outputs).numpy(), outputs.numpy().astype(np.float64)

    def reading(outputs):
        if loss == "squared_hinge":
            return numpy_hinge(one_hot, outputs)
        if loss == "multitarget":
            return numpy_multitarget(one_hot, outputs)
        # Keras divides by the rows' sums first, so a step off the simplex counts as one on it
        return -np.mean(np.sum(one_hot * np.log(outputs / outputs.sum(axis=1, keepdims=True)), axis=1))

    for place in [(0, 0), (3, 5), (7, int(one_hot[7].argmax())), (11, 6)]:
        step = np.zeros_like(outputs)
        step[place] = 1e-6
        expected = (reading(outputs + step) - reading(outputs - step)) / 2e-6
        assert gradient[place] == pytest.approx(expected, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "hinge"}, "loss: allowed are crossentropy, squared_hinge, multitarget; received 'hinge'"),
        ({"label_smoothing": 1.5}, "label_smoothing: must be a number >= 0 and <= 1; received 1.5"),
        (
            {"label_smoothing": 0.1, "loss": "squared_hinge"},
            "label_smoothing: must be 0 with loss squared_hinge; received 0.1",
        ),
        (
            {"label_smoothing": 0.1, "loss": "multitarget"},
            "label_smoothing: must be 0 with loss multitarget; received 0.1",
        ),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        classification_loss(**arguments)


def test_loss_is_kept_through_a_config():
    for kind in (SquaredHinge, MultiTarget):
        loss = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(kind()))
        assert isinstance(loss, kind)


def test_a_net_trained_by_the_hinge_gives_probabilities(fresh_home):
    """It learns on scores, but what is saved must end in the softmax like every model of the kit."""
    from fer_tf.training import run_experiment

    overrides = {"loss": "squared_hinge", "epochs": 4, "width": 0.25, "rotation": 0.0, "zoom": 0.0, "flip": False}
    assert resolve("cnn", "smoke", overrides).loss == "squared_hinge"
    run = run_experiment("cnn", dataset_options={"count": 400}, size="smoke", verbose=False, **overrides)
    assert run.record["settings"]["loss"] == "squared_hinge"
    history = run.history
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    assert history["val_loss"].iloc[0] > 1
    model = load_model(run.model_path)
    assert model.layers[-1].name == "probabilities"
    probabilities = run.predictions[run.record["class_names"]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-4)
    assert probabilities.min() >= 0
    # what was selected on is what is evaluated
    assert history["val_accuracy"].max() == pytest.approx(run.metrics["val"]["accuracy"], abs=1e-6)


@pytest.mark.parametrize(("share", "temperature", "smoothing"), [(0.0, 1.0, 0.1), (0.5, 1.5, 0.0), (1.0, 3.0, 0.0)])
def test_distillation_against_the_formula(share, temperature, smoothing, one_hot, rng):
    """(1 − λ)·CE(y, p) + λ·T²·KL(q_T ‖ p_T), from the scores and not from the probabilities."""
    student, teacher = rng.normal(0, 2, (2, 12, 7))
    smoothed = one_hot * (1 - smoothing) + smoothing / 7
    entropy = -np.sum(smoothed * np.log(softmax(student)), axis=1)
    q, p = softmax(teacher / temperature), softmax(student / temperature)
    divergence = np.sum(q * (np.log(q) - np.log(p)), axis=1)
    expected = np.mean((1 - share) * entropy + share * temperature**2 * divergence)
    both = np.concatenate([one_hot, softmax(teacher)], axis=1).astype(np.float32)
    found = classification_loss(smoothing, teacher=(share, temperature))(both, softmax(student).astype(np.float32))
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_a_student_that_answers_as_its_teacher_has_no_divergence(soft, one_hot):
    both = np.concatenate([one_hot, soft], axis=1)
    assert float(Distillation(1.0, 2.0)(both, soft)) == pytest.approx(0, abs=1e-5)


def test_without_answers_distillation_is_crossentropy(one_hot, rng):
    """As in validation, where the labels alone count."""
    probabilities = softmax(rng.normal(0, 2, (12, 7))).astype(np.float32)
    found, plain = classification_loss(teacher=(0.7, 2.0)), classification_loss()
    assert float(found(one_hot, probabilities)) == pytest.approx(float(plain(one_hot, probabilities)), rel=1e-6)


def test_accuracy_looks_at_the_labels_and_not_at_the_teacher(one_hot):
    wrong = np.roll(one_hot, 1, axis=1)
    metric = LabelAccuracy()
    metric.update_state(np.concatenate([one_hot, wrong], axis=1), one_hot)
    assert float(metric.result()) == 1.0


def test_a_teacher_goes_with_crossentropy_only():
    with pytest.raises(InputError, match="loss with a teacher: allowed are crossentropy; received 'squared_hinge'"):
        classification_loss(loss="squared_hinge", teacher=(0.5, 1.0))


def test_concordance_loss_against_the_formula(rng):
    """Lin 1989 and the MSE, for values that are all known; `tests/layers/test_concordance.py` has the others."""
    x, y = rng.uniform(-1, 1, (2, 20))
    ccc = 2 * np.mean((x - x.mean()) * (y - y.mean())) / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    found = float(concordance_loss(x[:, None], y[:, None], np.ones((20, 1))))
    assert found == pytest.approx(np.mean((x - y) ** 2) + 1 - ccc, rel=1e-5)
