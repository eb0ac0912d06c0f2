from dataclasses import replace

import hand_made_report
import pytest
from hand_made_report import four_models, model

from pipeline.report.recipes import compare, entitle, group_recipes, label_models


def card(**changes):
    return {**model().card, **changes}


def labels(*cards):
    return [label for _, label in label_models(cards, [f"r{number}" for number in range(len(cards))])]


def test_a_label_has_only_what_distinguishes_models():
    assert labels(card()) == ["MyModel, 10 epochs"]
    assert labels(card(), card(epochs=1)) == ["MyModel, 10 epochs", "MyModel, 1 epoch"]
    assert labels(card(), card(seed=2)) == ["MyModel, 10 epochs, seed 1", "MyModel, 10 epochs, seed 2"]
    assert labels(card(), card(batch_size=64), card(epochs=40)) == [
        "MyModel, 10 epochs, batch size 128",
        "MyModel, 10 epochs, batch size 64",
        "MyModel, 40 epochs",
    ]
    assert labels(card(outliers=0), card(outliers=1), card(outliers=0, xla=True)) == [
        "MyModel, 10 epochs, outliers 0, xla by default",
        "MyModel, 10 epochs, outliers 1, xla by default",
        "MyModel, 10 epochs, outliers 0, xla on",
    ]
    assert labels(card(), card(augment=False)) == [
        "MyModel, 10 epochs, augment on",
        "MyModel, 10 epochs, augment off",
    ]
    assert labels(card(), card()) == ["MyModel, 10 epochs, run r0", "MyModel, 10 epochs, run r1"]
    assert labels(card(), card(source="abcdefghij"))[1] == "MyModel, 10 epochs, code abcdefg"


def test_a_models_recipe_is_named_without_its_seed():
    assert label_models([card(), card(seed=2)], ["a", "b"])[1] == ("MyModel, 10 epochs", "MyModel, 10 epochs, seed 2")


def test_a_recipes_seeds_are_sorted_by_accuracy():
    models = [
        replace(model(seed=seed, misread=range(wrong)), label=f"seed {seed}")
        for seed, wrong in ((1, 5), (2, 9), (3, 7), (4, 8))
    ]

    (recipe,) = group_recipes(models, ["MyModel"] * 4)

    assert recipe.seeds == (2, 4, 3, 1)
    assert recipe.accuracies == pytest.approx((0.991, 0.992, 0.993, 0.995))
    assert recipe.models[recipe.median] == "seed 4"


def test_pairs_are_compared_by_the_images_that_only_one_classifies():
    models = four_models()
    recipes = group_recipes(models, [found.label for found in models])

    found = {(pair.better, pair.worse): pair for pair in compare(recipes, models)}

    assert len(found) == 6
    pair = found["MyModel, 10 epochs", "LeNet, 10 epochs"]
    assert (pair.only_better, pair.only_worse) == (50, 2)  # 0 to 49 against 60 and 61
    assert pair.p < pair.adjusted_p < 1e-9
    assert found["LeNet, 40 epochs", "LeNet, 10 epochs"].p == pytest.approx(2 / 2**4)


def test_models_with_many_mistakes_are_compared_on_the_images_that_both_kept():
    one, other = model("lenet", misread=range(60)), model("my_model", misread=range(50, 62))
    kept = replace(one.evaluation, misread=one.evaluation.misread[:55])  # 0000 to 0054, the lowest digests
    models = [replace(one, label="LeNet", evaluation=kept), replace(other, label="MyModel")]

    (pair,) = compare(group_recipes(models, ["LeNet", "MyModel"]), models)

    assert (pair.better, pair.only_better, pair.only_worse) == ("MyModel", 50, 0)  # 60 and 61 are beyond 0054


def test_models_with_different_test_images_are_not_compared():
    models = four_models()
    models[0] = replace(models[0], data_fingerprint="other")

    report = hand_made_report.report(models)

    assert len(report.comparisons) == 3
    assert not any("LeNet, 10 epochs" in (pair.better, pair.worse) for pair in report.comparisons)


def test_titles():
    models = four_models()

    def title(*chosen):
        return entitle(group_recipes(chosen, [found.label for found in chosen]))

    assert title(*models) == "LeNet and MyModel, 10 and 40 epochs"
    assert title(models[0]) == "LeNet, 10 epochs"
    assert title(models[0], models[2]) == "LeNet and MyModel, 10 epochs"
    assert title(models[2], models[3]) == "MyModel, 10 and 40 epochs"
