"""A small real classifier, made quickly from training images: similarity to each class's nearest ones."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from models.normalising import variants

Images = npt.NDArray[np.uint8]


class NearestImages:
    """Probabilities by similarity to the nearest training images."""

    def __init__(self, images: Images, labels: Images) -> None:
        self.card: dict[str, Any] = {"display_name": "Nearest", "temperature": 1.0}
        self._images = self._features(images)
        self._labels = labels

    def predict(self, images: Images) -> npt.NDArray[np.float32]:
        """Like serving_bot.reading.classifier.Classifier.predict."""
        likeness = self._features(images) @ self._images.T
        scores = np.stack([np.sort(likeness[:, self._labels == digit], axis=1)[:, -3:].mean(1) for digit in range(10)])
        exponents = np.exp(60 * (scores.T - 0.8))
        return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), np.float32)

    @staticmethod
    def _features(images: Images) -> npt.NDArray[np.float32]:
        soft = np.stack([cv2.GaussianBlur(image, (0, 0), 1.2) for image in images]).reshape(len(images), -1)
        lengths = np.linalg.norm(soft.astype(np.float32), axis=1, keepdims=True)
        return np.asarray(soft / np.maximum(lengths, 1), np.float32)


def _cut(image: Images) -> npt.NDArray[np.float32]:
    rows, columns = np.flatnonzero(image.max(axis=1)), np.flatnonzero(image.max(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32) / 255


@pytest.fixture(scope="session")
def nearest_images(some_training_images: tuple[Images, Images]) -> NearestImages:
    images, labels = some_training_images
    both = np.concatenate([variants(_cut(image)) for image in images])
    return NearestImages(both, np.repeat(labels, 2))


@pytest.fixture
def photo_folder(tmp_path: Path, some_test_images: tuple[Images, Images]) -> Path:
    """Twelve canvases under canvas/<label>/."""
    from models.synthesis import pages  # noqa: PLC0415

    images, labels = some_test_images
    for index in range(12):
        folder = tmp_path / "photos" / "canvas" / str(labels[index])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index}.png").write_bytes(pages.canvas(images[index]))
    return tmp_path / "photos"
