"""Figures show the values of the tables: the tests read them back from the drawn figure."""

import numpy as np
import pandas as pd
import pytest

from fer_tf import plots
from fer_tf.evaluation import calibration, comparison, cross, errors, robustness, significance
from fer_tf.evaluation import plots as evaluation_plots
from fer_tf.evaluation.metrics import apply_temperature


@pytest.fixture
def frame(rng):
    """200 predictions in three classes."""
    names, truth = np.array(["anger", "fear", "sadness"], object), rng.integers(0, 3, 200)
    logits = rng.normal(size=(200, 3)) + 1.5 * np.eye(3)[truth]
    prob = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    table = pd.DataFrame(prob, columns=names).assign(name=[f"i{row}" for row in range(200)], truth=names[truth])
    return table.assign(label=names[prob.argmax(axis=1)], confidence=prob.max(axis=1), subject=truth % 2)


def texts(axis):
    return [text.get_text() for text in axis.texts]


def drawn(figure, tmp_path):
    """Writes the figure, as runs do: constrained layout and fonts are used only then."""
    plots.save_figure(figure, tmp_path / "figure")
    assert (tmp_path / "figure.png").stat().st_size > 3000
    return figure


def test_class_curves_name_areas_and_leave_out_classes_without_images(rng, tmp_path):
    """The area under ROC is the share of pairs (one of the class, one not) that the score orders rightly."""
    truth = np.array([0, 0, 1, 1, 1, 2, 2, 0])
    scores = rng.dirichlet(np.ones(4), 8)
    figure = drawn(evaluation_plots.class_curves(truth, scores, ("anger", "fear", "sad", "absent")), tmp_path)
    left, right = figure.axes[:2]
    texts = [text.get_text() for text in left.get_legend().get_texts()]
    own, others = scores[truth == 1, 1], scores[truth != 1, 1]
    area = (own[:, None] > others).mean()
    assert texts[1] == f"fear {area:.2f}"
    assert len(texts) == len(right.get_legend().get_texts()) == 3


def test_reliability_diagram(frame, tmp_path):
    y_true, y_prob = calibration.outcomes(frame, ["anger", "fear", "sadness"])
    tables = {
        "as they are": calibration.reliability(y_true, y_prob),
        "scaled": calibration.reliability(y_true, apply_temperature(y_prob, 2.0)),
    }
    figure = drawn(evaluation_plots.reliability_diagram(tables), tmp_path)
    above, other, below, _ = figure.axes
    filled = tables["as they are"].query("images > 0")
    np.testing.assert_allclose(above.lines[1].get_xydata(), filled[["confidence", "accuracy"]])
    assert [bar.get_height() for bar in below.patches] == list(tables["as they are"]["images"])
    error = calibration.calibration_table(y_true, y_prob, 2.0)["ECE"]
    for axis, name, value in ((above, "as they are", error[0]), (other, "scaled", error[1])):
        assert name in axis.get_title()
        assert f"{value:.3f}" in axis.get_title()


def test_mcnemar_heat_map_has_stars_where_models_differ(frame, tmp_path):
    worst = frame.assign(label="anger")
    pairs = significance.mcnemar_matrix({"cnn": frame, "same": frame, "worst": worst})
    squares = [significance.square(pairs, value) for value in ("difference", "p_holm")]
    axis = drawn(evaluation_plots.mcnemar_heat_map(*squares), tmp_path).axes[0]
    gap = 100 * squares[0].loc["cnn", "worst"]
    shown = [text for text in texts(axis) if text]
    assert shown == ["+0.0", f"+{gap:.1f}\n***", "+0.0", f"+{gap:.1f}\n***", f"−{gap:.1f}\n***", f"−{gap:.1f}\n***"]


@pytest.mark.parametrize(
    ("p_value", "points", "text"),
    [
        (0.0009, 1.04, "+1.0\n***"),
        (0.001, -2, "−2.0\n**"),
        (0.049, 3, "+3.0\n*"),
        (0.05, 3, "+3.0"),
        (1, -0.04, "+0.0"),
        (1, np.nan, ""),
    ],
)
def test_stars(p_value, points, text):
    assert evaluation_plots._difference(points, p_value) == text


