import pytest

from pipeline.report.conclusions import conclude, describe
from pipeline.report.contents import Comparison, Recipe


def recipe(model, epochs, extra=""):
    label = f"{model}, {epochs} epochs{extra}"
    return Recipe(label, model, epochs, (label,), (1,), (0.99,))


L10, L40, M10, M40 = (recipe(model, epochs) for model in ("LeNet", "MyModel") for epochs in (10, 40))


def compared(better, worse, p):
    return Comparison(better.label, worse.label, 30, 10, p, p)


def test_a_general_conclusion_is_stated_once():
    comparisons = [
        compared(M10, L10, 0.001),
        compared(M40, L40, 0.001),
        compared(M40, L10, 0.001),
        compared(M10, L40, 0.001),
        compared(L40, L10, 0.4),
        compared(M40, M10, 0.5),
    ]

    assert conclude([L10, L40, M10, M40], comparisons) == (
        "MyModel beats LeNet.",
        "10 and 40 epochs do not differ significantly.",
    )


def test_a_partial_conclusion_names_where_it_holds():
    comparisons = [
        compared(M10, L10, 0.001),
        compared(M40, L40, 0.2),
        compared(L40, L10, 0.01),
        compared(M10, M40, 0.5),
    ]

    assert conclude([L10, L40, M10, M40], comparisons) == (
        "At 10 epochs MyModel beats LeNet; at 40 epochs LeNet and MyModel do not differ significantly.",
        "With LeNet 40 epochs beat 10 epochs; with MyModel 10 and 40 epochs do not differ significantly.",
    )


def test_opposite_conclusions_are_kept_apart():
    comparisons = [compared(M10, L10, 0.001), compared(L40, M40, 0.001)]

    assert conclude([L10, L40, M10, M40], comparisons)[0] == (
        "At 10 epochs MyModel beats LeNet; at 40 epochs LeNet beats MyModel."
    )


def test_the_fewer_epochs_can_win():
    assert conclude([L10, L40], [compared(L10, L40, 0.001)]) == ("10 epochs beat 40 epochs.",)


def test_one_epoch_is_singular():
    one = Recipe("LeNet, 1 epoch", "LeNet", 1, ("LeNet, 1 epoch",), (1,), (0.9,))

    assert conclude([one, L10], [compared(L10, one, 0.001)]) == ("10 epochs beat 1 epoch.",)


def test_other_combinations_are_concluded_pair_by_pair():
    assert conclude([L10, M40], [compared(M40, L10, 0.001)]) == ("MyModel, 40 epochs beats LeNet, 10 epochs.",)
    slow = recipe("LeNet", 10, ", batch size 32")
    assert conclude([L10, slow], [compared(slow, L10, 0.3)]) == (
        "LeNet, 10 epochs, batch size 32 and LeNet, 10 epochs do not differ significantly.",
    )


def test_a_single_model_has_no_conclusion():
    assert conclude([L10], []) == ()


@pytest.mark.parametrize(
    ("p", "said"),
    [(0.0000001, "p < 0.001"), (0.0123, "p = 0.012"), (0.5, "p = 0.5"), (1.0, "p = 1")],
)
def test_a_pair_is_described_with_its_figures(p, said):
    verb = "beats" if p < 0.05 else "is not significantly different from"

    assert describe(compared(M10, L10, p)) == (
        f"MyModel, 10 epochs {verb} LeNet, 10 epochs: of the test images 30 are correct only with the "
        f"former, 10 only with the latter ({said})."
    )
