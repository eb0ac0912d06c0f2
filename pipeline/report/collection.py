"""Collects what a report holds: ML Metadata says where, the artifacts say what. Nothing is evaluated again."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import combinations
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator
from tfx.utils import path_utils

from components.digit_metrics import image_digest
from components.evaluation_result import read_evaluation
from models.features import IMAGE_KEY
from pipeline.history import Run
from pipeline.report.contents import (
    Comparison,
    Curve,
    MisreadPicture,
    ModelReport,
    Photos,
    Recipe,
    Report,
)
from pipeline.report.statistics import holm, mcnemar, wilson_interval
from pipeline.report.wording import conclude
from serving_bot.classifier import CARD_FILE, MODEL_FILE

PUBLISHED = {("my_model", 10): 0.9925, ("my_model", 40): 0.9924, ("lenet", 10): 0.9717, ("lenet", 40): 0.9753}
"""The predecessor's test accuracies by network and epochs; its weights, measured again, gave the same figures."""

_CURVES = {"epoch_accuracy": "accuracy", "epoch_loss": "loss"}  # Keras' tags
_SPLITS = {"train": "training", "validation": "validation"}  # and its folders
_RECIPE = ("batch_size", "learning_rate", "augment", "outliers", "source")
"""What two trainings of the same network and epochs may differ in, beside the seed."""


class ReportError(Exception):
    """There is nothing to report on; the message is one sentence with the next step."""


@dataclass(frozen=True)
class _Source:
    """A run with what was read of it."""

    run: Run
    report: ModelReport


def collect(runs: Sequence[Run], photos: Sequence[Path], command: str) -> Report:
    """Reads what the runs made.

    Args:
        runs: runs with an evaluation; of several with the same model the first is taken.
        photos: files with the output of `digits evaluate-photos --json`; what they say is shown with the models they
            are about.
        command: the command that the user gave.

    Raises:
        ReportError: there is no run, or one has no evaluation, or its files are gone, or one of `photos` is something else.
    """
    by_model = {}
    for run in runs:
        if run.model is None or run.model_evaluation is None or run.examples is None:
            raise ReportError(
                f"Run {run.run_id} has no evaluation: it did not get so far. "
                "`digits runs list` shows those that have; `digits run` makes one."
            )
        by_model.setdefault(run.model.id, run)
    if not by_model:
        raise ReportError("There is no evaluated run to report on. Make one with `digits run` or `digits compare`.")
    taken = read_photos(photos)
    sources = [_Source(run, _read_model(run, taken)) for run in by_model.values()]
    sources.sort(key=lambda source: (source.report.model, source.report.epochs, source.report.seed, source.run.run_id))
    labels = label_models([source.report.card for source in sources], [source.run.run_id for source in sources])
    models = [replace(source.report, label=label) for source, (_, label) in zip(sources, labels, strict=True)]
    recipes = _recipes(models, [recipe for recipe, _ in labels])
    comparisons = _compare(recipes, models)
    return Report(
        title=_title(recipes),
        written_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=command,
        models=tuple(models),
        recipes=recipes,
        comparisons=comparisons,
        conclusions=conclude(recipes, comparisons),
        misread=_misread_pictures(models, _examples(source.run for source in sources)),
    )


def read_photos(files: Iterable[Path]) -> dict[str, Photos]:
    """What `digits evaluate-photos --json` wrote, by the id of the export it is about.

    Raises:
        ReportError: a file cannot be read as that.
    """
    found = {}
    for file in files:
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            found[content["export_id"]] = Photos(file.name, float(content["accuracy"]), int(content["pictures"]))
        except OSError as error:
            raise ReportError(f"{file} cannot be read: {error.strerror}.") from error
        except (ValueError, TypeError, KeyError) as error:
            raise ReportError(
                f"{file} does not hold what `digits evaluate-photos DIR --json` prints: write that to it."
            ) from error
    return found


