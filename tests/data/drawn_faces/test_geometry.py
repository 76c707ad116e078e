"""The pose of a drawn head."""

import numpy as np

from fer_tf.data.drawn_faces import draw_faces


def test_the_head_turns_the_way_the_table_says():
    def darkest_eye_column(yaw_of_interest):
        faces = draw_faces(
            80, difficulty="easy", size=64, yaw=30, emotions=["neutral"] * 80, glasses=0, shift=0, roll=0
        )
        turned = faces.table.yaw * np.sign(yaw_of_interest) > 8
        mouth_rows = 255.0 - faces.images[turned.to_numpy(), 44:52, 16:48, 0].mean(axis=0)
        weight = mouth_rows - mouth_rows.min()
        return (weight * np.arange(32)).sum() / weight.sum()

    assert darkest_eye_column(1) > darkest_eye_column(-1) + 1
