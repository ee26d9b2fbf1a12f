"""The recipe fitted on the head of train, with the weights as they are shipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilth.copies import find_copies
from tilth.data import Snapshot
from tilth.errors import Refused
from tilth.recipes import logistic
from tilth.recipes.base import FeatureMap, Matrix
from tilth.release import export
from tilth.release.forward import BLOCKS, Model, Seen, array
from tilth.signals import encode_labels, group_folds
from tilth.workspace import TRAIN, Workspace

__all__ = ["Fitted", "fit"]

FOLDS = 5


@dataclass(frozen=True)
class Fitted:
    """A model and the rows it was fitted on.

    Attributes
    ----------
    train : the rows of known classes.
    outside : train rows that are marked as outside the known classes; nothing was learned from them.
    classes, labels : class names, and the class number of each row of `train`.
    learned, features, head : feature map, (n, d) features and the head, before rounding.
    files, settings : of the model, as they are shipped.
    model : reads those files.
    penalty : of the head.
    """

    train: Snapshot
    outside: Snapshot
    classes: tuple[str, ...]
    labels: np.ndarray
    learned: FeatureMap
    features: Matrix
    head: logistic.Head
    files: Mapping[str, bytes]
    settings: Mapping[str, Any]
    model: Model
    penalty: float

    def held_out(self, texts: Sequence[str], threshold: float) -> Seen:
        """What models that were fitted without them see in the rows of train.

        Parameters
        ----------
        threshold : least similarity of near copies, which are held out together.
        """
        copies = find_copies(texts, threshold=threshold, floor=threshold)
        folds = min(FOLDS, len(texts))
        fold = group_folds(self.labels, copies.clusters()[: len(texts)], folds)
        logits = np.zeros((len(texts), len(self.classes)), dtype=np.float32)
        every = logistic.design(self.features, self.penalty)
        for f in np.unique(fold):
            inside, held = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
            if len(inside):
                head = logistic.fit(every.part(inside), self.labels[inside], len(self.classes))
                logits[held] = head.scores(self.features[held])
        return Seen(logits, self._known_without_itself(texts))

    def _known_without_itself(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) what would be known of each row of train had it not been there.

        An n-gram counts as known from two rows on; one of exactly two rows was known to neither of them.
        """
        columns = [array(self.files, f"model/{b}_columns.npy") for b in BLOCKS]
        idf = [array(self.files, f"model/{b}_idf.npy") for b in BLOCKS]
        rare = np.log((1 + len(texts)) / 3.5) + 1  # between that of two rows and that of three
        keep = [values < rare for values in idf]
        columns = [c[k] for c, k in zip(columns, keep, strict=True)]
        width = sum(map(len, columns))
        reader = Model(
            columns,
            [v[k] for v, k in zip(idf, keep, strict=True)],
            np.zeros((width, 1), dtype=np.int8),
            np.ones(width, dtype=np.float32),
            np.zeros(1),
            unseen=float(self.settings["unseen"]),
        )
        known = reader.run_many(texts).known
        return known if self.model.embed is None else np.sqrt(known)


def fit(ws: Workspace) -> Fitted:
    """Fit the project's recipe on the head of train, without the rows outside the known classes.

    Raises
    ------
    Refused : there are fewer than two classes to tell apart, or the recipe cannot be released.
    """
    rows, outside = ws.snapshot(ws.head(TRAIN)), ws.config.release.outside
    known = [i for i, label in enumerate(rows.labels) if label is not None and label != outside]
    train = rows.take(known)
    classes, labels = encode_labels(train.labels)
    if len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "none"
        raise Refused(
            f"a release tells classes apart, and train has {found}: take rows of two classes or more in "
            "with: tilth ingest FILE"
        )
    texts = train.texts(ws.config.columns.text)
    learned, features = ws.recipe.learn(texts)
    head = logistic.fit(logistic.design(features, ws.recipe.penalty), labels, len(classes))
    files, settings = export.model_files(learned, head, texts)
    away = rows.take([i for i, label in enumerate(rows.labels) if outside and label == outside])
    # embeddings of rows that were embedded before come from the cache; the encoder is the one that is shipped
    model = Model.of(files, settings, getattr(ws.recipe, "embed", None))
    return Fitted(
        train, away, classes, labels, learned, features, head, files, settings, model, ws.recipe.penalty
    )