def label_models(cards: Sequence[dict[str, Any]], run_ids: Sequence[str]) -> list[tuple[str, str]]:
    """A name for each model's recipe and one for the model, that tell it apart from the others and say no more.

    Args:
        cards: the models' cards.
        run_ids: the runs they are from.

    Returns:
        For each (the recipe's label, the model's label), such as ("MyModel, 10 epochs", "MyModel, 10 epochs, seed 2").
    """
    short = [f"{card['display_name']}, {card['epochs']} epoch" + "s" * (card["epochs"] > 1) for card in cards]
    recipes = []
    for name, card in zip(short, cards, strict=True):
        same = [other for other, other_name in zip(cards, short, strict=True) if other_name == name]
        differing = [key for key in _RECIPE if len({str(other.get(key)) for other in same}) > 1]
        recipes.append(", ".join([name, *(_describe(key, card) for key in differing)]))
    labels = []
    for recipe, card, run_id in zip(recipes, cards, run_ids, strict=True):
        same = [other for other, other_recipe in zip(cards, recipes, strict=True) if other_recipe == recipe]
        seeds = [other["seed"] for other in same]
        label = f"{recipe}, seed {card['seed']}" if len(set(seeds)) > 1 else recipe
        labels.append(f"{label}, run {run_id}" if seeds.count(card["seed"]) > 1 else label)
    return list(zip(recipes, labels, strict=True))


def _describe(parameter: str, card: dict[str, Any]) -> str:
    value = card.get(parameter)
    if parameter == "augment":
        return "varied images" if value else "images as they come"
    if parameter == "source":
        return f"code {str(value)[:7]}"
    return f"{parameter.replace('_', ' ')} {value}"


def _read_model(run: Run, photos: dict[str, Photos]) -> ModelReport:
    assert run.model and run.model_evaluation and run.examples  # (collect looks)
    export = path_utils.serving_model_path(run.model.uri)
    try:
        card = json.loads(Path(export, CARD_FILE).read_text(encoding="utf-8"))
        evaluation = read_evaluation(run.model_evaluation.uri)
        litert_bytes = Path(export, MODEL_FILE).stat().st_size
        extra = Path(export, CARD_FILE).parent
        saved_model_bytes = sum(
            path.stat().st_size for path in Path(export).rglob("*") if path.is_file() and extra not in path.parents
        )
        latency = _latency(run)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise ReportError(
            f"What run {run.run_id} made cannot be read ({error}). If its files are gone, make them anew with "
            "`digits run --no-cache`."
        ) from error
    data = run.examples.properties
    return ModelReport(
        label="",
        run_id=run.run_id,
        card=card,
        evaluation=evaluation,
        interval=wilson_interval(evaluation.examples - len(evaluation.misread), evaluation.examples),
        blessed=_blessed(run),
        version=run.version,
        curves=tuple(_read_curves(Path(run.model_run.uri))) if run.model_run else (),
        litert_bytes=litert_bytes,
        saved_model_bytes=saved_model_bytes,
        latency_ms=latency,
        data_source=str(data["source"]),
        data_fingerprint=str(data["input_fingerprint"]),
        split_sizes=json.loads(str(data["split_sizes"])),
        published_accuracy=PUBLISHED.get((card["model"], card["epochs"])),
        photos=photos.get(card["export_id"]),
    )


def _blessed(run: Run) -> bool | None:
    """The Evaluator writes the verdict only where it had thresholds."""
    blessing = run.artifact("Evaluator", "blessing")
    verdict = blessing.properties.get("blessed") if blessing else None
    return None if verdict is None else verdict == 1


def _latency(run: Run) -> float | None:
    check = run.artifact("ServingCheck", "blessing")
    if check is None:
        return None
    latency: float | None = json.loads(Path(check.uri, "report.json").read_text())["litert_latency_ms"]
    return latency


