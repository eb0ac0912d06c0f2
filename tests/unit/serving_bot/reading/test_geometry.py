from serving_bot.reading.geometry import Box, stack


def test_box() -> None:
    a, b = Box(1, 2, 3, 4), Box(10, 0, 2, 2)
    assert a.union(b) == Box(1, 0, 11, 6)
    assert a.scaled(2) == Box(2, 4, 6, 8)
    assert (a.right, a.bottom, a.side) == (4, 6, 4)


def test_overlapping_pieces_and_bars_are_stacked() -> None:
    hook, bar, beside = Box(10, 20, 30, 50), Box(12, 8, 34, 6), Box(60, 10, 30, 60)
    assert [members for _, members in stack([hook, bar, beside])] == [[1, 0], [2]]
