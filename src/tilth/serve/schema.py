"""Tables of a server's state, and what one row of each means."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["VERSION", "Answered", "Escalated", "Said", "Served"]

VERSION = 1

TABLES = """
-- ids begin with the time, so a row is written at the end of the tree and a span of time is a span of ids
CREATE TABLE answers(
  id TEXT PRIMARY KEY, at TEXT NOT NULL, release TEXT NOT NULL, arm TEXT NOT NULL, client TEXT NOT NULL,
  key TEXT NOT NULL, label TEXT NOT NULL, probability REAL NOT NULL, abstained INTEGER NOT NULL, reason TEXT,
  text TEXT, shadow INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE feedback(
  key TEXT PRIMARY KEY, answer TEXT NOT NULL, kind TEXT NOT NULL, label TEXT, comment TEXT NOT NULL,
  client TEXT NOT NULL, explicit INTEGER NOT NULL, at TEXT NOT NULL, text TEXT
);
CREATE INDEX feedback_of_answer ON feedback(answer);
CREATE TABLE escalations(
  answer TEXT PRIMARY KEY, state TEXT NOT NULL, label TEXT, person TEXT NOT NULL, at TEXT NOT NULL
);
CREATE TABLE releases(
  n INTEGER PRIMARY KEY, id TEXT NOT NULL, path TEXT NOT NULL, since TEXT NOT NULL, state TEXT NOT NULL,
  share REAL NOT NULL, arm TEXT NOT NULL, until TEXT
);
CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer that a server gave.

    Attributes
    ----------
    id : begins with the time; that of a shadow is the id of the answer that was given, `~`, its arm.
    at : ISO 8601, UTC, milliseconds.
    release : id of the release that answered.
    arm : letter of the release among those served side by side: a, b ...
    client : who asked: name of its token, else what it calls itself, else "".
    key : what the arm was chosen by: what the caller gave, else the id of the first answer of a request with
        several rows, else "" (the id of the answer).
    label : the best label, also where the release abstained.
    probability : of that label, 0 to 1.
    abstained : whether no label was given.
    reason : None, "unsure", "unlike" or "outside".
    text : kept where the server was told to keep rows, and for what is escalated; else None.
    shadow : whether nobody was shown this answer.
    """

    id: str
    at: str
    release: str
    arm: str
    client: str
    key: str
    label: str
    probability: float
    abstained: bool
    reason: str | None = None
    text: str | None = None
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody said about an answer.

    Attributes
    ----------
    key : of idempotency: said twice with one key counts once.
    answer : id of the answer meant.
    kind : "right", "wrong", "label" or "comment".
    label : the right label, for the kind "label" only.
    comment : free words, "" for none.
    client : who said it.
    explicit : False for what was concluded from behaviour (a ticket moved, a link followed).
    at : ISO 8601, UTC, milliseconds.
    text : the row's text, where the client sent it along; else None.
    """

    key: str
    answer: str
    kind: str
    label: str | None
    comment: str
    client: str
    explicit: bool
    at: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Escalated:
    """An answer that a person is asked for: state "open" or "answered"."""

    answer: str
    state: str
    label: str | None
    person: str
    at: str


@dataclass(frozen=True, slots=True)
class Served:
    """A release that a server answers with, or did: state "live", "candidate", "shadow" or "retired".

    Attributes
    ----------
    share : of the keys that this release answers, 0 to 1.
    until : when it was retired; None for what is served.
    """

    id: str
    path: str
    since: str
    state: str
    share: float
    arm: str
    until: str | None = None
