"""Matches the digits of a reading with those of the right number, by edit distance (Levenshtein, 1966)."""

from __future__ import annotations

MOST_WRONG = 0.5  # maximum share of digits that a correction may change; above that it is probably another number


def align(read: str, right: str) -> list[int | None] | None:
    """The true digit of each digit in a reading.

    In numbers of the same length the positions correspond. Otherwise a digit was cut wrongly, and only the digits that
    both numbers share are certain.

    Args:
        read: the reading, digits only.
        right: the right number.

    Returns:
        A digit for each digit read, None if it is uncertain; None instead of the list if the numbers differ too much.
    """
    if not read or not right:
        return None
    if len(read) == len(right):
        wrong = sum(a != b for a, b in zip(read, right, strict=True))
        return list(map(int, right)) if len(read) == 1 or wrong <= MOST_WRONG * len(read) else None
    found = _common(read, right)
    return found if sum(one is not None for one in found) >= (1 - MOST_WRONG) * max(len(read), len(right)) else None


def _common(read: str, right: str) -> list[int | None]:
    """The digits that every cheapest alignment keeps; None for the others."""
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
    """Whether some cheapest alignment deletes or replaces the digit of this row."""
    rows, columns = len(before) - 1, len(right)
    total = before[rows][columns]
    rest = after[rows - row - 1]
    dropped = any(before[row][column] + 1 + rest[columns - column] == total for column in range(columns + 1))
    replaced = any(before[row][column] + 1 + rest[columns - column - 1] == total for column in range(columns))
    return dropped or replaced


def _distances(first: str, second: str) -> list[list[int]]:
    """The edit distances between all prefixes of two texts."""
    table = [list(range(len(second) + 1))]
    for row, one in enumerate(first, 1):
        line = [row]
        for column, other in enumerate(second, 1):
            line.append(min(table[-1][column] + 1, line[-1] + 1, table[-1][column - 1] + (one != other)))
        table.append(line)
    return table
