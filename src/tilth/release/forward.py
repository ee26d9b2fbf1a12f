"""The forward pass of a released model in numpy alone: texts to logits, and how much of a text is known.

The same arithmetic as `tilth.recipes.text` and `tilth.recipes.logistic`, without scipy: a release runs
where only numpy is installed. `tests/unit/test_forward.py` holds the two together to 1e-6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from math import prod
from tokenize import TokenError
from typing import Any

import numpy as np

from tilth.errors import InputError
from tilth.recipes import ngrams

__all__ = ["BLOCKS", "KINDS", "Embed", "Features", "Model", "Seen", "array", "pack", "pieces"]

BITS = 20
WORDS, CHARS = (1, 2), (2, 3, 4, 5)
BLOCKS = ("words", "chars")
KINDS = ("ngrams", "ngrams+embedding", "embedding")
Embed = Callable[[Sequence[str]], np.ndarray]
_SHIFT = np.uint64(64 - BITS)
_WIDTH = BITS + 1
_SOME, _CHARS = 1024, 400_000
"""Texts and characters at once: more are no faster and take memory."""


@dataclass(frozen=True)
class Features:
    """Sparse features of n texts, row by row.

    Attributes
    ----------
    places, values : feature numbers and values of all texts, one after the other.
    starts : (n + 1,) where each text begins.
    known : (n,) as in `Seen`.
    """

    places: np.ndarray
    values: np.ndarray
    starts: np.ndarray
    known: np.ndarray


@dataclass(frozen=True)
class Seen:
    """What a model sees in n texts.

    Attributes
    ----------
    logits : (n, k) float32, with the intercept, before calibration.
    known : (n,) share of the weight of a text's n-grams that the model knows, 0 to 1; 0 for an empty text.
        Beside an embedding the square root of it.
    features : of the texts.
    embedded : (n, e) embeddings, None without an encoder.
    """

    logits: np.ndarray
    known: np.ndarray
    features: Features | None = None
    embedded: np.ndarray | None = None


def pack(value: np.ndarray) -> bytes:
    """An array as the bytes of a .npy file: the same array, the same bytes."""
    out = BytesIO()
    np.save(out, np.ascontiguousarray(value), allow_pickle=False)
    return out.getvalue()


def array(files: Mapping[str, bytes], name: str) -> np.ndarray:
    """An array of a bundle; never a pickled one.

    Raises
    ------
    InputError : it is not there, or is no array.
    """
    if name not in files:
        raise InputError(f"the bundle has no {name}; release again")
    try:
        return _unpacked(files[name])
    except (ValueError, TypeError, SyntaxError, EOFError, OSError, TokenError, MemoryError) as error:
        raise InputError(f"{name} of the bundle is no array: {error}") from error


def _unpacked(raw: bytes) -> np.ndarray:
    """What `pack` packed, a view of its bytes; a header that promises more than there is takes no memory."""
    stream = BytesIO(raw)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("it is of another version")
    shape, columns_first, kind = np.lib.format.read_array_header_1_0(stream)
    if columns_first or kind.kind not in "iuf":
        raise ValueError(f"it holds {kind}, not numbers row by row")
    size, there = prod(shape) * kind.itemsize, len(raw) - stream.tell()
    if size != there:
        raise ValueError(f"its header promises {size:,} bytes and there are {there:,}")
    return np.frombuffer(raw, kind, offset=stream.tell()).reshape(shape)


def pieces(texts: Sequence[str]) -> Iterator[slice]:
    """Slices of texts to be run at once, at least one: so many texts, or fewer where they are long."""
    start, chars = 0, 0
    for i, text in enumerate(texts):
        size = min(len(text), ngrams.MAX_CHARS)
        if i > start and (i - start >= _SOME or chars + size > _CHARS):
            yield slice(start, i)
            start, chars = i, 0
        chars += size
    yield slice(start, len(texts))


class Model:
    """Texts to logits.

    Parameters
    ----------
    columns : for words and for characters the kept hash columns, ascending.
    idf : their weights.
    weights : (d, k) whole numbers: weights of the features (words, characters, embedding) over their scale.
    scales : (d,) one scale a feature.
    bias : (k,) intercepts.
    unseen : weight of an n-gram that is not kept.
    embed : gives the (n, e) embeddings of texts; None where the recipe has none.
    alone : the logits come from the embedding alone; the n-grams only tell what is known.
    """

    def __init__(
        self,
        columns: Sequence[np.ndarray],
        idf: Sequence[np.ndarray],
        weights: np.ndarray,
        scales: np.ndarray,
        bias: np.ndarray,
        *,
        unseen: float,
        embed: Embed | None = None,
        alone: bool = False,
    ) -> None:
        kept = np.concatenate([columns[0], np.asarray(columns[1], dtype=np.int64) + (1 << BITS)])
        grams = 0 if alone else len(kept)
        shaped = weights.ndim == 2 and weights.shape == (len(scales), len(bias))
        if not shaped or (len(weights) > grams) != (embed is not None):
            raise InputError(f"weights of shape {weights.shape} do not fit the other arrays; release again")
        inside = all(c.size == 0 or (c.min() >= 0 and c.max() < 1 << BITS) for c in columns)
        finite = bool(np.isfinite(unseen)) and all(np.isfinite(x).all() for x in (scales, bias, *idf))
        if (
            not inside
            or len(np.unique(kept)) < len(kept)
            or not finite
            or weights.dtype not in (np.int8, np.int16)
        ):
            raise InputError(
                "the model has columns that there are not or twice, or weights that are no numbers"
            )
        self.bias, self.embed, self.alone = bias.astype(np.float32), embed, alone
        self.weights = np.ascontiguousarray(weights[:grams])
        self.scales = scales[:grams].astype(np.float64)
        self.dense = weights[grams:] * scales[grams:, None].astype(np.float64)
        # words are columns [0, 2^BITS) of the tables, characters those behind
        self._place = np.full(2 << BITS, -1, dtype=np.int32)
        self._weight = np.full(2 << BITS, unseen, dtype=np.float32)
        self._place[kept] = np.arange(len(kept), dtype=np.int32)
        self._weight[kept] = np.concatenate(idf)

    @staticmethod
    def of(files: Mapping[str, bytes], settings: Mapping[str, Any], embed: Embed | None = None) -> Model:
        """The model of a bundle.

        Raises
        ------
        InputError : its files do not make a model.
        """
        kind = settings.get("kind")
        if kind not in KINDS:
            raise InputError(f"the bundle has a model of kind {kind!r}; this Tilth knows {', '.join(KINDS)}")
        return Model(
            [array(files, f"model/{b}_columns.npy") for b in BLOCKS],
            [array(files, f"model/{b}_idf.npy") for b in BLOCKS],
            array(files, "model/weights.npy"),
            array(files, "model/scales.npy"),
            array(files, "model/bias.npy"),
            unseen=float(settings["unseen"]),
            embed=embed,
            alone=kind == "embedding",
        )

    def run_many(self, texts: Sequence[str]) -> Seen:
        """The same for any number of texts in bounded memory; features and embeddings are not kept."""
        parts = [self.run(texts[some]) for some in pieces(texts)]
        return Seen(np.concatenate([p.logits for p in parts]), np.concatenate([p.known for p in parts]))

    def run(self, texts: Sequence[str]) -> Seen:
        """Logits of texts; a text gets the same ones, to the bit, whatever stands beside it."""
        found = self.features(texts)
        embedded = None if self.embed is None else self.embed(texts)
        out = np.zeros((len(texts), len(self.bias)))
        if not self.alone:
            self._add(found, out)
        if embedded is not None:
            out += embedded.astype(np.float64) @ self.dense
        out += self.bias
        # the n-grams are one half of such a model, and only that half does not see what it does not know
        known = found.known if embedded is None else np.sqrt(found.known)
        return Seen(out.astype(np.float32), known, found, embedded)

    def _add(self, found: Features, out: np.ndarray) -> None:
        """Add the scores of the n-grams.

        One small product a row: the weights of a row stay in the cache, unlike those of a batch. In double
        precision, so that answers are those of the training side to 1e-6.
        """
        starts, place = found.starts.tolist(), found.places.astype(np.intp)
        value = found.values * self.scales[place]
        longest = int(np.diff(found.starts).max(initial=0))
        narrow = np.empty((longest, out.shape[1]), dtype=self.weights.dtype)
        wide = np.empty((longest, out.shape[1]))
        for row, (a, b) in enumerate(pairwise(starts)):
            part = wide[: b - a]
            part[:] = self.weights.take(place[a:b], axis=0, out=narrow[: b - a], mode="clip")
            np.dot(value[a:b], part, out=out[row])

    def features(self, texts: Sequence[str]) -> Features:
        """Features of texts as the recipe defines them: rows of length one, or zero."""
        n = len(texts)
        layout = ngrams.layout([ngrams.fold(text) for text in texts])
        words = [ngrams.word_grams(layout, size) for size in WORDS]
        chars = [ngrams.char_grams(layout, size, within_words=True) for size in CHARS]
        column = np.concatenate([g.hashes >> _SHIFT for g in (*words, *chars)]).astype(np.int64)
        column[sum(len(g.hashes) for g in words) :] += 1 << BITS
        owner = np.concatenate([g.texts for g in (*words, *chars)]).astype(np.int64)
        key = np.sort((owner << _WIDTH) | column)
        first = np.flatnonzero(np.diff(key, prepend=-1))
        count = np.diff(np.append(first, len(key))).astype(np.float32)
        owner, column = key[first] >> _WIDTH, key[first] & ((1 << _WIDTH) - 1)
        value = self._weight[column]
        often = np.flatnonzero(count > 1)
        value[often] *= 1.0 + np.log(count[often])
        block = 2 * owner + (column >> BITS)
        squares = value.astype(np.float64) ** 2
        every = np.bincount(block, weights=squares, minlength=2 * n)
        place = self._place[column]
        inside = np.flatnonzero(place >= 0)
        owner, place, block, value = owner[inside], place[inside], block[inside], value[inside]
        kept = np.bincount(block, weights=squares[inside], minlength=2 * n)
        norm = np.sqrt(2.0 * np.where(kept > 0, kept, 1.0))
        known = kept / np.where(every > 0, every, 1.0)
        return Features(
            places=place,
            values=(value / norm[block]).astype(np.float32),
            starts=np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))]),
            known=known.reshape(n, 2).mean(axis=1),
        )
