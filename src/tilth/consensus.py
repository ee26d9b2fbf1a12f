"""Consensus of several annotators, with and without a model, and how good each annotator is: pure.

One model of votes serves all cases. The true class of an item has a prior: that of the class, or what a
model that did not see the item's label says about it. Each annotator has a confusion matrix. Both are
fitted by expectation-maximisation. Matrices are shrunk towards that of all annotators with the
annotator's own accuracy, and these towards the mean accuracy, so that an annotator with three votes is
taken for an ordinary one, and one with three thousand is known in detail. With many votes for an item its
prior does not matter any more, and the consensus is that of the votes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_matrix

from tilth.agreement import Votes
from tilth.stats import Interval, log_sum_exp, wilson

__all__ = ["Consensus", "fit"]

OWN = 50.0
"""Votes of an annotator on a class after which their own confusions count as much as everybody's."""
ACCURACY = 10.0
"""Votes of an annotator after which their own accuracy counts as much as the mean."""
TRUST = (0.1, 0.15, 0.2, 0.3, 0.45, 0.65, 1.0, 1.5, 2.2)
"""Powers of the model's probabilities that are tried. Not far above 1: a model that learned from the votes
repeats their mistakes, and would be trusted the more for it."""
SAMPLE = 5_000
"""Items by which that power is chosen; one number needs no more."""
CHUNK = 65_536


