"""An audit without a project: features, labels and probabilities as arrays.

For data that are no table of texts, and for models that Tilth does not know: whatever made the features and
the probabilities, the checks that need nothing else run on them. Checks that read texts say that they are
not applicable.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from tilth.audit.base import View
from tilth.audit.eval_labels import evaluation_signals
from tilth.audit.meaning import SameMeaning
from tilth.audit.run import FOLDS, audit
from tilth.copies import Copies, find_copies
from tilth.data import Snapshot
from tilth.errors import InputError
from tilth.neighbours import Space
from tilth.recipes import logistic
from tilth.signals import Signals, encode_labels, group_folds, judge, out_of_sample
from tilth.stats import Calibration, calibrate, softmax

if TYPE_CHECKING:
    from tilth.audit.run import Audit

__all__ = ["audit_arrays"]

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Ridge penalties that are tried, for features scaled to a mean square length of 1."""
TRIED = 2_500
"""So many rows choose the penalty."""


def audit_arrays(
    features: Any,
    labels: Sequence[Any] | np.ndarray,
    probabilities: Any = None,
    *,
    texts: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    classes: Sequence[Any] | None = None,
    eval_features: Any = None,
    eval_labels: Sequence[Any] | np.ndarray | None = None,
    eval_texts: Sequence[str] | None = None,
    penalty: float | None = None,
    clock: Callable[[], float] = time.process_time,
) -> Audit:
    """Audit rows that are given as arrays; nothing is stored, nothing given is changed.

    `not_applicable` of the result names the checks that could not look, and why.

    Parameters
    ----------
    features : (n, d) numbers, one line a row: an array, or a SciPy sparse matrix. Neighbours are compared by
        cosine, so columns in different units should be brought to one scale before.
    labels : (n,) texts or whole numbers; None, NaN or a negative number is a row without label.
    probabilities : (n, k) out-of-sample probability of each class (`pred_probs`): of a model that did not see
        the row. Default: a logistic regression on the features, refitted for each of five folds.
    texts : (n,) the texts behind the features, for the checks that read them.
    ids : (n,) unique names of the rows; default their positions, "000" to "999".
    classes : the k labels in the order of the columns of `probabilities`; default the labels that occur,
        ascending, or 0 ... k - 1 where labels are numbers.
    eval_features, eval_labels, eval_texts : the same of an evaluation set, to find what leaks into it.
    penalty : ridge penalty of the regression, for features of mean square length 1; default by trial.
    clock : tells CPU seconds.

    Raises
    ------
    InputError : shapes that do not fit, values that are not finite, labels that no column stands for.

    Examples
    --------
    >>> import numpy as np, tilth
    >>> x = np.repeat(np.eye(3), 40, axis=0) + np.random.default_rng(0).normal(0, 0.1, (120, 3))
    >>> y = np.repeat(["cat", "dog", "owl"], 40)
    >>> y[7] = "owl"
    >>> audit = tilth.audit_arrays(x, y)
    >>> [(f.rows[0], f.message) for f in audit.of("TIL101")]
    [('007', 'labelled owl, model says cat, P(wrong) = 1.00')]
    """
    began = clock()
    x = _features(features, "features")
    given = _labels(labels, x.shape[0], "labels")
    p = None if probabilities is None else _probabilities(probabilities, x.shape[0])
    known = _classes(classes, given, p)
    train, order = _rows(given, texts, ids)
    if order is not None:
        x, p = x[order], None if p is None else p[order]
    evaluation, eval_x = _evaluation(x, texts, eval_features, eval_labels, eval_texts)
    draft = _draft(train, evaluation, x, eval_x)
    view = replace(draft, signals=_signals(draft, known, p, penalty))
    view = replace(view, eval_signals=_eval_signals(view, eval_x, penalty))
    return audit(view, version="", eval_version="", recipe="arrays", began=began, clock=clock)


def _rows(
    labels: list[str | None], texts: Sequence[str] | None, ids: Sequence[str] | None
) -> tuple[Snapshot, list[int] | None]:
    """The rows in the order of their ids, and that order where it is not the one given."""
    n = len(labels)
    names = _positions(n) if ids is None else _texts(ids, n, "ids")
    if len(set(names)) != n:
        raise InputError(f"ids: {n - len(set(names))} of {n} repeat another; give each row a name of its own")
    rows = Snapshot(names, labels, {} if texts is None else {"text": _texts(texts, n, "texts")})
    if all(a < b for a, b in pairwise(names)):
        return rows, None
    order = sorted(range(n), key=names.__getitem__)
    return rows.take(order), order


