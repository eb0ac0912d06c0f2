"""Gives models unique names, groups them into recipes, and compares the recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from models.recipe import TRAINING_SETTINGS
from models.registry import name_training
from pipeline.report.contents import Comparison, ModelReport, Recipe
from pipeline.report.statistics import holm, mcnemar

PUBLISHED = {("my_model", 10): 0.9925, ("my_model", 40): 0.9924, ("lenet", 10): 0.9717, ("lenet", 40): 0.9753}
"""The predecessor's test accuracies by network and epochs; measuring its weights again gave the same figures."""

_RECIPE = (*(name for name in TRAINING_SETTINGS if name not in ("epochs", "seed")), "source")
"""Settings besides the seed in which two trainings of the same network and epochs may differ."""


def label_models(cards: Sequence[dict[str, Any]], run_ids: Sequence[str]) -> list[tuple[str, str]]:
    """The shortest unique names of each model's recipe and of the model.

    Returns:
        For each (the recipe's label, the model's label), such as ("MyModel, 10 epochs", "MyModel, 10 epochs, seed 2").
    """
    short = [name_training(card["model"], card["epochs"]) for card in cards]
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
    if parameter == "source":
        return f"code {str(value)[:7]}"
    shown = ("on" if value else "off") if isinstance(value, bool) else "by default" if value is None else value
    return f"{TRAINING_SETTINGS[parameter].label.lower()} {shown}"


def group_recipes(models: Sequence[ModelReport], labels: Sequence[str]) -> tuple[Recipe, ...]:
    """The models by recipe; `labels` holds the recipe's name for each model."""
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


def compare(recipes: Sequence[Recipe], models: Sequence[ModelReport]) -> tuple[Comparison, ...]:
    """Compares each pair of recipes by their median models, if both were evaluated on the same data."""
    by_label = {model.label: model for model in models}
    pairs = []
    for first, second in combinations(recipes, 2):
        one, other = by_label[first.models[first.median]], by_label[second.models[second.median]]
        if one.data_fingerprint == other.data_fingerprint and one.split_sizes == other.split_sizes:
            # Of very many misclassified examples only those with the lowest digests are kept, a random sample.
            last = min(one.evaluation.last_known, other.evaluation.last_known)
            one_misreads, other_misreads = (
                {misread.digest for misread in model.evaluation.misread if misread.digest <= last}
                for model in (one, other)
            )
            only_one, only_other = len(other_misreads - one_misreads), len(one_misreads - other_misreads)
            p = mcnemar(only_one, only_other)
            if only_one >= only_other:
                pairs.append(Comparison(first.label, second.label, only_one, only_other, p, p))
            else:
                pairs.append(Comparison(second.label, first.label, only_other, only_one, p, p))
    adjusted = holm([pair.p for pair in pairs])
    return tuple(replace(pair, adjusted_p=p) for pair, p in zip(pairs, adjusted, strict=True))


def entitle(recipes: Sequence[Recipe]) -> str:
    """A title for a report: networks and epochs."""
    if len(recipes) == 1:
        return recipes[0].label
    models = list(dict.fromkeys(recipe.model for recipe in recipes))
    epochs = sorted({recipe.epochs for recipe in recipes})
    names = models[0] if len(models) == 1 else f"{', '.join(models[:-1])} and {models[-1]}"
    if len(epochs) == 1:
        return f"{names}, {epochs[0]} epoch" + "s" * (epochs[0] > 1)
    return f"{names}, {', '.join(map(str, epochs[:-1]))} and {epochs[-1]} epochs"
