"""What a report holds, as frozen dataclasses: nothing here draws, reads or computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.evaluation.result import EvaluationResult


@dataclass(frozen=True)
class Curve:
    """A figure over the epochs of a training, from TensorBoard's logs.

    Attributes:
        split: "training" or "validation".
        figure: "accuracy" (a share of 1) or "loss" (nats).
        points: (epoch, value); epochs count from 1. A training that was resumed may begin later.
    """

    split: str
    figure: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Photos:
    """What `digits evaluate-photos --json` said of this model.

    Attributes:
        file: where that stands.
        accuracy: share of the pictures that were read surely and rightly.
        pictures: how many there were.
    """

    file: str
    accuracy: float
    pictures: int


@dataclass(frozen=True)
class ModelReport:
    """A trained and evaluated model.

    Attributes:
        label: its name in this report, told apart from the others'.
        run_id: the run it was evaluated in.
        card: what the Trainer noted (models/training/run_fn.py), with parameters, layers, machine and versions.
        evaluation: TFMA's figures on the split `test`.
        interval: of the accuracy, 95 % confidence.
        blessed: whether it met the run's thresholds, None where there were none.
        version: the version that it was pushed as in that run, None where it was not.
        curves: how training went.
        litert_bytes: size of the flatbuffer that the bot loads.
        saved_model_bytes: size of the SavedModel, weights included.
        latency_ms: median time of LiteRT for one image, as ServingCheck measured it; None where it could not.
        data_source: where the data came from: mirror, bundled or user.
        data_fingerprint: of the data's files.
        split_sizes: examples in each split.
        published_accuracy: what the predecessor published for this network and number of epochs, None for others.
        photos: how it reads people's pictures, where that was measured.
    """

    label: str
    run_id: str
    card: dict[str, Any]
    evaluation: EvaluationResult
    interval: tuple[float, float]
    blessed: bool | None
    version: int | None
    curves: tuple[Curve, ...]
    litert_bytes: int
    saved_model_bytes: int
    latency_ms: float | None
    data_source: str
    data_fingerprint: str
    split_sizes: dict[str, int]
    published_accuracy: float | None
    photos: Photos | None

    @property
    def model(self) -> str:
        """The network's name for people."""
        return str(self.card["display_name"])

    @property
    def epochs(self) -> int:
        """Passes over the training images."""
        return int(self.card["epochs"])

    @property
    def seed(self) -> int:
        """The seed of weights, order and variation."""
        return int(self.card["seed"])


@dataclass(frozen=True)
class Comparison:
    """Two models on the same examples; `better` is the one with more right answers (any, where equal).

    Attributes:
        better: label of the one.
        worse: label of the other.
        only_better: examples that only the one reads right.
        only_worse: examples that only the other reads right.
        p: p-value of McNemar's exact test.
        adjusted_p: the same after Holm's adjustment for all comparisons of the report.
    """

    better: str
    worse: str
    only_better: int
    only_worse: int
    p: float
    adjusted_p: float


@dataclass(frozen=True)
class Recipe:
    """The models of one network and number of epochs, which differ in their seeds.

    Attributes:
        label: the recipe's name.
        model: the network's name for people.
        epochs: passes over the training images.
        models: labels of its models, by rising accuracy.
        seeds: their seeds, in the same order.
        accuracies: their accuracies, in the same order.
    """

    label: str
    model: str
    epochs: int
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]

    @property
    def median(self) -> int:
        """Where the median stands in `models`; of an even number, the lower one."""
        return (len(self.models) - 1) // 2


@dataclass(frozen=True)
class MisreadPicture:
    """A test image that at least one model misreads.

    Attributes:
        png: its picture in base64.
        label: the digit it is labelled as.
        answers: (label of the model, its answer, the probability it gave that), for the models that misread it.
    """

    png: str
    label: int
    answers: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True)
class Report:
    """Models beside each other, or one.

    Attributes:
        title: what is compared.
        written_at: when, UTC, ISO 8601.
        command: the command that wrote it.
        models: by network and epochs.
        recipes: the models without their seeds.
        comparisons: each pair of recipes, by their median models.
        conclusions: the comparisons in words, a sentence each.
        misread: the misread images; the ones that most models misread come first.
    """

    title: str
    written_at: str
    command: str
    models: tuple[ModelReport, ...]
    recipes: tuple[Recipe, ...]
    comparisons: tuple[Comparison, ...]
    conclusions: tuple[str, ...]
    misread: tuple[MisreadPicture, ...]
