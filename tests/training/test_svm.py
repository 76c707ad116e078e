"""HOG, LBP and support vector machines: features against their definitions, and selection that never sees test."""

import numpy as np
import pytest
from sklearn.svm import SVC

from fer_tf.common.checks import InputError
from fer_tf.data.base import ArrayImages, Split
from fer_tf.training import svm
from fer_tf.training.svm import fit_svm, hog_features, lbp_features


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (5, 48, 48, 1), dtype=np.uint8)


@pytest.fixture
def clouds(rng):
    """Three overlapping clouds in four dimensions: features float [240, 4], labels int [240]."""
    labels = np.arange(240) % 3
    return (rng.normal(0, 1, (240, 4)) + 1.5 * np.eye(3, 4)[labels]).astype(np.float32), labels


def test_hog_of_an_edge_points_across_it():
    """Blocks over a vertical edge have all their weight in the horizontal gradient's bins, flat ones have none."""
    picture = np.zeros((1, 48, 48, 1), np.uint8)
    picture[:, :, 24:] = 255
    blocks = hog_features(picture).reshape(5, 5, 4, 9)  # OpenCV walks over columns of blocks first
    assert np.abs(blocks[[0, 4]]).max() == 0
    edge = blocks[2].reshape(-1, 9)
    assert (edge[:, [0, 8]].sum(axis=1) > 0.99 * edge.sum(axis=1)).all()
    assert edge.sum() > 0


