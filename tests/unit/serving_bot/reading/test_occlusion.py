import numpy as np

from serving_bot.reading.occlusion import occlusion_map


def test_the_map_is_high_where_the_answer_changes():
    def predict(images):
        """The probability of a 3 is the share of the square at (8, 16) that has ink."""
        share = (images[:, 8:12, 16:20] > 0).mean(axis=(1, 2), dtype=np.float32)
        return np.stack([1 - share] * 3 + [share] + [np.zeros_like(share)] * 6, axis=1)

    weights = occlusion_map(predict, np.full((28, 28), 255, np.uint8), 3)

    assert weights.shape == (13, 13)
    assert weights.argmax() == 4 * 13 + 8
    assert weights[4, 8] == 1
    assert weights[0].max() == 0
