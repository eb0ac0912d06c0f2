"""Records received pictures on disk until they are answered, so a kill loses none.

Telegram forgets an update when the next request confirms it. Before that, the bot records a picture's chat, message and
file identifiers; after a restart it answers the picture.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

from serving_bot.storage import open_database

log = logging.getLogger(__name__)

DEFAULT_FOLDER = Path("bot_state")

KEPT_S = 2 * 24 * 3600.0
"""Seconds to keep the number of an answered update. Telegram repeats an unconfirmed update for 24 hours."""


class Journal:
    """Records of updates in an SQLite file, committed to disk before updates are confirmed.

    Args:
        path: the file; None to keep the records only in memory.

    Raises:
        OSError, sqlite3.Error: the file cannot be opened or written.
    """

    def __init__(self, path: Path | None) -> None:
        self._database = open_database(path)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS updates (id INTEGER PRIMARY KEY, note TEXT, answered INTEGER, at REAL)"
        )
        self._database.execute("DELETE FROM updates WHERE answered AND at < ?", (time.time() - KEPT_S,))
        self._failed = False
        self._since: dict[int, float] = {}

    def note(self, notes: dict[int, dict[str, Any]]) -> None:
        """Records updates by number, all or none."""
        rows = [(number, json.dumps(note), 0, time.time()) for number, note in notes.items()]
        if rows:
            self._write("INSERT OR IGNORE INTO updates VALUES (?, ?, ?, ?)", rows)
            self._since |= dict.fromkeys(notes, time.monotonic())

    def knows(self, number: int) -> bool:
        """Whether an update is recorded or answered."""
        return self._database.execute("SELECT 1 FROM updates WHERE id = ?", (number,)).fetchone() is not None

    def answered(self, number: int) -> None:
        """Marks an update as answered; keeps only its number."""
        self._write("INSERT OR REPLACE INTO updates VALUES (?, ?, ?, ?)", [(number, None, 1, time.time())])
        self._since.pop(number, None)

    def unanswered(self) -> list[dict[str, Any]]:
        """The records of unanswered updates, oldest first."""
        rows = self._database.execute("SELECT id, note FROM updates WHERE NOT answered ORDER BY id").fetchall()
        self._since |= {number: time.monotonic() for number, _ in rows}
        return [json.loads(note) for _, note in rows]

    @property
    def longest_wait(self) -> float:
        """Seconds that the oldest unanswered picture has waited in this process; 0 if there is none."""
        return time.monotonic() - min(self._since.values()) if self._since else 0.0

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """Writes in one transaction. A full disk is logged once and does not stop answers."""
        try:
            with self._database:
                self._database.execute("BEGIN")
                self._database.executemany(statement, rows)
        except sqlite3.Error as error:
            if not self._failed:
                log.error("received pictures cannot be noted; a kill may lose some", extra={"reason": str(error)})
            self._failed = True
        else:
            self._failed = False

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
