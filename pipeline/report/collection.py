"""Collects a report's content from the artifacts that ML Metadata names. Nothing is evaluated again."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType

import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator

from compat.tfx import path_utils
from components.evaluation.result import EvaluationResult, read_evaluation
from components.files import read_bytes, read_json
from models.export.layout import CARD_FILE, MODEL_FILE
from pipeline.history.records import Run
from pipeline.report import ReportError
from pipeline.report.conclusions import conclude
from pipeline.report.contents import Curve, MadePictures, MisreadPicture, ModelReport, Photos, Report
from pipeline.report.pictures import find_pictures
from pipeline.report.recipes import PUBLISHED, compare, entitle, group_recipes, label_models
from pipeline.report.statistics import wilson_interval
from pipeline.report.users import read_users
from serving_bot.reading.evaluation import thumbnail

_MADE_SHOWN = 12  # synthetic pictures with a wrong answer that a report shows
_MADE_SIZE = (240, 180)  # their maximum width and height in pixels
_CURVES = {"epoch_accuracy": "accuracy", "epoch_loss": "loss"}  # Keras' tags
_SPLITS = {"train": "training", "validation": "validation"}  # and its folders


def collect(
    runs: Sequence[Run],
    photos: Sequence[Path],
    command: str,
    evaluations: Mapping[str, EvaluationResult] = MappingProxyType({}),
) -> Report:
    """Reads the runs' outputs.

    Args:
        runs: runs with an evaluation (pipeline/report/selection.py); of several with the same model, the first counts.
        photos: files with the output of `digits evaluate-photos --json`, each about one of the models.
        evaluations: evaluations that were already read, by run id.

    Raises:
        ReportError: files of a run are gone, or a file of `photos` is not such output.
    """
    by_model: dict[int, Run] = {}
    for run in runs:
        if run.model:
            by_model.setdefault(run.model.id, run)
    taken = read_photos(photos)
    models = [_read_model(run, taken, evaluations.get(run.run_id)) for run in by_model.values()]
    models.sort(key=lambda model: (model.model, model.epochs, model.seed, model.run_id))
    labels = label_models([model.card for model in models], [model.run_id for model in models])
    models = [replace(model, label=label) for model, (_, label) in zip(models, labels, strict=True)]
    recipes = group_recipes(models, [recipe for recipe, _ in labels])
    comparisons = compare(recipes, models)
    return Report(
        title=entitle(recipes),
        written_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=command,
        models=tuple(models),
        recipes=recipes,
        comparisons=comparisons,
        conclusions=conclude(recipes, comparisons),
        misread=_misread_pictures(models, _examples(by_model.values())),
    )


def read_photos(files: Iterable[Path]) -> dict[str, Photos]:
    """Reads the output of `digits evaluate-photos --json`, by the id of the evaluated export.

    Raises:
        ReportError: a file is not such output.
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
                f"{file} is not the output of `digits evaluate-photos DIR --json`: write that output to it."
            ) from error
    return found


def _read_model(run: Run, photos: dict[str, Photos], evaluation: EvaluationResult | None) -> ModelReport:
    assert run.model is not None  # (an evaluated run has a model)
    assert run.model_evaluation is not None
    assert run.examples is not None
    export = path_utils.serving_model_path(run.model.uri)
    try:
        card = read_json(os.path.join(export, CARD_FILE))
        evaluation = evaluation or read_evaluation(run.model_evaluation.uri)
        litert_bytes = tf.io.gfile.stat(os.path.join(export, MODEL_FILE)).length
        saved_model_bytes = sum(
            tf.io.gfile.stat(file).length
            for pattern in ("*.pb", "variables/*", "assets/*")
            for file in tf.io.gfile.glob(os.path.join(export, pattern))
        )
        latency, made = _serving_figures(run)
        users = read_users(run)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise ReportError(
            f"The outputs of run {run.run_id} cannot be read ({error}). If the files are gone, make them again with "
            "`digits run --no-cache`."
        ) from error
    data = run.examples.properties
    return ModelReport(
        label="",
        run_id=run.run_id,
        card=card,
        evaluation=evaluation,
        interval=wilson_interval(evaluation.examples - evaluation.wrong, evaluation.examples),
        blessed=run.blessed,
        version=run.version,
        curves=tuple(_read_curves(run.model_run.uri)) if run.model_run else (),
        litert_bytes=litert_bytes,
        saved_model_bytes=saved_model_bytes,
        latency_ms=latency,
        data_source=str(data["source"]),
        data_fingerprint=str(data["input_fingerprint"]),
        split_sizes=run.split_sizes,
        published_accuracy=PUBLISHED.get((card["model"], card["epochs"])),
        photos=photos.get(card["export_id"]),
        made=made,
        users=users,
    )


def _serving_figures(run: Run) -> tuple[float | None, MadePictures | None]:
    """ServingCheck's measurements: the latency of one image in milliseconds, and results on synthetic pictures."""
    check = run.artifact("ServingCheck", "blessing")
    if check is None:
        return None, None
    found = read_json(os.path.join(check.uri, "report.json"))
    if "refusal" not in found:  # it could not run the model, or an earlier release wrote the report
        return found["litert_latency_ms"], None
    pictures = sorted(tf.io.gfile.glob(os.path.join(check.uri, "pictures", "*")))[:_MADE_SHOWN]
    wrong = tuple((os.path.splitext(os.path.basename(path))[0][3:], _thumbnail(path)) for path in pictures)
    before = (found["baseline_pages_accuracy"], found["baseline_refusal"]) if "baseline_refusal" in found else None
    return found["litert_latency_ms"], MadePictures(
        found["pages_accuracy"], found["pages_wrong"], found["refusal"], before, wrong
    )


def _thumbnail(path: str) -> str:
    return base64.b64encode(thumbnail(read_bytes(path), _MADE_SIZE)).decode()


def _read_curves(logs: str) -> Iterable[Curve]:
    for folder, split in _SPLITS.items():
        path = os.path.join(logs, folder)
        if not tf.io.gfile.isdir(path):
            continue
        events = EventAccumulator(path, size_guidance={TENSORS: 0})
        events.Reload()
        for tag, figure in _CURVES.items():
            if tag in events.Tags()[TENSORS]:
                points = tuple(
                    (event.step + 1, float(tf.make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)
                )
                yield Curve(split, figure, points)


def _examples(runs: Iterable[Run]) -> list[str]:
    """The folders of the test splits, without duplicates."""
    return list(dict.fromkeys(os.path.join(run.examples.uri, "Split-test") for run in runs if run.examples))


def _misread_pictures(models: Sequence[ModelReport], folders: Sequence[str]) -> tuple[MisreadPicture, ...]:
    answers: dict[str, list[tuple[str, int, float]]] = {}
    labels = {}
    for model in models:
        for misread in model.evaluation.misread:
            labels[misread.digest] = misread.label
            answers.setdefault(misread.digest, []).append((model.label, misread.predicted, misread.probability))
    pictures = find_pictures(folders, set(answers))
    order = sorted(answers, key=lambda digest: (-len(answers[digest]), labels[digest], digest))
    return tuple(MisreadPicture(pictures.get(digest, ""), labels[digest], tuple(answers[digest])) for digest in order)
