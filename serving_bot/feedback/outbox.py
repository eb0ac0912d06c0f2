"""The bot's feedback data in one SQLite file: answers that can be judged, consent, and contributions for the store.

A contribution is committed before the bot thanks the person, and deleted when the store has it, so neither a kill nor
an unreachable store loses one. Answers are stored as identifiers, without pictures.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from serving_bot.feedback.contribution import Contribution
from serving_bot.feedback.store import Store
from serving_bot.storage import open_database

KEPT_S = 7 * 24 * 3600.0  # time for which an answer can be judged
MOST_WAITING = 10_000  # maximum contributions that wait for the store; more are refused
A_DAY_S = 24 * 3600.0

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    chat INTEGER, message INTEGER, file TEXT, size INTEGER, version INTEGER, read TEXT, sure INTEGER, at REAL,
    judged INTEGER,
    PRIMARY KEY (chat, message)
);
CREATE TABLE IF NOT EXISTS consent (contributor TEXT PRIMARY KEY, given INTEGER, at REAL);
CREATE TABLE IF NOT EXISTS waiting (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, contributor TEXT, png BLOB
);
CREATE TABLE IF NOT EXISTS telling (
    contributor TEXT PRIMARY KEY, chat INTEGER, language TEXT, version INTEGER, learned INTEGER
);
CREATE TABLE IF NOT EXISTS given (id TEXT PRIMARY KEY, contributor TEXT, at REAL);
"""

Kept = Literal["kept", "known", "too-many", "full"]


@dataclass(frozen=True)
class Listener:
    """A person who wants to be told what was learned from their corrections."""

    chat: int  # number of the private chat
    language: str | None  # language code of their Telegram
    learned: int = 0  # number of corrected digits that they were last told are read correctly


@dataclass(frozen=True)
class JudgedAnswer:
    """An answer that a person can judge."""

    chat: int
    message: int  # number of the answer's message
    file: str  # Telegram's file identifier of the picture
    size: int | None  # of that file, bytes
    version: int  # version of the model that answered
    read: str  # the digits, with line breaks between lines
    sure: bool  # whether the answer was confident
    judged: bool = False  # whether somebody has judged it