def _draft(train: Snapshot, evaluation: Snapshot, x: Any, eval_x: Any) -> View:
    """What detectors look at, without signals: neighbours decide what is held out together."""
    n, has_texts = len(train), "text" in train.columns or len(train) == 0
    texts, eval_texts = train.texts("text"), evaluation.texts("text")
    alone = np.arange(n + len(evaluation))
    copies = (
        find_copies([*texts, *eval_texts])
        if has_texts
        else Copies(alone, np.empty((0, 2), np.int64), np.empty(0), 1.0)
    )
    none = np.empty((n, 0), np.float32)
    blank = Signals((), np.full(n, -1), none, none, np.empty((0, 0)), Calibration(1.0, 0.0), np.zeros(n, int))
    dense = not sp.issparse(x) and n > 0
    others = None if eval_x is None else lambda: eval_x
    space = Space(lambda: x, others) if dense else None
    return View(train, texts, x, blank, copies, evaluation, eval_texts, space=space, has_texts=has_texts)


def _signals(draft: View, classes: tuple[str, ...], p: np.ndarray | None, penalty: float | None) -> Signals:
    """From the probabilities given, or from fits that leave out a fold."""
    names, y = encode_labels(draft.train.labels, classes)
    n = len(y)
    if not names or not (y >= 0).any():
        names = names or ("",)
        return judge(names, np.full(n, -1), np.zeros((n, len(names)), np.float32), np.zeros(n, int))
    if p is not None:
        return judge(names, y, np.log(np.maximum(p, 1e-7)), np.zeros(n, int))
    fold = group_folds(y, _together(draft), FOLDS)
    x = draft.features * _scale(draft.features)
    best = _penalty(x, y, len(names), fold) if penalty is None else penalty
    return judge(names, y, out_of_sample(x, y, len(names), best, fold=fold), fold)


def _eval_signals(view: View, eval_x: Any, penalty: float | None) -> Signals | None:
    """What a fit on all train rows says about the evaluation rows; None without their features or labels."""
    s, labels = view.signals, list(view.evaluation.labels)
    if eval_x is None or not (s.labels >= 0).any() or all(x is None for x in labels):
        return None
    by = _scale(view.features)
    x, fifth = view.features * by, np.arange(len(s.labels)) % FOLDS
    best = _penalty(x, s.labels, len(s.classes), fifth) if penalty is None else penalty
    return evaluation_signals(x, s, eval_x * by, labels, best)


def _scale(x: Any) -> np.float32:
    """What brings the mean square length of the rows to 1."""
    square = x.multiply(x).sum() if sp.issparse(x) else np.einsum("ij,ij->", x, x, dtype=np.float64)
    return np.float32(1.0 / np.sqrt(square / max(x.shape[0], 1) or 1.0))


def _penalty(x: Any, y: np.ndarray, classes: int, fold: np.ndarray) -> float:
    """The penalty under which held-out labels are likeliest, noise in them allowed for.

    Without that allowance a wrong label is best explained by a model that is sure of nothing, and too
    weak a penalty wins.
    """
    rows = np.random.default_rng(0).permutation(np.flatnonzero(y >= 0))[:TRIED]
    apart = fold[rows] == fold[rows[0]]
    held, inside = rows[apart], rows[~apart]
    middle = len(PENALTIES) // 2 - 1
    if len(inside) == 0:
        return PENALTIES[middle]

    def loss(number: int) -> float:
        d = logistic.design(x[inside], PENALTIES[number])
        logits = logistic.fit(d, y[inside], classes, max_iter=12, tolerance=1e-2).scores(x[held])
        c = calibrate(logits, y[held])
        p = softmax(logits * np.float32(c.temperature))[np.arange(len(held)), y[held]]
        return float(-np.log((1 - c.noise) * p + c.noise / classes + 1e-12).mean())

    start = loss(middle)
    for step in (1, -1):
        at, least = middle, start
        while 0 <= at + step < len(PENALTIES) and (further := loss(at + step)) < least:
            at, least = at + step, further
        if at != middle:
            break
    return PENALTIES[at]


def _together(draft: View) -> np.ndarray:
    """(n,) groups of rows that are held out together: copies of a text, and rows that are all but equal."""
    n = len(draft.train)
    group = draft.copies.clusters()[:n]
    near = draft.neighbours
    if near is None or near.index.size == 0:
        return group
    row, column = np.nonzero(near.similarity >= SameMeaning().least(near))
    # rows that share a number of `group` are linked by way of a node for that number
    a = np.concatenate([row, np.arange(n)])
    b = np.concatenate([near.index[row, column], n + group])
    graph = sp.csr_matrix((np.ones(len(a), np.int8), (a, b)), shape=(n + n + len(draft.evaluation),) * 2)
    return np.asarray(connected_components(graph, directed=False)[1][:n])