@dataclass(frozen=True)
class Consensus:
    """What the votes, and the model if there is one, say about every item.

    Attributes
    ----------
    votes : the votes, n items, k labels.
    posterior : (n, k) float32 P(true class | all votes on the item, model).
    prior : (n, k) or (1, k) P(true class) before the votes.
    pair_annotator, pair_label : (p,) the pairs of annotator and label that occur.
    likelihood : (p, k) P(annotator says the label | true class).
    pair : (v,) which of these pairs each vote is.
    pooled : (k, k) P(label | true class) of all annotators together.
    trust : power of the model's probabilities that the votes bear out: 1 as they are, 0.1 nearly useless,
        above 1 surer than it says; 0 without a model.
    """

    votes: Votes
    posterior: np.ndarray
    prior: np.ndarray
    pair_annotator: np.ndarray
    pair_label: np.ndarray
    likelihood: np.ndarray
    pair: np.ndarray
    pooled: np.ndarray
    trust: float

    @cached_property
    def label(self) -> np.ndarray:
        """(n,) most probable class; -1 for an item without votes."""
        if not len(self.votes):
            return np.full(len(self.posterior), -1, dtype=np.int64)
        out = self.posterior.argmax(axis=1)
        out[self.votes.per_item == 0] = -1
        return np.asarray(out)

    @cached_property
    def p_wrong(self) -> np.ndarray:
        """(n,) probability that the consensus is wrong."""
        return np.asarray(1.0 - self.posterior.max(axis=1, initial=0.0))

    @cached_property
    def without_own(self) -> np.ndarray:
        """(v,) label that everything but the vote itself speaks for; -1 where nothing else does.

        An annotator is not measured against a consensus that their own vote made.
        """
        v = self.votes
        out = np.full(len(v), -1, dtype=np.int64)
        model = len(self.prior) > 1
        judged = np.arange(len(v)) if model else np.flatnonzero(v.per_item[v.item] > 1)
        log_like = np.log(self.likelihood)
        for start in range(0, len(judged), CHUNK):
            at = judged[start : start + CHUNK]
            left = np.log(np.maximum(self.posterior[v.item[at]], 1e-30)) - log_like[self.pair[at]]
            out[at] = left.argmax(axis=1)
        return out

    def quality(self, level: float = 0.95) -> list[Interval]:
        """For each annotator the share of votes that the others (and the model) bear out; Wilson."""
        v, others = self.votes, self.without_own
        known = others >= 0
        n = np.bincount(v.annotator[known], minlength=len(v.annotators))
        hits = np.bincount(v.annotator[known & (others == v.label)], minlength=len(v.annotators))
        return [wilson(float(h), float(m), level) for h, m in zip(hits, n, strict=True)]

    def expected_accuracy(self) -> np.ndarray:
        """(j,) mean probability that a vote of the annotator is right."""
        v = self.votes
        right = self.posterior[v.item, v.label].astype(np.float64)
        total = np.bincount(v.annotator, minlength=len(v.annotators))
        return np.asarray(
            np.bincount(v.annotator, weights=right, minlength=len(v.annotators)) / np.maximum(total, 1)
        )

    def confusions(self, most: int = 3) -> list[list[tuple[int, int, float]]]:
        """For each annotator the (true class, label given, expected number of votes) mixed up most."""
        v, k = self.votes, len(self.votes.labels)
        order = np.argsort(v.annotator, kind="stable")
        ends = np.searchsorted(v.annotator[order], np.arange(len(v.annotators) + 1))
        out = []
        for first, last in pairwise(ends.tolist()):
            at = order[first:last]
            said = csr_matrix((np.ones(len(at), np.float32), (v.label[at], np.arange(len(at)))), (k, len(at)))
            table = np.asarray(said @ self.posterior[v.item[at]]).T.copy()
            np.fill_diagonal(table, 0.0)
            top = np.argsort(-table, axis=None, kind="stable")[:most].tolist()
            out.append([(i // k, i % k, float(table.flat[i])) for i in top if table.flat[i] >= 0.5])
        return out

    def value_of_vote(self) -> np.ndarray:
        """(n,) by how much one more vote of an ordinary annotator is expected to lower P(wrong).

        Not the same as doubt: an item over which ten annotators are divided stays in doubt after the
        eleventh. Only the two most probable classes of an item are looked at.

        References
        ----------
        Goh and Mueller, "ActiveLab: active learning with re-labeling by multiple annotators", 2023, for
        the question; the answer here is the expected value of information.
        """
        n, k = self.posterior.shape
        if k < 2 or n == 0:
            return np.zeros(n)
        top = np.argpartition(-self.posterior, 1, axis=1)[:, :2]
        p = np.take_along_axis(self.posterior, top, axis=1).astype(np.float64)
        first = p.argmax(axis=1)
        p1, p2 = p.max(axis=1), p.min(axis=1)
        a = np.take_along_axis(top, first[:, None], axis=1)[:, 0]
        b = np.take_along_axis(top, 1 - first[:, None], axis=1)[:, 0]
        # the vote turns the decision when it says b, or (an ordinary annotator is rarely so bad) a
        turned = [np.maximum(p2 * self.pooled[b, says] - p1 * self.pooled[a, says], 0.0) for says in (a, b)]
        return np.asarray(turned[0] + turned[1])


def fit(
    votes: Votes,
    probabilities: np.ndarray | None = None,
    *,
    rounds: int = 50,
    tolerance: float = 1e-3,
) -> Consensus:
    """Consensus by expectation-maximisation (Dawid and Skene), with a model's word where there is one.

    Parameters
    ----------
    probabilities : (n, k) out-of-sample probabilities of the items, columns in the order of
        `votes.labels`; a line that is not finite stands for an item that the model says nothing about.
        None: the votes alone.
    rounds, tolerance : the end: so many rounds, or no probability moves by more.

    Notes
    -----
    Memory: (n + p) x k floats, p the pairs of annotator and label that occur (at most the votes).

    References
    ----------
    Dawid and Skene, "Maximum likelihood estimation of observer error-rates", Applied Statistics 1979;
    Goh, Tkachenko and Mueller, "CROWDLAB", 2022, for the model as one more voice.
    """
    k = len(votes.labels)
    model = _usable(probabilities) if probabilities is not None and len(votes) else None
    cast = _Cast(votes, shared_only=model is None)
    believed = _Believed(model, votes) if model is not None else None
    post = _start(votes, model)
    prior, trust = np.full((1, k), 1 / max(k, 1)), 0.0
    like, pooled = np.ones((len(cast.what), k), np.float32), np.eye(k)
    for step in range(rounds if len(votes) else 0):
        like, pooled = cast.matrices(post)
        said = np.asarray(cast.items @ np.log(like))
        if believed is None:
            prior = _class_prior(post, votes)
        elif step.bit_count() < 2:  # 0, 1, 2, 4, 8 ...: it settles soon
            trust = believed.power(said)
            prior = believed.to_the(trust)
        new = _posterior(said, prior)
        moved = float(np.abs(new - post).max(initial=0.0))
        post = new
        if moved < tolerance:
            break
    return Consensus(votes, post, prior, cast.who, cast.what, like, cast.pair, pooled, trust)


def _usable(probabilities: np.ndarray) -> np.ndarray:
    """Lines that sum to one; a line that is not finite becomes flat."""
    p = np.array(probabilities, dtype=np.float32)
    if not p.size:
        return p
    p[~np.isfinite(p).all(axis=1)] = 1.0
    p = np.maximum(p, 1e-6)
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _start(votes: Votes, model: np.ndarray | None) -> np.ndarray:
    """Shares of the votes, the model with the weight of one vote."""
    counts = votes.counts.toarray().astype(np.float32)
    size = counts.sum(axis=0)
    counts += model if model is not None else 0.01 * (size + 1) / (size.sum() + len(size))
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-30))


def _class_prior(post: np.ndarray, votes: Votes) -> np.ndarray:
    seen = post[votes.per_item > 0].sum(axis=0, dtype=np.float64) + 1.0
    return np.asarray(seen / seen.sum(), dtype=np.float32)[None, :]


class _Cast:
    """The votes as sparse matrices, and the fit of confusions to probabilities of the true classes."""

    def __init__(self, votes: Votes, shared_only: bool) -> None:
        n, k, j = len(votes.items), len(votes.labels), len(votes.annotators)
        key = votes.annotator.astype(np.int64) * k + votes.label
        pairs, pair = np.unique(key, return_inverse=True)
        self.k, self.pair = k, pair.astype(np.int64)
        self.who, self.what = pairs // max(k, 1), pairs % max(k, 1)
        p, ones = len(pairs), np.ones(len(votes), np.float32)
        self.items = csr_matrix((ones, (votes.item, pair)), shape=(n, p))
        # an item with one vote cannot tell whether that vote was right, unless a model has a word
        learn = self.items.multiply((votes.per_item > 1)[:, None]) if shared_only else self.items
        self.learn = learn.T.tocsr()
        flat = np.ones(p, np.float32)
        self.of_label = csr_matrix((flat, (self.what, np.arange(p))), shape=(k, p))
        self.of_annotator = csr_matrix((flat, (self.who, np.arange(p))), shape=(j, p))

    def matrices(self, post: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """P(label | true class) of each pair of annotator and label (p, k), and of all together (k, k)."""
        k, at = self.k, np.arange(len(self.what))
        seen = np.asarray(self.learn @ post)  # (p, k): expected votes by true class
        total = np.asarray(self.of_annotator @ seen)
        pooled = np.asarray(self.of_label @ seen, dtype=np.float64).T  # [true, said]
        mean = float((np.trace(pooled) + 1.0) / (pooled.sum() + 1.0 + 1.0 / max(k, 1)))
        flat = np.full((k, k), (1 - mean) / max(k - 1, 1))
        np.fill_diagonal(flat, mean)
        strength = 2.0 * k
        pooled = (pooled + strength * flat) / (pooled.sum(axis=1, keepdims=True) + strength)
        hits = np.asarray(self.of_annotator @ seen[at, self.what])
        own = (hits + ACCURACY * mean) / (total.sum(axis=1) + ACCURACY)
        # everybody's confusions, scaled to the annotator's own share of errors
        wrong = 1 - np.diag(pooled)
        scale = np.minimum((1 - own) / (1 - mean), 0.99 / max(float(wrong.max(initial=0.0)), 1e-9))
        scale = scale.astype(np.float32)[self.who]
        like = pooled.T.astype(np.float32)[self.what]
        like *= scale[:, None]
        like[at, self.what] = 1 - wrong[self.what] * scale
        like *= OWN
        like += seen
        like /= total[self.who] + np.float32(OWN)
        return np.maximum(like, 1e-9, out=like), pooled


def _posterior(said: np.ndarray, prior: np.ndarray) -> np.ndarray:
    logs = said + np.log(prior, dtype=np.float32)
    logs -= logs.max(axis=1, keepdims=True, initial=-np.inf)
    np.exp(logs, out=logs)
    logs /= logs.sum(axis=1, keepdims=True)
    return np.asarray(logs)


class _Believed:
    """The model's probabilities, and the power of them that makes the votes most likely."""

    def __init__(self, model: np.ndarray, votes: Votes) -> None:
        self.logs = np.log(model)
        voted = np.flatnonzero(votes.per_item > 0)
        if len(voted) > SAMPLE:
            voted = voted[np.linspace(0, len(voted) - 1, SAMPLE).astype(int)]
        self.voted = voted
        self.sums = [log_sum_exp(self.logs[voted] * np.float32(t)) for t in TRUST]

    def power(self, said: np.ndarray) -> float:
        """The best of the powers, given the log likelihood of the votes (n, k)."""
        logs, votes_say = self.logs[self.voted], said[self.voted]

        def likelihood(i: int) -> float:
            both = log_sum_exp(logs * np.float32(TRUST[i]) + votes_say)
            return float((both - self.sums[i]).mean())

        # from the top down: mostly the model is worth believing, and the likelihood has one peak
        best = len(TRUST) - 1
        value = likelihood(best)
        while best > 0 and (lower := likelihood(best - 1)) > value:
            best, value = best - 1, lower
        return TRUST[best]

    def to_the(self, power: float) -> np.ndarray:
        """(n, k) probabilities to a power."""
        p = np.exp(self.logs * np.float32(power))
        p /= p.sum(axis=1, keepdims=True)
        return np.asarray(p)
