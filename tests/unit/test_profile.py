"""What a datasheet says of rows: columns, gaps, dates, and what is written like a person's data."""

from __future__ import annotations

import time

from tilth.data import Row, Snapshot
from tilth.release.profile import PATTERNS, profile


def of(*texts: str, **columns: list[object]) -> Snapshot:
    rows = [
        Row(f"r{i}", {"text": t, **{k: v[i] for k, v in columns.items()}}, "a" if i % 3 else None)  # type: ignore[dict-item]
        for i, t in enumerate(texts)
    ]
    return Snapshot.of(rows)


def test_columns_gaps_and_dates() -> None:
    rows = of(
        "one", "two 2", "", day=["2025-01-03", "2025-02-01T10:00", None], n=[1, 2.5, 3], mixed=[1, "x", None]
    )
    found = profile(rows, "v", "text")
    columns = {c.name: c for c in found.columns}
    assert (found.rows, found.unlabelled, found.empty, found.classes) == (3, 1, 1, {"a": 2})
    assert found.lengths == (0, 3, 5)
    day = columns["day"]
    assert (day.kind, day.filled, day.first, day.last) == ("date", 2, "2025-01-03", "2025-02-01")
    assert (columns["n"].kind, columns["mixed"].kind) == ("number", "mixed")
    assert columns["n"].values == {"1": 1, "2.5": 1, "3": 1}


def test_what_reaches_a_person_is_counted() -> None:
    texts = {
        "e-mail address": "write to anna.b@mail.example.org please",
        "web address": "see https://example.org/x?y",
        "telephone number": "call +49 30 1234 5678 today",
        "card number": "4111 1111 1111 1111 was charged",
        "account number (IBAN)": "DE89 3704 0044 0532 0130 00",
        "network address": "from 192.168.10.4 again",
    }
    found = profile(of(*texts.values()), "v", "text").patterns
    assert set(found) == set(PATTERNS)
    assert all(found[name] >= 1 for name in texts)
    calm = of("order 12345 of 3 May", "I paid 19.99 for 2", "version 1.2.3", "room 101")
    assert not any(profile(calm, "v", "text").patterns.values())


def test_no_text_makes_a_pattern_slow() -> None:
    nasty = [
        "a" * 100_000,
        "1" * 100_000 + "a",
        "1 " * 50_000 + "a",
        "a@" * 50_000,
        "AB12" * 25_000,
        "1.1." * 25_000,
    ]
    began = time.process_time()
    profile(of(*nasty), "v", "text")
    assert time.process_time() - began < 3
