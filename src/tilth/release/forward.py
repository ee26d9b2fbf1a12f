"""The forward pass of a released model in numpy alone: texts to logits, and how much of a text is known.

The same arithmetic as `tilth.recipes.text` and `tilth.recipes.logistic`, without scipy: a release runs
where only numpy is installed. `tests/unit/test_forward.py` holds the two together to 1e-6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np

from tilth.errors import InputError
from tilth.recipes import ngrams

__all__ = ["BLOCKS", "Model", "Seen", "array", "pack"]

BITS = 20
WORDS, CHARS = (1, 2), (2, 3, 4, 5)
BLOCKS = ("words", "chars")
_SHIFT = np.uint64(64 - BITS)
_GATHER = 1 << 20
"""Weights that are gathered at once: they stay in the cache."""


@dataclass(frozen=True)
class Seen:
    """What a model sees in n texts.

    Attributes
    ----------
    logits : (n, k) float32, with the intercept, before calibration.
    known : (n,) share of the weight of a text's n-grams that the model knows, 0 to 1; 0 for an empty text.
    """

    logits: np.ndarray
    known: np.ndarray


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
        return np.asarray(np.load(BytesIO(files[name]), allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{name} of the bundle is no array: {error}") from error


class Model:
    """Texts to logits.

    Parameters
    ----------
    columns : for words and for characters the kept hash columns, ascending.
    idf : their weights.
    weights : (d, k) weights of the features, words first.
    bias : (k,) intercepts.
    unseen : weight of an n-gram that is not kept.
    """

    def __init__(
        self,
        columns: Sequence[np.ndarray],
        idf: Sequence[np.ndarray],
        weights: np.ndarray,
        bias: np.ndarray,
        unseen: float,
    ) -> None:
        if weights.ndim != 2 or weights.shape != (sum(map(len, columns)), len(bias)):
            raise InputError(f"weights of shape {weights.shape} do not fit the other arrays; release again")
        self.weights = weights.astype(np.float32)
        self.bias = bias.astype(np.float32)
        self._first = (0, len(columns[0]))
        self._place, self._weight = [], []
        for kept, weight in zip(columns, idf, strict=True):
            place = np.full(1 << BITS, -1, dtype=np.int32)
            place[kept] = np.arange(len(kept), dtype=np.int32)
            every = np.full(1 << BITS, unseen, dtype=np.float32)
            every[kept] = weight
            self._place.append(place)
            self._weight.append(every)

    @staticmethod
    def of(files: Mapping[str, bytes], settings: Mapping[str, Any]) -> Model:
        """The model of a bundle.

        Raises
        ------
        InputError : its files do not make a model.
        """
        return Model(
            [array(files, f"model/{b}_columns.npy") for b in BLOCKS],
            [array(files, f"model/{b}_idf.npy") for b in BLOCKS],
            array(files, "model/weights.npy"),
            array(files, "model/bias.npy"),
            float(settings["unseen"]),
        )

    def run(self, texts: Sequence[str]) -> Seen:
        """Logits of texts; one text does not change what another gets."""
        layout = ngrams.layout([ngrams.fold(text) for text in texts])
        words = [ngrams.word_grams(layout, n) for n in WORDS]
        chars = [ngrams.char_grams(layout, n, within_words=True) for n in CHARS]
        n = layout.count
        out = np.zeros((n, len(self.bias)), dtype=np.float32)
        known = np.zeros(n)
        for block, grams in enumerate((words, chars)):
            known += self._add(block, grams, out)
        out += self.bias
        return Seen(out, known / 2)

    def _add(self, block: int, grams: Sequence[ngrams.Grams], out: np.ndarray) -> np.ndarray:
        """Add the scores of one block; returns the known share of its weight."""
        n = len(out)
        column = np.concatenate([(g.hashes >> _SHIFT).astype(np.int64) for g in grams])
        owner = np.concatenate([g.texts for g in grams]).astype(np.int64)
        key = np.sort((owner << BITS) | column)
        first = np.flatnonzero(np.diff(key, prepend=-1))
        count = np.diff(np.append(first, len(key)))
        owner, column = key[first] >> BITS, key[first] & ((1 << BITS) - 1)
        value = (1.0 + np.log(count, dtype=np.float32)) * self._weight[block][column]
        squares = value.astype(np.float64) ** 2
        every = np.bincount(owner, weights=squares, minlength=n)
        place = self._place[block][column]
        inside = place >= 0
        owner, value, place = owner[inside], value[inside], place[inside] + self._first[block]
        kept = np.bincount(owner, weights=squares[inside], minlength=n)
        value = (value / np.sqrt(2.0 * np.where(kept > 0, kept, 1.0))[owner]).astype(np.float32)
        self._sum(owner, place, value, out)
        return np.asarray(kept / np.where(every > 0, every, 1.0))

    def _sum(self, owner: np.ndarray, place: np.ndarray, value: np.ndarray, out: np.ndarray) -> None:
        """out[owner] += value * weights[place], owners ascending."""
        step = max(_GATHER // out.shape[1], 1)
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        begin = 0
        while begin < len(starts):
            a = int(starts[begin])
            end = max(int(np.searchsorted(starts, a + step, side="right")) - 1, begin + 1)
            b = int(starts[end]) if end < len(starts) else len(owner)
            part = self.weights[place[a:b]]
            part *= value[a:b, None]
            out[owner[starts[begin:end]]] += np.add.reduceat(part, starts[begin:end] - a, axis=0)
            begin = end
