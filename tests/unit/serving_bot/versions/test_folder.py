from datetime import datetime, timezone

import fsspec
import pytest

from serving_bot.versions.folder import NoPushedModelError, Version, choose, pushed_at
from serving_bot.versions.registry import asked_for


def mark(push_dir, *names):
    """Makes version folders that have only the mark of completeness."""
    for name in names:
        (push_dir / name).mkdir(parents=True)
        (push_dir / name / "saved_model.pb").write_bytes(b"")


def served(push_dir):
    return asked_for(push_dir)[0].version.path


def test_versions_compare_as_integers_and_other_names_are_ignored(tmp_path):
    mark(tmp_path, "9", "10", "tmp-11", "12.bak", "٣٤", "-13")
    (tmp_path / "14").write_text("a file, not a folder")
    assert served(str(tmp_path)) == f"{tmp_path}/10"
    assert [version.number for version in choose(str(tmp_path)).versions] == [10, 9]


def test_a_version_without_its_mark_is_still_being_copied(tmp_path):
    mark(tmp_path, "1")
    (tmp_path / "2" / "variables").mkdir(parents=True)
    assert served(str(tmp_path)) == f"{tmp_path}/1"


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_no_model_is_a_one_line_error_with_the_next_step(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoPushedModelError, match=rf"No model has been pushed to .*{folder} yet\. Push one"):
        served(str(tmp_path / folder))


def test_a_pin_is_served_instead_of_the_newest(tmp_path):
    mark(tmp_path, "1", "2", "3")
    (tmp_path / "pin").write_text("2\n")
    assert served(str(tmp_path)) == f"{tmp_path}/2"


@pytest.mark.parametrize(
    ("pin", "sentence"), [("7", "asks for version 7, which is missing"), ("new", "one version number")]
)
def test_with_a_wrong_pin_the_newest_is_served_with_a_message(tmp_path, pin, sentence):
    mark(tmp_path, "1", "2")
    (tmp_path / "pin").write_text(pin)
    choice = choose(str(tmp_path))
    assert [version.number for version in choice.versions] == [2, 1]
    assert sentence in choice.problem


def test_remote_folders_are_listed_too():
    filesystem = fsspec.filesystem("memory")
    for path in ("/models/9/saved_model.pb", "/models/10/saved_model.pb", "/models/11/card.json"):
        filesystem.pipe_file(path, b"")
    try:
        assert served("memory://models") == "memory://models/10"
        filesystem.pipe_file("/models/pin", b"9")
        assert served("memory://models") == "memory://models/9"
    finally:
        filesystem.rm("/models", recursive=True)


def test_the_pushers_version_is_the_time_of_the_push(tmp_path):
    assert pushed_at(Version(1763800000, "anywhere"), {}) == datetime(2025, 11, 22, 8, 26, 40, tzinfo=timezone.utc)
    mark(tmp_path, "7")
    age = datetime.now(timezone.utc) - pushed_at(Version(7, str(tmp_path / "7")), {"pushed_at": "once"})
    assert abs(age.total_seconds()) < 60


def test_a_file_instead_of_a_folder_is_reported(tmp_path):
    (tmp_path / "models").write_text("not a folder")
    with pytest.raises(NoPushedModelError, match=r"models is a file\. Name the folder"):
        served(str(tmp_path / "models"))