class Outbox:
    """The bot's feedback data.

    Args:
        path: the file; None for memory only.
        per_day: maximum contributions of one person in 24 hours.

    Raises:
        OSError, sqlite3.Error: the file cannot be opened or written.
    """

    def __init__(self, path: Path | None, per_day: int) -> None:
        self._per_day = per_day
        # The event loop puts in, and a thread takes out.
        self._lock = threading.RLock()
        self._database = open_database(path, check_same_thread=False)
        self._database.execute("PRAGMA secure_delete = ON")  # deleted data leaves no bytes behind
        self._database.executescript(_TABLES)
        self._database.execute("DELETE FROM answers WHERE at < ?", (time.time() - KEPT_S,))
        self._database.execute("DELETE FROM given WHERE at < ?", (time.time() - KEPT_S,))

    # ------------------------------------------------------------------------------------------------- answers

    def note_answer(self, answer: JudgedAnswer) -> None:
        """Records an answer, so it can be judged."""
        with self._transaction() as database:
            database.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
                (
                    answer.chat,
                    answer.message,
                    answer.file,
                    answer.size,
                    answer.version,
                    answer.read,
                    int(answer.sure),
                    time.time(),
                ),
            )

    def answer(self, chat: int, message: int) -> JudgedAnswer | None:
        """The answer with this number; None if it is too old, or the message is no answer."""
        row = self._one(
            "SELECT chat, message, file, size, version, read, sure, judged FROM answers WHERE chat = ? AND message = ?",
            (chat, message),
        )
        if row is None:
            return None
        chat, message, file, size, version, read, sure, judged = row
        return JudgedAnswer(chat, message, file, size, version, read, bool(sure), bool(judged))

    # ------------------------------------------------------------------------------------------------- consent

    def consent(self, contributor: str) -> bool | None:
        """Whether a person has agreed that corrections are stored; None if they have not been asked."""
        row = self._one("SELECT given FROM consent WHERE contributor = ?", (contributor,))
        return None if row is None else bool(row[0])

    def note_consent(self, contributor: str, given: bool, listener: Listener | None = None) -> None:
        """Records a person's decision; ``listener`` is set if they also want to be told what was learned."""
        with self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO consent VALUES (?, ?, ?)", (contributor, int(given), time.time()))
            if listener is None:
                database.execute("DELETE FROM telling WHERE contributor = ?", (contributor,))
            else:
                row = (contributor, listener.chat, listener.language)
                database.execute("INSERT OR IGNORE INTO telling VALUES (?, ?, ?, 0, 0)", row)

    def listens(self, contributor: str) -> bool:
        """Whether a person wants to be told what was learned."""
        return self._one("SELECT 1 FROM telling WHERE contributor = ?", (contributor,)) is not None

    def next_listener(self, version: int) -> Listener | None:
        """A listener who has not been handled for this or a newer version; None if all have."""
        row = self._one("SELECT chat, language, learned FROM telling WHERE version < ? ORDER BY chat", (version,))
        return None if row is None else Listener(*row)

    def note_told(self, listener: Listener, version: int, learned: int) -> bool:
        """Commits that a listener has been handled for a version; False if they no longer are a listener."""
        with self._transaction() as database:
            row = (version, learned, listener.chat)
            return bool(database.execute("UPDATE telling SET version = ?, learned = ? WHERE chat = ?", row).rowcount)

    def drop_listener(self, listener: Listener) -> None:
        """Deletes the chat of somebody who cannot be reached."""
        with self._transaction() as database:
            database.execute("DELETE FROM telling WHERE chat = ?", (listener.chat,))

    def known(self, names: list[str]) -> str:
        """The code, of one for each key, that a person has decided on consent under; the first if none."""
        marks = ", ".join("?" * len(names))
        row = self._one(f"SELECT contributor FROM consent WHERE contributor IN ({marks}) ORDER BY at", tuple(names))
        return names[0] if row is None else str(row[0])

    # ----------------------------------------------------------------------------------------- contributions

    def keep(self, answer: JudgedAnswer, contributions: list[Contribution]) -> Kept:
        """Commits the contributions from one judged answer, all or none.

        Returns:
            `kept`; `known` if the answer was judged before; `too-many` if the person has reached the daily limit;
            `full` if too many contributions wait for the store.

        Raises:
            sqlite3.Error: the disk is full, or the file is damaged. Nothing was kept.
        """
        with self._transaction() as database:
            judged = self.answer(answer.chat, answer.message)
            if judged is None or judged.judged:
                return "known"
            if self.waiting() + len(contributions) > MOST_WAITING:
                return "full"
            if self._today(contributions[0].contributor) + len(contributions) > self._per_day:
                return "too-many"
            for one in contributions:
                row = (one.id, one.contributor, time.time())
                if database.execute("INSERT OR IGNORE INTO given VALUES (?, ?, ?)", row).rowcount:
                    database.execute(
                        "INSERT INTO waiting (id, contributor, png) VALUES (?, ?, ?)",
                        (one.id, one.contributor, one.to_png()),
                    )
            database.execute(
                "UPDATE answers SET judged = 1 WHERE chat = ? AND message = ?", (answer.chat, answer.message)
            )
        return "kept"

    def _today(self, contributor: str) -> int:
        """The number of a person's contributions in the last 24 hours."""
        return int(
            self._one(
                "SELECT count(*) FROM given WHERE contributor = ? AND at > ?", (contributor, time.time() - A_DAY_S)
            )[0]
        )

    def forget(self, contributors: list[str]) -> None:
        """Deletes a person's data under all their codes, and queues the same for the store, before anything newer."""
        with self._transaction() as database:
            for name in contributors:
                database.execute("DELETE FROM waiting WHERE contributor = ?", (name,))
                database.execute("DELETE FROM given WHERE contributor = ?", (name,))
                database.execute("DELETE FROM consent WHERE contributor = ?", (name,))
                database.execute("DELETE FROM telling WHERE contributor = ?", (name,))
                database.execute("INSERT INTO waiting (contributor) VALUES (?)", (name,))

    def waiting(self) -> int:
        """The number of contributions and deletions that wait for the store."""
        return int(self._one("SELECT count(*) FROM waiting")[0])

    def deliver(self, store: Store) -> int:
        """Passes waiting contributions and deletions to the store, in order.

        Returns:
            The number that were passed on.

        Raises:
            FeedbackError: the store cannot be written; the rest stays here.
        """
        delivered = 0
        while True:
            row = self._one("SELECT number, id, contributor, png FROM waiting ORDER BY number LIMIT 1")
            if row is None:
                return delivered
            number, contribution_id, contributor, png = row
            if png is None:
                store.forget([contributor])
            else:
                store.add(contribution_id, contributor, png)
            # (a deletion requested meanwhile is later in the queue)
            with self._transaction() as database:
                database.execute("DELETE FROM waiting WHERE number = ?", (number,))
            delivered += 1

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Commits everything written inside, or nothing."""
        with self._lock, self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield self._database

    def _one(self, statement: str, arguments: tuple[Any, ...] = ()) -> Any:
        """The first row of a query's result; None if it is empty."""
        with self._lock:
            return self._database.execute(statement, arguments).fetchone()
