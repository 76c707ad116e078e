"""The concordance correlation coefficient as a loss, for values such as valence and arousal."""

import keras
from keras import ops

_EPSILON = 1e-8


def concordance_loss(
    y_true: keras.KerasTensor, y_pred: keras.KerasTensor, known: keras.KerasTensor
) -> keras.KerasTensor:
    """MSE + 1 − CCC of a batch, the mean over its K values (Lin 1989; as in Toisoul et al. 2021, eq. 1 to 4).

    CCC = 2 s_xy / (s_x² + s_y² + (x̄ − ȳ)²), over the known values of the batch. It falls with errors of scale and of
    place, which a correlation does not see. The MSE gives a gradient also where the CCC has none, as in a batch where
    a unit never appears. A value that no picture of the batch has known counts 0.

    Args:
        y_true: float [N, K]; any finite number where unknown.
        y_pred: float [N, K].
        known: float [N, K], 1 where the truth is known, else 0.
    Returns: scalar, at least 0.
    """
    count = ops.sum(known, axis=0)
    share = known / ops.maximum(count, 1.0)
    mean_true, mean_pred = ops.sum(share * y_true, axis=0), ops.sum(share * y_pred, axis=0)
    from_true, from_pred = y_true - mean_true, y_pred - mean_pred
    spread = ops.sum(share * (ops.square(from_true) + ops.square(from_pred)), axis=0)
    covariance = ops.sum(share * from_true * from_pred, axis=0)
    concordance = 2.0 * covariance / (spread + ops.square(mean_true - mean_pred) + _EPSILON)
    squared_error = ops.sum(share * ops.square(y_true - y_pred), axis=0)
    has_any = ops.cast(count > 0, y_pred.dtype)
    return ops.sum(has_any * (squared_error + 1.0 - concordance)) / ops.maximum(ops.sum(has_any), 1.0)
