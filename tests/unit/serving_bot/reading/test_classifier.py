import numpy as np
import tiny_model

from serving_bot.reading.classifier import Classifier


def test_many_images_go_to_the_model_in_small_batches(tmp_path):
    classifier = Classifier.load(str(tiny_model.push(tmp_path, 1)))
    images = np.random.default_rng(1).integers(0, 256, (40, 28, 28), np.uint8)
    alone = [classifier.predict(image[np.newaxis])[0] for image in images]
    sizes, run = [], classifier._runner

    def counted(images):
        sizes.append(len(images))
        return run(images=images)

    classifier._runner = counted
    np.testing.assert_allclose(classifier.predict(images), alone, atol=1e-6)
    assert sizes == [16, 16, 8]
