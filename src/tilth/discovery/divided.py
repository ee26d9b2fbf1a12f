"""What the items are about over which annotators are divided: clusters of judged items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tilth.discovery.candidates import Support
from tilth.discovery.wording import Wording, clusters, project
from tilth.recipes.base import Matrix
from tilth.stats import holm_adjusted

__all__ = ["Topic", "topics"]

PER_TOPIC, MOST, LEAST = 25, 12, 3
"""Items for each topic at the least, most topics, and divided items from which on a topic is named."""


@dataclass(frozen=True)
class Topic:
    """A cluster of judged items.

    Attributes
    ----------
    items : positions of its items.
    divided : positions of those with votes for more than one label.
    elsewhere : share of divided items among all others.
    p : that its items are as divided as all others; corrected for the number of topics.
    words : that tell its items apart from other items, the most telling first.
    divided_words : that tell its divided items apart from the others in it.
    """

    items: np.ndarray
    divided: np.ndarray
    elsewhere: float
    p: float
    words: tuple[str, ...]
    divided_words: tuple[str, ...]

    @property
    def share(self) -> float:
        """Of its items that are divided."""
        return len(self.divided) / max(len(self.items), 1)


def topics(texts: Sequence[str], features: Matrix, split: np.ndarray, *, seed: int = 0) -> list[Topic]:
    """Clusters with divided items, most divided items above expectation first.

    Clusters are made of features alone, so votes say nothing about where their borders are.

    Parameters
    ----------
    texts, features : n judged items with at least two votes each.
    split : (n,) whether votes for more than one label were cast.

    Returns
    -------
    Nothing with fewer than 50 items, or where nobody or everybody is divided.

    References
    ----------
    Fisher, "Statistical methods for research workers", 1934 (the one-sided test of a fourfold table).
    """
    n, total = len(texts), int(split.sum())
    if n < 2 * PER_TOPIC or total in (0, n) or features.shape[1] < 2:
        return []
    size = min(n // PER_TOPIC, MOST)
    number = clusters(project(features, seed), size, seed)
    everything = Wording.of(texts, Support(3, n // 2))
    members = [np.flatnonzero(number == c) for c in range(size)]
    members = [m for m in members if len(m)]
    p = holm_adjusted(np.array([_more(int(split[m].sum()), len(m), total, n) for m in members]))
    out = []
    for at, q in zip(members, p, strict=True):
        inside = np.zeros(n, dtype=bool)
        inside[at] = True
        divided = at[split[at]]
        if len(divided) < LEAST or len(at) == n:
            continue
        own = Wording.of([texts[i] for i in at.tolist()], Support(3, len(at)))
        words = _telling(everything, inside), _telling(own, split[at])
        out.append(Topic(at, divided, float(split[~inside].mean()), float(q), *words))
    return sorted(out, key=lambda t: (len(t.items) * total / n - len(t.divided), int(t.items[0])))


def _telling(wording: Wording, inside: np.ndarray) -> tuple[str, ...]:
    """At most six telling words; a quotation mark or a dash names no topic."""
    found = (wording.spell(w) for w in wording.telling(inside, 6))
    return tuple(w for w in found if any(c.isalnum() for c in w))


def _more(hits: int, size: int, total: int, n: int) -> float:
    """P(at least so many divided items in a draw of this size): the tail of the hypergeometric."""
    from scipy.special import gammaln

    k = np.arange(hits, min(size, total) + 1)
    k = k[size - k <= n - total]

    def log_choose(a: int, b: np.ndarray | int) -> np.ndarray:
        return np.asarray(gammaln(a + 1) - gammaln(np.asarray(b) + 1) - gammaln(a - np.asarray(b) + 1))

    terms = log_choose(total, k) + log_choose(n - total, size - k) - log_choose(n, size)
    return float(min(1.0, np.exp(terms).sum()))
