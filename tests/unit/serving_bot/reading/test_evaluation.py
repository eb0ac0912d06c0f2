import json
from pathlib import Path

import pytest

from serving_bot.reading import evaluation
from serving_bot.reading.evaluation import (
    Labelled,
    NoPicturesError,
    Outcome,
    collect,
    evaluate,
    render_report,
    summarise,
)
from serving_bot.reading.reader import Model, Reader


def outcome(label: str, answer: str, *, sure: bool = True, error: str = "", kind: str = "") -> Outcome:
    return Outcome(Labelled(Path("x.png"), kind, label), answer, sure, error, None)


def test_collects_both_layouts(tmp_path: Path) -> None:
    for name in ("7/a.png", "canvas/3/b.png", "canvas/notes/c.png", "d.png", "canvas/3/.hidden", "2026/e.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {(picture.kind, picture.label, picture.path.name) for picture in collect(tmp_path)}
    assert found == {("", "7", "a.png"), ("canvas", "3", "b.png"), ("", "2026", "e.png")}


def test_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(NoPicturesError, match="<digit>/<file>"):
        collect(tmp_path)
    with pytest.raises(NoPicturesError, match="not a folder"):
        collect(tmp_path / "absent")


def test_figures() -> None:
    summary = summarise(
        [
            outcome("1", "1", kind="a"),
            outcome("1", "7", kind="a"),
            outcome("2", "2", sure=False, kind="b"),
            outcome("2", "", sure=False, error="damaged", kind="b"),
        ]
    )
    assert summary["accuracy"] == 0.25
    assert summary["best_guess_accuracy"] == 0.5
    assert summary["accuracy_when_sure"] == 0.5
    assert (summary["wrong"], summary["abstentions"], summary["unreadable"]) == (1, 1, 1)
    assert summary["per_label"]["1"]["accuracy"] == 0.5
    assert summary["per_kind"]["b"]["accuracy_when_sure"] is None
    assert len(summary["mistakes"]) == 3
    json.dumps(summary)


def test_pictures_without_a_number_are_right_if_none_is_read() -> None:
    refused = Outcome(Labelled(Path("cat.jpg"), "", "none"), "", False, "", None, none=True)

    summary = summarise([refused, outcome("none", "5"), outcome("none", "5", sure=False), outcome("3", "3")])

    assert (summary["right"], summary["wrong"], summary["abstentions"]) == (2, 1, 1)
    assert summary["accuracy_when_sure"] == 0.5


def test_without_kinds_there_is_no_table() -> None:
    assert "per_kind" not in summarise([outcome("1", "1")])


def test_reads_a_folder(nearest_images: Model, photo_folder: Path) -> None:
    (photo_folder / "canvas" / "5").mkdir(exist_ok=True)
    (photo_folder / "canvas" / "5" / "broken.png").write_bytes(b"broken")
    pictures = collect(photo_folder)
    seen: list[None] = []
    outcomes = evaluate(Reader(nearest_images), pictures, keep_pictures=True, progress=lambda: seen.append(None))
    assert len(outcomes) == len(pictures) == len(seen) == 13
    assert sum(one.right for one in outcomes) >= 9
    assert [one.answer for one in outcomes if one.error] == [""]
    page = render_report(photo_folder, outcomes, "Nearest <1>")
    assert "Nearest &lt;1&gt;" in page
    assert "broken.png" in page
    assert "http" not in page  # nothing is loaded from elsewhere
    wrong = [one for one in outcomes if not one.right and not one.error]
    assert page.count("data:image/jpeg;base64,") == len(wrong)
    assert all(one.annotated and one.annotated[:2] == b"\xff\xd8" for one in wrong)
    assert "read right (pictures: 13)" in evaluation.describe(summarise(outcomes), "Nearest")
