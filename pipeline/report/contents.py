"""What a report holds, as frozen dataclasses: nothing here draws, reads or computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.evaluation.result import EvaluationResult


@dataclass(frozen=True)
class Curve:
    """A figure over the epochs of a training, from TensorBoard's logs."""

    split: str  # "training" or "validation"
    figure: str  # "accuracy" (a share of 1) or "loss" (nats)
    # (epoch, value); epochs count from 1. A training that was resumed may begin later
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Photos:
    """What `digits evaluate-photos --json` said of this model."""

    file: str  # where that stands
    accuracy: float  # share of the pictures that were read surely and rightly
    pictures: int  # how many there were


@dataclass(frozen=True)
class MadePictures:
    """How a model reads made pictures of numbers, and of anything else (components/judging.py)."""

    pages_accuracy: float  # share of the pages that are read surely and rightly
    pages_wrong: float  # share that is read surely and wrongly
    refusal: float  # share of the pictures without a digit that are not taken for a number
    # some with a wrong answer: (what it says of kind, label and answer, JPEG thumbnail in base64)
    wrong: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ModelReport:
    """A trained and evaluated model."""

    label: str  # its name in this report, told apart from the others'
    run_id: str  # the run it was evaluated in
    # what the Trainer noted (models/training/run_fn.py), with parameters, layers, machine and versions
    card: dict[str, Any]
    evaluation: EvaluationResult  # TFMA's figures on the split `test`
    interval: tuple[float, float]  # of the accuracy, 95 % confidence
    blessed: bool | None  # whether it met the run's thresholds, None where there were none
    version: int | None  # the version that it was pushed as in that run, None where it was not
    curves: tuple[Curve, ...]  # how training went
    litert_bytes: int  # size of the flatbuffer that the bot loads
    saved_model_bytes: int  # size of the SavedModel, weights included
    # median time of LiteRT for one image, as ServingCheck measured it; None where it could not
    latency_ms: float | None
    data_source: str  # where the data came from: mirror, bundled or user
    data_fingerprint: str  # of the data's files
    split_sizes: dict[str, int]  # examples in each split
    # what the predecessor published for this network and number of epochs, None for others
    published_accuracy: float | None
    photos: Photos | None  # how it reads people's pictures, where that was measured
    made: MadePictures | None = None  # how it reads made pictures, None where ServingCheck could not ask it

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

    @property
    def is_resumed(self) -> bool:
        """Whether the training was interrupted and gone on with, so that its log begins later."""
        return any(curve.points and curve.points[0][0] > 1 for curve in self.curves)


@dataclass(frozen=True)
class Comparison:
    """Two models on the same examples; `better` is the one with more right answers (any, where equal)."""

    better: str  # label of the one
    worse: str  # label of the other
    only_better: int  # examples that only the one reads right
    only_worse: int  # examples that only the other reads right
    p: float  # p-value of McNemar's exact test
    adjusted_p: float  # the same after Holm's adjustment for all comparisons of the report


@dataclass(frozen=True)
class Recipe:
    """The models of one network and number of epochs, which differ in their seeds."""

    label: str  # the recipe's name
    model: str  # the network's name for people
    epochs: int  # passes over the training images
    models: tuple[str, ...]  # labels of its models, by rising accuracy
    seeds: tuple[int, ...]  # their seeds, in the same order
    accuracies: tuple[float, ...]  # their accuracies, in the same order

    @property
    def median(self) -> int:
        """Where the median stands in `models`; of an even number, the lower one."""
        return (len(self.models) - 1) // 2


@dataclass(frozen=True)
class MisreadPicture:
    """A test image that at least one model misclassifies."""

    png: str  # its picture in base64
    label: int  # the digit it is labelled as
    # (label of the model, its answer, the probability it gave that), for the models that misclassify it
    answers: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True)
class Report:
    """Models beside each other, or one."""

    title: str  # what is compared
    written_at: str  # when, UTC, ISO 8601
    command: str  # the command that wrote it
    models: tuple[ModelReport, ...]  # by network and epochs
    recipes: tuple[Recipe, ...]  # the models without their seeds
    comparisons: tuple[Comparison, ...]  # each pair of recipes, by their median models
    conclusions: tuple[str, ...]  # the comparisons in words, a sentence each
    misread: tuple[MisreadPicture, ...]  # the misclassified images; those that most models misclassify come first