def test_hog_does_not_depend_on_contrast(images):
    """Each block is normalised: a darker picture of the same face is the same to it."""
    dim = (images // 2).astype(np.uint8)
    even = (dim * 2).astype(np.uint8)
    np.testing.assert_allclose(hog_features(dim), hog_features(even), atol=0.02)
    assert hog_features(images).shape == (5, 900)
    assert hog_features(images).dtype == np.float32


def numpy_pattern(image, row, column):
    """A pixel's eight neighbours on the circle of radius one, bilinear: 1 where not darker (Ojala 2002, eq. 9)."""
    bits = []
    for angle in 2 * np.pi * np.arange(8) / 8:
        y, x = row - np.sin(angle), column + np.cos(angle)
        top, left = int(np.floor(np.round(y, 5))), int(np.floor(np.round(x, 5)))
        dy, dx = np.round(y, 5) - top, np.round(x, 5) - left
        patch = image[top : top + 2, left : left + 2].astype(float)
        value = np.array([1 - dy, dy]) @ patch @ np.array([1 - dx, dx])
        bits.append(int(value >= image[row, column]))
    return bits


def test_lbp_counts_uniform_patterns_cell_by_cell(rng):
    """One share of each inner cell is all patterns with more than two changes (Ojala 2002): count them by hand."""
    image = rng.integers(0, 256, (24, 24), dtype=np.uint8)
    shares = lbp_features(image[None, ..., None]).reshape(3, 3, 59)
    np.testing.assert_allclose(shares.sum(axis=2), 1, rtol=1e-6)
    patterns = [numpy_pattern(image, row, column) for row in range(8, 16) for column in range(8, 16)]
    changes = [sum(one != two for one, two in zip(bits, bits[1:] + bits[:1], strict=True)) for bits in patterns]
    assert shares[1, 1, 58] == pytest.approx(np.mean(np.array(changes) > 2))
    all_set = np.mean([sum(bits) == 8 for bits in patterns])
    assert all_set in np.round(shares[1, 1], 6)


def test_lbp_does_not_depend_on_light(images):
    darker = (images // 4 + 20).astype(np.uint8)
    brighter = (darker + 100).astype(np.uint8)
    np.testing.assert_array_equal(lbp_features(darker), lbp_features(brighter))


@pytest.mark.parametrize("describe", [hog_features, lbp_features])
def test_a_picture_does_not_depend_on_its_company_or_batch(describe, images, monkeypatch):
    together = describe(images)
    np.testing.assert_array_equal(describe(images[2:3])[0], together[2])
    monkeypatch.setattr(svm, "BATCH", 2)
    split = Split(ArrayImages(images), np.array([4, 1, 2]), np.zeros(3, int), ("anger",))
    np.testing.assert_array_equal(describe(split), together[[4, 1, 2]])
    np.testing.assert_allclose(describe(np.repeat(images, 3, axis=-1)), together, atol=1e-6)
    assert describe(images[:0]).shape == (0, together.shape[1])


@pytest.mark.parametrize("shape", [(2, 50, 48, 1), (2, 8, 48, 1), (2, 48, 48), (2, 48, 48, 2)])
def test_sides_that_cells_do_not_fill_are_refused(shape):
    with pytest.raises(InputError, match="images: must be .* multiples of 8, from 16; received"):
        hog_features(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("options", [{}, {"kernel": "rbf"}, {"kernel": "rbf", "landmarks": 60}])
def test_svm_learns_and_gives_probabilities(clouds, options):
    features, labels = clouds
    machine = fit_svm(features[:160], labels[:160], features[160:], labels[160:], **options)
    shares = machine.probabilities(features[160:])
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    accuracy = np.mean(shares.argmax(axis=1) == labels[160:])
    assert accuracy > 0.6
    assert machine.chosen["val_accuracy"] == pytest.approx(accuracy)
    assert machine.parameters > 0


def test_the_setting_best_on_validation_is_chosen_and_the_first_of_equals(clouds):
    features, labels = clouds
    machine = fit_svm(features[:160], labels[:160], features[160:], labels[160:], "rbf", (0.001, 1.0), (1e-4, 1.0, 50))
    trials = [(trial["gamma"], trial["C"]) for trial in machine.trials]
    assert trials == [(1e-4, 0.001), (1e-4, 1.0), (1.0, 0.001), (1.0, 1.0), (50, 0.001), (50, 1.0)]
    accuracies = [trial["val_accuracy"] for trial in machine.trials]
    assert machine.chosen == machine.trials[int(np.argmax(accuracies))]
    rate = machine.chosen["gamma"] / (4 * features[:160].var())
    alone = SVC(C=machine.chosen["C"], gamma=rate).fit(features[:160], labels[:160])
    np.testing.assert_array_equal(
        machine.probabilities(features).argmax(axis=1), alone.decision_function(features).argmax(axis=1)
    )


def test_all_images_as_landmarks_are_the_exact_kernel(clouds):
    """Nyström's map of every training image reproduces the kernel matrix (Williams & Seeger 2001)."""
    features, labels = clouds
    machine = fit_svm(features[:60], labels[:60], features[160:], labels[160:], "rbf", (1.0,), (1.0,), landmarks=60)
    mapped = machine.mapping.transform(features[:60])
    squares = ((features[:60, None] - features[None, :60]) ** 2).sum(axis=2)
    expected = np.exp(-squares / (4 * features[:60].var()))
    np.testing.assert_allclose(mapped @ mapped.T, expected, atol=1e-3)


def test_same_seed_same_machine(clouds):
    features, labels = clouds
    arguments = (features[:160], labels[:160], features[160:], labels[160:], "rbf", (1.0,), (1.0,), 20)
    first, second = (fit_svm(*arguments, seed=3).probabilities(features) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (fit_svm(*arguments, seed=4).probabilities(features) != first).any()


def test_a_class_without_training_images_is_never_predicted(clouds):
    features, labels = clouds
    machine = fit_svm(features[:160], labels[:160] * 2, features[160:], labels[160:] * 2, num_classes=6)
    shares = machine.probabilities(features)
    assert shares.shape == (240, 6)
    assert shares[:, [1, 3, 5]].max() < 1e-3
    two = fit_svm(features[:100], labels[:100] % 2, features[160:], labels[160:] % 2)
    assert two.probabilities(features).shape == (240, 2)
    assert two.chosen["val_accuracy"] > 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "poly"}, "kernel: allowed are linear, rbf; received 'poly'"),
        ({"Cs": ()}, "Cs: must be numbers above 0"),
        ({"kernel": "rbf", "gammas": (0.0,)}, "gammas: must be numbers above 0"),
        ({"landmarks": 5}, "landmarks: approximate the rbf kernel; allowed with linear is 0"),
    ],
)
def test_wrong_arguments(clouds, options, message):
    features, labels = clouds
    with pytest.raises(InputError, match=message):
        fit_svm(features, labels, features, labels, **options)


def test_one_class_alone_is_refused(clouds):
    features, _ = clouds
    with pytest.raises(InputError, match="labels: must be of two classes or more"):
        fit_svm(features, np.zeros(240, int), features, np.zeros(240, int))
