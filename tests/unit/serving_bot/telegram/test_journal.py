from serving_bot.telegram.journal import Journal


def test_notes_survive_the_process_until_they_are_answered(tmp_path):
    path = tmp_path / "new" / "journal.sqlite"
    Journal(path).note({1: {"a": 1}, 2: {"b": 2}})
    journal = Journal(path)  # the first one was never closed, as after a kill
    assert journal.unanswered() == [{"a": 1}, {"b": 2}]
    journal.answered(1)
    again = Journal(path)
    assert again.unanswered() == [{"b": 2}]
    assert [again.knows(number) for number in (1, 2, 3)] == [True, True, False]
    assert again.longest_wait > 0
    again.answered(2)
    assert again.longest_wait == 0
