"""The poisoning check: honest clients are left alone, one that relabels a class is found."""

from __future__ import annotations

import random

from tilth.feedback import suspects

CLASSES = [f"c{i}" for i in range(8)]


def words(rng, clients, each, *, wrong=0.3, poison=0.0):
    """Feedback of clients who see the same wrong answers; the first one relabels c0 to c1 on top."""
    found = []
    for client in range(clients):
        for _ in range(each):
            given = rng.choice(CLASSES)
            label = given
            if client == 0 and given == "c0" and rng.random() < poison:
                label = "c1"
            elif rng.random() < wrong:  # most errors are to the class next to it
                label = CLASSES[(CLASSES.index(given) + (1 if rng.random() < 0.7 else 3)) % len(CLASSES)]
            found.append((f"u{client}", given, label))
    return found


def test_honest_clients_are_left_alone():
    flagged = 0
    for seed in range(300):
        rng = random.Random(seed)
        flagged += bool(
            suspects(words(rng, clients=rng.choice((3, 10, 30)), each=rng.choice((20, 80, 300))))[0]
        )
    assert flagged <= 8  # 1 % of 300 is 3; more than 8 has a chance of 0.4 % then


def test_one_client_that_relabels_a_class_is_found():
    found = 0
    for seed in range(100):
        suspected, _ = suspects(words(random.Random(seed), clients=8, each=120, poison=1.0))
        assert all((s.client, s.given, s.label) == ("u0", "c0", "c1") for s in suspected) or seed
        found += any((s.client, s.given, s.label) == ("u0", "c0", "c1") for s in suspected)
    assert found >= 95


def test_a_client_alone_cannot_be_compared():
    judged = [("u0", "c0", "c1")] * 20 + [("u1", "c0", "c0")] * 3
    suspected, unchecked = suspects(judged)
    assert suspected == []
    assert [(s.client, s.relabelled, s.others, s.p) for s in unchecked] == [("u0", 20, 3, None)]


def test_nothing_said_is_nothing_suspected():
    assert suspects([]) == ([], [])
    assert suspects([("u", "a", "a")] * 50) == ([], [])