def _evaluation(
    x: Any, texts: Any, eval_features: Any, eval_labels: Any, eval_texts: Any
) -> tuple[Snapshot, Any]:
    """Rows of the evaluation set and their features, None where there are none."""
    some = [v for v in (eval_features, eval_texts) if v is not None]
    if not some:
        if eval_labels is not None:
            raise InputError("eval_labels are given without eval_features or eval_texts; give these too")
        return Snapshot([], [], {}), None
    m = some[0].shape[0] if hasattr(some[0], "shape") else len(some[0])
    if (texts is None) != (eval_texts is None):
        raise InputError("texts and eval_texts are compared with each other: give both or neither")
    eval_x = None
    if eval_features is not None:
        eval_x = _features(eval_features, "eval_features")
        if eval_x.shape[1] != x.shape[1]:
            raise InputError(
                f"eval_features have {eval_x.shape[1]} columns, features have {x.shape[1]}; "
                "both must be made the same way"
            )
    labels = [None] * m if eval_labels is None else _labels(eval_labels, m, "eval_labels")
    columns = {} if eval_texts is None else {"text": _texts(eval_texts, m, "eval_texts")}
    return Snapshot(_positions(m), labels, columns), eval_x


def _positions(n: int) -> list[str]:
    """ "000" to "999": positions as names that sort as numbers do."""
    width = len(str(max(n - 1, 0)))
    return [f"{i:0{width}d}" for i in range(n)]


def _features(value: Any, name: str) -> Any:
    """(n, d) float32 array or CSR matrix, finite; a copy only where the type differs."""
    if sp.issparse(value):
        x = value.tocsr().astype(np.float32, copy=False)
        if not np.isfinite(x.data).all():
            raise InputError(f"{name} hold NaN or infinite values; replace them, or leave these rows out")
        return x
    try:
        x = np.asarray(value)
        x = x if x.dtype == np.float32 else x.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} are not numbers: {error}; give an array (rows, columns)") from error
    if x.ndim != 2:
        raise InputError(f"{name} have the shape {x.shape}; give one line a row: (rows, columns)")
    for start in range(0, len(x), 4096):  # by blocks: a mask of all of a large array is large too
        bad = ~np.isfinite(x[start : start + 4096])
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(
                f"{name}[{start + row}, {column}] is {x[start + row, column]}; replace what is not finite, "
                "or leave these rows out"
            )
    return x


def _texts(value: Sequence[str], n: int, name: str) -> list[str]:
    """n texts."""
    out = ["" if v is None else str(v) for v in value]
    if len(out) != n:
        raise InputError(
            f"there are {len(out)} {name} for {n} rows; give one for each row, in the same order"
        )
    return out


def _labels(value: Any, n: int, name: str) -> list[str | None]:
    """n labels as texts; None without one."""
    values = value.tolist() if hasattr(value, "tolist") else list(value)
    if len(values) != n:
        raise InputError(
            f"there are {len(values)} {name} for {n} rows; give one for each row, None where unknown"
        )
    out: list[str | None] = []
    for i, v in enumerate(values):
        if isinstance(v, str):
            out.append(v)
        elif v is None or v != v or (isinstance(v, int | float) and v < 0):
            out.append(None)
        elif isinstance(v, int | float | np.integer | np.floating) and v == math.floor(v):
            out.append(str(int(v)))
        else:
            raise InputError(f"{name}[{i}] is {v!r}; a label is a text or a whole number, None where unknown")
    return out


def _probabilities(value: Any, n: int) -> np.ndarray:
    """(n, k) float32 probabilities."""
    p = np.asarray(value)
    if p.ndim != 2 or p.shape[0] != n:
        raise InputError(f"probabilities have the shape {p.shape}; {n} rows need ({n}, number of classes)")
    p = p.astype(np.float32, copy=False)
    total = p.sum(axis=1)
    bad = np.flatnonzero(~(np.abs(total - 1.0) < 1e-2) | ~(p.min(axis=1, initial=0.0) >= 0))
    if len(bad):
        i = int(bad[0])
        raise InputError(
            f"probabilities[{i}] add up to {total[i]:.4g} and begin {p[i, 0]:.4g}; each line must be "
            "probabilities from 0 to 1 that add up to 1 (a softmax of scores does)"
        )
    return p


def _classes(
    classes: Sequence[Any] | None, labels: list[str | None], p: np.ndarray | None
) -> tuple[str, ...]:
    """Class names in the order of the columns of the probabilities."""
    present = {x for x in labels if x is not None}
    numbers = all(x.isdigit() for x in present)
    k = None if p is None else p.shape[1]
    if classes is not None:
        names = tuple(x or "" for x in _labels(classes, len(classes), "classes"))
    elif numbers and k is not None:
        names = tuple(map(str, range(k)))
    else:
        names = tuple(sorted(present, key=int if numbers else None))
    if k is not None and len(names) != k:
        raise InputError(
            f"probabilities have {k} columns, there are {len(names)} classes; "
            "name the columns in their order by classes="
        )
    strange = sorted(present - set(names))
    if strange:
        i = labels.index(strange[0])
        raise InputError(
            f"labels[{i}] is {strange[0]!r}, which is none of the {len(names)} classes "
            f"({', '.join(names[:3])}{' ...' if len(names) > 3 else ''}); "
            "mend it, or name all classes by classes="
        )
    return names
