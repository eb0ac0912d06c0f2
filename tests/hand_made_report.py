"""Reports without runs: models with chosen mistakes."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Collection
from dataclasses import replace

from PIL import Image, ImageDraw

from components.evaluation.result import EvaluationResult, Misread
from models.registry import ARCHITECTURES
from pipeline.report.conclusions import conclude
from pipeline.report.contents import Curve, MisreadPicture, ModelReport, Report
from pipeline.report.recipes import PUBLISHED, compare, group_recipes, label_models
from pipeline.report.statistics import wilson_interval

EXAMPLES = 1000
"""Test images: the digest of number n is its four digits, its label the last of them."""

LAYERS = [
    {"kind": "Input", "role": "input", "detail": "", "output": [32, 32, 1], "parameters": 0},
    {"kind": "Conv2D", "role": "convolution", "detail": "6 of 5×5, tanh", "output": [28, 28, 6], "parameters": 156},
    {"kind": "AveragePooling2D", "role": "pooling", "detail": "2×2", "output": [14, 14, 6], "parameters": 0},
    {"kind": "Flatten", "role": "other", "detail": "", "output": [1176], "parameters": 0},
    {"kind": "Dense", "role": "dense", "detail": "10 units", "output": [10], "parameters": 11770},
]


def model(
    architecture: str = "my_model", epochs: int = 10, seed: int = 1, misread: Collection[int] = (7,)
) -> ModelReport:
    """A model that classifies the images with these numbers as the next digit, with 80 %."""
    mistakes = tuple(Misread(f"{n:04}", n % 10, (n + 1) % 10, 0.8) for n in sorted(misread))
    counts = [[EXAMPLES // 10 if row == column else 0 for column in range(10)] for row in range(10)]
    for mistake in mistakes:
        counts[mistake.label][mistake.label] -= 1
        counts[mistake.label][mistake.predicted] += 1
    right = EXAMPLES - len(mistakes)
    evaluation = EvaluationResult(
        accuracy=right / EXAMPLES,
        loss=0.01 + len(mistakes) / EXAMPLES,
        calibration_error=0.002,
        examples=EXAMPLES,
        accuracy_by_digit={digit: counts[digit][digit] / (EXAMPLES // 10) for digit in range(10)},
        confusion=tuple(map(tuple, counts)),
        wrong=len(mistakes),
        misread=mistakes,
        baseline_accuracy=None,
        blessed=False,
        failures=(),
    )
    name = ARCHITECTURES[architecture].display_name
    card = {
        "model": architecture,
        "display_name": name,
        "epochs": epochs,
        "seed": seed,
        "batch_size": 128,
        "learning_rate": 3e-3,
        "augment": True,
        "outliers": 16,
        "drawn_digits": 8,
        "weight_decay": 0.1,
        "source": "0123456789",
        "parameters": 121_994 if architecture == "my_model" else 61_706,
        "layers": LAYERS,
        "machine": "2 CPUs, Some Processor, Linux",
        "versions": {"keras": "3.4.1", "tensorflow": "2.16.2", "tfx": "1.16.0"},
        "git_revision": "0123456789abcdef0123456789abcdef01234567",
        "export_id": f"{architecture}-{epochs}-{seed}",
        "trained_at": "2026-11-22T15:31:54+00:00",
        "training_seconds": 12.5 * epochs,
        "temperature": 1.1,
    }
    return ModelReport(
        label=f"{name}, {epochs} epochs",
        run_id=f"20261122-1200{epochs:02}.{seed:06}",
        card=card,
        evaluation=evaluation,
        interval=wilson_interval(right, EXAMPLES),
        blessed=None,
        version=None,
        curves=tuple(
            Curve(split, figure, tuple((n, curve(n, worse)) for n in range(1, epochs + 1)))
            for figure, curve in (("accuracy", lambda n, w: 1 - w / n), ("loss", lambda n, w: w * math.exp(-n / 9)))
            for split, worse in (("training", 0.12), ("validation", 0.1))
        ),
        litert_bytes=260_000,
        saved_model_bytes=700_000,
        latency_ms=0.123,
        data_source="bundled",
        data_fingerprint="fedcba9876543210",
        split_sizes={"train": 53_000, "eval": 2_000, "test": EXAMPLES},
        published_accuracy=PUBLISHED.get((architecture, epochs)),
        photos=None,
    )


def four_models() -> list[ModelReport]:
    """LeNet and MyModel, 10 and 40 epochs: MyModel is significantly better, 40 epochs are not."""
    return [
        model("lenet", 10, misread=range(60)),
        model("lenet", 40, misread=range(2, 58)),
        model("my_model", 10, misread=range(50, 62)),
        model("my_model", 40, misread=range(52, 63)),
    ]


def picture(label: int) -> str:
    """A PNG for a digit, in base64."""
    image = Image.new("L", (28, 28))
    ImageDraw.Draw(image).text((10, 8), str(label), fill=255)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def pictures(models: list[ModelReport]) -> tuple[MisreadPicture, ...]:
    """Every image that one of the models misclassifies."""
    by_digest: dict[str, MisreadPicture] = {}
    for found in models:
        for misread in found.evaluation.misread:
            empty = MisreadPicture(picture(misread.label), misread.label, ())
            before = by_digest.get(misread.digest, empty)
            answer = (found.label, misread.predicted, misread.probability)
            by_digest[misread.digest] = replace(before, answers=(*before.answers, answer))
    return tuple(sorted(by_digest.values(), key=lambda found: -len(found.answers)))


def twelve_models() -> list[ModelReport]:
    """Three seeds of each of the four: each seed misclassifies one image more than the previous one."""
    return [
        model(architecture, epochs, seed, misread=range(first + seed, last + 2 * seed))
        for architecture, epochs, first, last in (
            ("lenet", 10, 0, 60),
            ("lenet", 40, 3, 59),
            ("my_model", 10, 50, 62),
            ("my_model", 40, 52, 63),
        )
        for seed in (1, 2, 3)
    ]


def report(models: list[ModelReport]) -> Report:
    """A report on these models, labelled and compared as in the pipeline."""
    labels = label_models([found.card for found in models], [found.run_id for found in models])
    models = [replace(found, label=label) for found, (_, label) in zip(models, labels, strict=True)]
    recipes = group_recipes(models, [recipe for recipe, _ in labels])
    comparisons = compare(recipes, models)
    return Report(
        title="Hand-made models",
        written_at="2026-11-22T16:00:00+00:00",
        command="digits compare",
        models=tuple(models),
        recipes=recipes,
        comparisons=comparisons,
        conclusions=conclude(recipes, comparisons),
        misread=pictures(models),
    )
