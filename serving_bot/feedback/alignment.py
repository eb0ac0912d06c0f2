"""Which digit of a reading is which of the right number: by edit distance (Levenshtein, 1966)."""

from __future__ import annotations

MOST_WRONG = 0.5  # share of digits that may differ in a correction; more is another number, or a slip


def align(read: str, right: str) -> list[int | None] | None:
    """For each digit read, the digit it is.

    Of numbers of the same length the places correspond. Otherwise a place that was cut wrongly stands somewhere, and
    only what both numbers share is certain.

    Args:
        read: what was read, digits only.
        right: what stands there.

    Returns:
        A digit for each one read, None where that is not certain; None for all where the numbers differ too much.
    """
    if not read or not right:
        return None
    if len(read) == len(right):
        wrong = sum(a != b for a, b in zip(read, right, strict=True))
        return list(map(int, right)) if len(read) == 1 or wrong <= MOST_WRONG * len(read) else None
    found = _common(read, right)
    return found if sum(one is not None for one in found) >= (1 - MOST_WRONG) * max(len(read), len(right)) else None


def _common(read: str, right: str) -> list[int | None]:
    """The digits that a cheapest alignment leaves as they are, where every cheapest alignment does."""
    before, after = _distances(read, right), _distances(read[::-1], right[::-1])
    rows, columns = len(read), len(right)
    total = before[rows][columns]
    found: list[int | None] = []
    for row in range(rows):
        matches = [
            column
            for column in range(columns)
            if read[row] == right[column] and before[row][column] + after[rows - row - 1][columns - column - 1] == total
        ]
        found.append(int(read[row]) if matches and not _can_change(row, before, after, right) else None)
    return found


def _can_change(row: int, before: list[list[int]], after: list[list[int]], right: str) -> bool:
    """Whether a cheapest alignment drops or replaces the digit of this row."""
    rows, columns = len(before) - 1, len(right)
    total = before[rows][columns]
    rest = after[rows - row - 1]
    dropped = any(before[row][column] + 1 + rest[columns - column] == total for column in range(columns + 1))
    replaced = any(before[row][column] + 1 + rest[columns - column - 1] == total for column in range(columns))
    return dropped or replaced


def _distances(first: str, second: str) -> list[list[int]]:
    """Edit distances between all beginnings of two texts."""
    table = [list(range(len(second) + 1))]
    for row, one in enumerate(first, 1):
        line = [row]
        for column, other in enumerate(second, 1):
            line.append(min(table[-1][column] + 1, line[-1] + 1, table[-1][column - 1] + (one != other)))
        table.append(line)
    return table