def test_robustness_curves_are_lines_a_model_and_panels_a_corruption(tmp_path, rng):
    images, labels = rng.integers(0, 256, (12, 8, 8, 1), dtype=np.uint8), np.arange(12) % 2
    tables = {
        model: robustness.robustness_curves(
            lambda part, share=share: np.tile([share, 1 - share], (len(part), 1)),
            images,
            labels,
            ("a", "b"),
            {"blur": (1, 2), "darker": (0.5,), "jpeg": (50, 10), "block": (0.5,)},
        )
        for model, share in {"cnn": 0.7, "vgg": 0.3}.items()
    }
    figure = drawn(evaluation_plots.robustness_curves(tables), tmp_path)
    panels = [axis for axis in figure.axes if axis.get_title()]
    assert [axis.get_title() for axis in panels] == ["blur", "darker", "jpeg", "block"]
    assert [axis.xaxis_inverted() for axis in panels] == [False, True, True, False], "worse is to the right"
    part = tables["vgg"].query("corruption == 'jpeg'")
    np.testing.assert_allclose(panels[2].lines[1].get_xydata(), part[["level", "accuracy"]])
    assert panels[2].get_xlabel() == robustness.CORRUPTIONS["jpeg"].unit
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["cnn", "vgg"]


def test_confusion_examples_show_the_pictures_of_their_names(frame, tmp_path):
    pairs = errors.confusions(frame, examples=3).head(2)
    pictures = {name: np.full((6, 6, 1), number, np.uint8) for number, name in enumerate(frame["name"])}
    figure = drawn(evaluation_plots.confusion_examples(pairs, pictures), tmp_path)
    shown = [int(axis.images[0].get_array()[0, 0]) for axis in figure.axes if axis.images]
    assert shown == [int(name[1:]) for names in pairs["examples"] for name in names]
    first = pairs.iloc[0]
    assert texts(figure.axes[0])[0].startswith(f"{first['truth']}\nas {first['label']}\n{first['images']} (")
    assert figure.axes[0].get_title() == f"{first['sureness'][0]:.2f}"


def test_confusion_examples_of_no_error(frame, tmp_path):
    pairs = errors.confusions(frame.assign(label=frame["truth"]))
    assert not any(axis.images for axis in evaluation_plots.confusion_examples(pairs, {}).axes)


def test_cross_heat_map(tmp_path):
    about = {"model": "cnn", "protocol": "official", "n": 9, "low": 0.1, "high": 0.9}
    rows = [
        {**about, "trained_on": one, "tested_on": other, "accuracy": value}
        for one, other, value in (("fer2013", "fer2013", 0.6), ("fer2013", "jaffe", 0.35), ("jaffe", "jaffe", 0.9))
    ]
    table = cross.cross_table(rows)
    axis = drawn(evaluation_plots.cross_heat_map(cross.cross_matrix(table)), tmp_path).axes[0]
    assert texts(axis) == ["0.600", "0.350", "0.900"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("tested on", "trained on")
    change = evaluation_plots.cross_heat_map(cross.cross_matrix(table, value="change"), "change").axes[0]
    assert texts(change) == ["+0.000", "-0.250", "+0.000"]


def test_group_bars_are_sorted_and_named_with_their_counts(frame, tmp_path):
    table = comparison.accuracy_by(frame, frame["truth"]).sort_values("accuracy")
    axis = drawn(evaluation_plots.group_bars(table, "class"), tmp_path).axes[0]
    assert [bar.get_width() for bar in axis.patches] == list(table["accuracy"])
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        f"{row.group} ({row.n})" for row in table.itertuples()
    ]
    dashed = [line for line in axis.lines if line.get_label() == "all"][0]
    assert dashed.get_xdata()[0] == pytest.approx((frame["truth"] == frame["label"]).mean())
    part = evaluation_plots.group_bars(table.head(1), "class", overall=0.625).axes[0]
    assert [line.get_xdata()[0] for line in part.lines if line.get_label() == "all"] == [0.625]