def _read_curves(logs: Path) -> Iterable[Curve]:
    for folder, split in _SPLITS.items():
        if not (logs / folder).is_dir():
            continue
        events = EventAccumulator(str(logs / folder), size_guidance={TENSORS: 0})
        events.Reload()
        for tag, figure in _CURVES.items():
            if tag in events.Tags()[TENSORS]:
                points = tuple(
                    (event.step + 1, float(tf.make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)
                )
                yield Curve(split, figure, points)


def _recipes(models: Sequence[ModelReport], labels: Sequence[str]) -> tuple[Recipe, ...]:
    recipes = []
    for label in dict.fromkeys(labels):
        same = [model for model, its_label in zip(models, labels, strict=True) if its_label == label]
        same.sort(key=lambda model: model.evaluation.accuracy)
        recipes.append(
            Recipe(
                label=label,
                model=same[0].model,
                epochs=same[0].epochs,
                models=tuple(model.label for model in same),
                seeds=tuple(model.seed for model in same),
                accuracies=tuple(model.evaluation.accuracy for model in same),
            )
        )
    return tuple(recipes)


def _compare(recipes: Sequence[Recipe], models: Sequence[ModelReport]) -> tuple[Comparison, ...]:
    """Each pair of recipes by their median models, where both were evaluated on the same data."""
    by_label = {model.label: model for model in models}
    pairs = []
    for first, second in combinations(recipes, 2):
        one, other = by_label[first.models[first.median]], by_label[second.models[second.median]]
        if one.data_fingerprint == other.data_fingerprint and one.split_sizes == other.split_sizes:
            one_misreads = {misread.digest for misread in one.evaluation.misread}
            other_misreads = {misread.digest for misread in other.evaluation.misread}
            only_one, only_other = len(other_misreads - one_misreads), len(one_misreads - other_misreads)
            p = mcnemar(only_one, only_other)
            if only_one >= only_other:
                pairs.append(Comparison(first.label, second.label, only_one, only_other, p, p))
            else:
                pairs.append(Comparison(second.label, first.label, only_other, only_one, p, p))
    adjusted = holm([pair.p for pair in pairs])
    return tuple(replace(pair, adjusted_p=p) for pair, p in zip(pairs, adjusted, strict=True))


def _title(recipes: Sequence[Recipe]) -> str:
    if len(recipes) == 1:
        return recipes[0].label
    models = list(dict.fromkeys(recipe.model for recipe in recipes))
    epochs = sorted({recipe.epochs for recipe in recipes})
    names = models[0] if len(models) == 1 else f"{', '.join(models[:-1])} and {models[-1]}"
    if len(epochs) == 1:
        return f"{names}, {epochs[0]} epoch" + "s" * (epochs[0] > 1)
    return f"{names}, {', '.join(map(str, epochs[:-1]))} and {epochs[-1]} epochs"


def _examples(runs: Iterable[Run]) -> list[str]:
    """The folders of the test splits, each once."""
    return list(dict.fromkeys(str(Path(run.examples.uri, "Split-test")) for run in runs if run.examples))


def _misread_pictures(models: Sequence[ModelReport], folders: Sequence[str]) -> tuple[MisreadPicture, ...]:
    answers: dict[str, list[tuple[str, int, float]]] = {}
    labels = {}
    for model in models:
        for misread in model.evaluation.misread:
            labels[misread.digest] = misread.label
            answers.setdefault(misread.digest, []).append((model.label, misread.predicted, misread.probability))
    pictures = _find_pictures(folders, set(answers))
    order = sorted(answers, key=lambda digest: (-len(answers[digest]), labels[digest], digest))
    return tuple(
        MisreadPicture(pictures.get(digest, ""), labels[digest], tuple(answers[digest])) for digest in order
    )


def _find_pictures(folders: Sequence[str], digests: set[str]) -> dict[str, str]:
    """The PNGs with these digests among the examples, in base64."""
    files = sorted(file for folder in folders for file in tf.io.gfile.glob(f"{folder}/*"))
    feature = {IMAGE_KEY: tf.io.FixedLenFeature([], tf.string)}
    found = {}
    for examples in tf.data.TFRecordDataset(files, compression_type="GZIP").batch(5000):
        for png in tf.io.parse_example(examples, feature)[IMAGE_KEY].numpy():
            digest = image_digest(png)
            if digest in digests:
                found[digest] = base64.b64encode(png).decode()
    return found

