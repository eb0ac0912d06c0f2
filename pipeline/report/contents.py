"""The content of a report, as frozen dataclasses: nothing here draws, reads or computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.evaluation.result import EvaluationResult

if TYPE_CHECKING:
    from pipeline.data.drift import Drift


@dataclass(frozen=True)
class Curve:
    """A metric over the epochs of a training, from TensorBoard's logs."""

    split: str  # "training" or "validation"
    figure: str  # "accuracy" (a share of 1) or "loss" (nats)
    # (epoch, value); epochs count from 1; a resumed training may begin later
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Photos:
    """The result of `digits evaluate-photos --json` for this model."""

    file: str  # the file with that output
    accuracy: float  # share of the pictures with a confident right answer
    pictures: int  # number of pictures


@dataclass(frozen=True)
class MadePictures:
    """A model's results on synthetic pictures, with and without digits (components/judging.py)."""

    pages_accuracy: float  # share of the pages with a confident right answer
    pages_wrong: float  # share of the pages with a confident wrong answer
    refusal: float  # share of the pictures without a digit that get no confident answer
    baseline: tuple[float, float] | None  # the baseline's accuracy on pages and refusal; None without one
    # some with a wrong answer: (kind, label and answer as text, JPEG thumbnail in base64)
    wrong: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class UsersReport:
    """A model's results on digits of the bot's users whose other digits it has not seen."""

    accuracy: float  # share of right answers
    baseline_accuracy: float | None  # the baseline's; None without one
    examples: int  # how many digits
    surely_wrong: float | None  # share of wrong answers above the model's threshold
    trained: int  # how many of other users it was trained on
    drift: Drift | None  # of all users' digits from MNIST's training images; None if there are too few
    wrong: tuple[tuple[str, str], ...]  # those it misclassifies: (label and answer as text, PNG in base64)


@dataclass(frozen=True)
class ModelReport:
    """A trained and evaluated model."""

    label: str  # its unique name in this report
    run_id: str  # the run it was evaluated in
    # the Trainer's facts (models/training/run_fn.py), with parameters, layers, machine and versions
    card: dict[str, Any]
    evaluation: EvaluationResult  # TFMA's figures on the split `test`
    interval: tuple[float, float]  # of the accuracy, 95 % confidence
    blessed: bool | None  # whether it met the run's thresholds; None if there were none
    version: int | None  # the version that the run pushed it as; None if it was not pushed
    curves: tuple[Curve, ...]  # the training's metrics
    litert_bytes: int  # size of the flatbuffer that the bot loads
    saved_model_bytes: int  # size of the SavedModel, weights included
    # median time of LiteRT for one image, as measured by ServingCheck; None if it could not
    latency_ms: float | None
    data_source: str  # source of the data: mirror, bundled or user
    data_fingerprint: str  # of the data's files
    split_sizes: dict[str, int]  # examples in each split
    # the predecessor's figure for this network and number of epochs; None if there is none
    published_accuracy: float | None
    photos: Photos | None  # results on people's pictures, if measured
    users: UsersReport | None = None  # results on users' digits; None in a run without them
    made: MadePictures | None = None  # results on synthetic pictures; None if ServingCheck could not run the model

    @property
    def model(self) -> str:
        """The network's display name."""
        return str(self.card["display_name"])

    @property
    def epochs(self) -> int:
        """Passes over the training images."""
        return int(self.card["epochs"])

    @property
    def seed(self) -> int:
        """The random seed for weights, data order and augmentation."""
        return int(self.card["seed"])

    @property
    def is_resumed(self) -> bool:
        """Whether the training was interrupted and resumed, so its log begins later."""
        return any(curve.points and curve.points[0][0] > 1 for curve in self.curves)


@dataclass(frozen=True)
class Comparison:
    """Two models on the same examples; `better` is the one with more right answers (either, if equal)."""

    better: str  # its label
    worse: str  # the other's label
    only_better: int  # examples that only `better` classifies right
    only_worse: int  # examples that only `worse` classifies right
    p: float  # p-value of McNemar's exact test
    adjusted_p: float  # adjusted by Holm's method for all comparisons of the report


@dataclass(frozen=True)
class Recipe:
    """The models of one network and number of epochs, which differ in their seeds."""

    label: str  # the recipe's name
    model: str  # the network's display name
    epochs: int  # passes over the training images
    models: tuple[str, ...]  # labels of its models, by rising accuracy
    seeds: tuple[int, ...]  # their seeds, in the same order
    accuracies: tuple[float, ...]  # their accuracies, in the same order

    @property
    def median(self) -> int:
        """Index of the median in `models`; of an even number, the lower one."""
        return (len(self.models) - 1) // 2


@dataclass(frozen=True)
class MisreadPicture:
    """A test image that at least one model misclassifies."""

    png: str  # its picture in base64
    label: int  # the digit it is labelled as
    # (label of the model, its answer, the answer's probability), for the models that misclassify it
    answers: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True)
class Report:
    """One model, or several side by side."""

    title: str  # what is compared
    written_at: str  # when, UTC, ISO 8601
    command: str  # the command that wrote it
    models: tuple[ModelReport, ...]  # by network and epochs
    recipes: tuple[Recipe, ...]  # the models grouped by recipe
    comparisons: tuple[Comparison, ...]  # each pair of recipes, by their median models
    conclusions: tuple[str, ...]  # the comparisons in sentences
    misread: tuple[MisreadPicture, ...]  # misclassified images; those that most models misclassify come first
