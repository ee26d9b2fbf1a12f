"""Read a bundle and answer with it: labels, calibrated probabilities, or an abstention with its reason.

This module and what it imports need numpy alone (onnxruntime and tokenizers where the recipe embeds), never
a project. Nothing in a bundle is executed; every file is checked against its digest.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from tilth.errors import InputError
from tilth.release.abstain import OUTSIDE, REASONS, UNLIKE, UNSURE, Abstention, judged
from tilth.release.evidence import Evidence
from tilth.release.forward import Embed, Model, Seen, array, pieces

__all__ = [
    "ENCODER", "FORMAT", "MANIFEST", "Answer", "Release", "Scores", "load", "opened", "read_manifest",
]  # fmt: skip

FORMAT, VERSION = "tilth-release", 1
MANIFEST = "manifest.json"
ENCODER = "model/encoder"
LARGEST = 1 << 31
"""Bytes that all files of a bundle may have; more is no release of ours."""
PACKED, ROOM = 100, 1 << 24
"""A .zip may unpack to so many times its own size, and to so many bytes in any case; more is a bomb."""
SHOWN = 3


@dataclass(frozen=True)
class Scores:
    """What a release says of n texts, as arrays.

    Attributes
    ----------
    probabilities : (n, k) float32, calibrated, of the k classes.
    best : (n,) number of the most probable class.
    confidence : (n,) its probability.
    familiar : (n,) how like the rows that were learned from; compare with `Release.familiar`.
    known : (n,) share of the text that the model knows, 0 to 1.
    reason : (n,) int8, 0 answered, else the number of a reason in `tilth.release.abstain.REASONS`.
    """

    probabilities: np.ndarray
    best: np.ndarray
    confidence: np.ndarray
    familiar: np.ndarray
    known: np.ndarray
    reason: np.ndarray

    def __len__(self) -> int:
        return len(self.best)


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes
    ----------
    label : the class, None when abstained.
    best : the most probable class, also when abstained.
    probability : calibrated probability that `best` is right.
    abstained, reason : whether no label is given, and why: "unsure", "unlike", "outside".
    words : the same in a sentence.
    likely : the most probable classes with their probabilities, at most three.
    nearest : for an abstained row the known rows most like it: id, text, label, similarity.
    set : classes that hold the right one at the level asked for, None when not asked.
    """

    label: str | None
    best: str
    probability: float
    abstained: bool
    reason: str | None
    words: str
    likely: tuple[tuple[str, float], ...]
    nearest: tuple[Mapping[str, Any], ...] = ()
    set: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """The answer as a JSON object."""
        return {
            "label": self.label,
            "best": self.best,
            "probability": round(self.probability, 4),
            "abstained": self.abstained,
            "reason": self.reason,
            "words": self.words,
            "likely": [{"label": label, "probability": round(p, 4)} for label, p in self.likely],
            "nearest": [dict(row) for row in self.nearest],
            "set": None if self.set is None else list(self.set),
        }


class Release:
    """A bundle that is ready to answer; made by `load`.

    Attributes
    ----------
    id : digest of the manifest, 16 hex digits: equal bundles have equal ids.
    path : where it was read from.
    manifest : all that the bundle says about itself.
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any], id: str, files: Mapping[str, bytes]) -> None:
        self.path, self.manifest, self.id = path, manifest, id
        try:
            self._temperature = np.float32(manifest["calibration"]["temperature"])
            self._model = Model.of(files, manifest["model"], _encoder(path, manifest))
            self._evidence = Evidence(files, self._model)
            self._abstention = Abstention.of(manifest["abstention"])
            self._held = array(files, "model/conformal.npy")
            self._check()
        except (
            KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, MemoryError,
        ) as error:  # fmt: skip
            raise InputError(
                f"{path} does not make a model ({type(error).__name__}: {error}); release again"
            ) from error

    def _check(self) -> None:
        """Sound digests do not make a sound release: whoever writes a bundle writes its digests."""
        names = self.classes
        numbers = [float(self._temperature), self.threshold, self.familiar, self.precision]
        if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
            raise ValueError("its classes are not different texts")
        if len(names) != len(self._model.bias):
            raise ValueError(f"it has {len(names)} classes and weights for {len(self._model.bias)}")
        if not np.isfinite(numbers).all() or self._temperature <= 0 or self._held.ndim != 1:
            raise ValueError("its thresholds are no numbers")
        if not isinstance(self.manifest["text"], str):
            raise ValueError("it does not name the column that it reads")

    def __repr__(self) -> str:
        return f"Release({self.name!r}, id={self.id!r}, classes={len(self.classes)})"

    @property
    def name(self) -> str:
        """Name that the release was given."""
        return str(self.manifest["name"])

    @property
    def classes(self) -> tuple[str, ...]:
        """The k class names, in the order of `Scores.probabilities`."""
        return tuple(self.manifest["classes"])

    @property
    def text(self) -> str:
        """Name of the column that is read."""
        return str(self.manifest["text"])

    @property
    def threshold(self) -> float:
        """Least probability of an answer."""
        return self._abstention.probability

    @property
    def familiar(self) -> float:
        """Least familiarity of an answer."""
        return self._abstention.familiar

    @property
    def precision(self) -> float:
        """Share of answers that was wanted to be right."""
        return float(self.manifest["abstention"]["precision"])

    def scores(self, texts: Sequence[str]) -> Scores:
        """Answers of any number of texts as arrays: the fast path.

        Raises
        ------
        InputError : something that is not a list of texts.
        """
        if isinstance(texts, str):
            raise InputError("scores() takes a list of texts, not one text; pass [text]")
        _only_texts(texts)
        parts = [self._scored(self._model.run(texts[some])) for some in pieces(texts)]
        if len(parts) == 1:
            return parts[0]
        names = Scores.__dataclass_fields__
        return Scores(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """(n, k) float32 scores before calibration."""
        _only_texts(texts)
        return self._model.run_many(texts).logits

    def _scored(self, seen: Seen) -> Scores:
        p, familiar, reasons = judged(seen, float(self._temperature), self._abstention)
        best = p.argmax(axis=1)
        return Scores(p, best, p[np.arange(len(p)), best], familiar, seen.known, reasons)

    def warm(self) -> None:
        """Do now what the first answers would have to do."""
        self._evidence.warm()
        self.predict(["warm"])

    def predict(
        self, rows: Sequence[str | Mapping[str, object]], *, sets: float | None = None
    ) -> list[Answer]:
        """Answers with words and evidence.

        Parameters
        ----------
        rows : texts, or objects with the text column of the release.
        sets : also give the set of classes that holds the right one with probability 1 - sets (over rows
            like those it was calibrated on; it says nothing about rows outside the known classes).

        Raises
        ------
        InputError : a row without the text column, or a level that is no share.
        """
        texts = [self._text_of(row) for row in rows]
        out: list[Answer] = []
        for some in pieces(texts):
            seen = self._model.run(texts[some])
            found = self._scored(seen)
            inside = None if sets is None else self.sets(found, sets)
            for i in range(len(found)):
                near = self._evidence.nearest(seen, i) if found.reason[i] else ()
                out.append(self._answer(found, i, near, None if inside is None else tuple(inside[i])))
        return out

    def sets(self, scores: Scores, level: float) -> list[list[str]]:
        """For each row the classes that hold the right one with probability 1 - level.

        Split conformal prediction: true on average over rows like those that decided, not for each class, and
        it says nothing about rows outside the known classes, most of which get a class all the same.

        Parameters
        ----------
        level : share of misses, such as 0.05.

        Raises
        ------
        InputError : the level is no share.

        References
        ----------
        Sadinle, Lei and Wasserman, "Least ambiguous set-valued classifiers with bounded error levels",
        JASA 2019.
        """
        if not 0 < level < 1:
            raise InputError(f"sets is {level}; give a share of misses between 0 and 1, such as 0.05")
        at = int(np.floor(level * (len(self._held) + 1)))
        inside = scores.probabilities >= (self._held[at - 1] if at >= 1 else 0.0)
        return [[self.classes[j] for j in np.flatnonzero(row)] for row in inside]

    def _text_of(self, row: str | Mapping[str, object]) -> str:
        if isinstance(row, str):
            return row
        if not isinstance(row, Mapping) or self.text not in row:
            raise InputError(f"a row has no {self.text!r}, the column that this release reads: {row!r:.80}")
        value = row[self.text]
        return "" if value is None else str(value)

    def _answer(
        self, found: Scores, i: int, near: tuple[Mapping[str, Any], ...], inside: tuple[str, ...] | None
    ) -> Answer:
        names, p = self.classes, found.probabilities[i]
        top = np.argsort(-p, kind="stable")[:SHOWN]
        likely = tuple((names[j], float(p[j])) for j in top)
        code = int(found.reason[i])
        best = names[int(found.best[i])]
        return Answer(
            label=None if code else best,
            best=best,
            probability=float(found.confidence[i]),
            abstained=bool(code),
            reason=REASONS[code],
            words=_words(code, likely, self.threshold > 1, bool(found.known[i] > 0)),
            likely=likely,
            nearest=near,
            set=inside,
        )


def _percent(p: float) -> str:
    """A probability in whole percents; never all or nothing, which no model knows."""
    return "more than 99%" if p > 0.995 else "less than 1%" if p < 0.005 else f"{p:.0%}"


def _words(code: int, likely: Sequence[tuple[str, float]], never: bool, known: bool) -> str:
    first, p = likely[0]
    if code == UNSURE and never:
        return f"this release proves no precision and answers nothing; most likely is {first} ({_percent(p)})"
    if code == UNSURE and len(likely) > 1:
        return f"unsure between {first} ({_percent(p)}) and {likely[1][0]} ({_percent(likely[1][1])})"
    if code == UNSURE:
        return f"unsure whether it is {first} ({_percent(p)})"
    if code and not known:
        return "nothing in this text is known to the release"
    if code == UNLIKE:
        return f"unlike any row that the release has learned from; the nearest class is {first}"
    if code == OUTSIDE:
        return f"probably outside the known classes; the nearest is {first}"
    return f"{first} ({_percent(p)})"


def load(path: str | Path) -> Release:
    """Read a bundle: a folder that `tilth release` wrote, or a .zip of it.

    Raises
    ------
    InputError : it is no bundle, a file is missing, damaged or foreign, or it is newer than this Tilth.
    """
    place = Path(path)
    with opened(place) as files:
        raw = files.read(MANIFEST)
        manifest = read_manifest(raw, place)
        held: dict[str, bytes] = {}
        for name, digest in manifest["files"].items():
            body = files.read(name)
            if hashlib.sha256(body).hexdigest() != digest:
                raise InputError(
                    f"{place}: {name} is not the file that was released (its digest differs); copy the "
                    "bundle again, or release again"
                )
            if name.startswith(("model/", "evidence/")) and not name.startswith(ENCODER):
                held[name] = body
        foreign = sorted(files.names() - {MANIFEST, *manifest["files"]})
        if foreign:
            raise InputError(f"{place} holds {foreign[0]!r}, which is not part of the release; take it out")
    return Release(place, manifest, hashlib.sha256(raw).hexdigest()[:16], held)


def _encoder(path: Path, manifest: Mapping[str, Any]) -> Embed | None:
    """What embeds texts, where the recipe has it."""
    digest = manifest["model"].get("encoder")
    if digest is None:
        return None
    if not path.is_dir():
        raise InputError(f"{path} holds an encoder, which cannot be run from a .zip; unpack it first")
    from tilth.recipes.encoder import Encoder

    encoder = Encoder.open(path / ENCODER)
    if encoder.digest != digest:
        raise InputError(f"{path / ENCODER} is another encoder than the release was made with; copy it again")
    return encoder.encode


def _only_texts(texts: Sequence[str]) -> None:
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"a release takes texts, not {type(text).__name__}: {text!r:.60}")


def _charged(left: int, size: int, place: Path) -> int:
    """Bytes that may still be read after a file of this size."""
    if size > left:
        raise InputError(f"{place} unpacks to more bytes than a release has; get it from whoever made it")
    return left - size


class _Folder:
    """Files of a bundle in a folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.left = root, LARGEST

    def names(self) -> set[str]:
        """All files, by their path inside."""
        return {p.relative_to(self.root).as_posix() for p in self.root.rglob("*") if not p.is_dir()}

    def read(self, name: str) -> bytes:
        """One file; never a device or a pipe, which would not end."""
        path = self.root / name
        try:
            if path.exists() and not path.is_file():
                raise InputError(f"{path} is no plain file: it is no part of a release")
            size = path.stat().st_size
            self.left = _charged(self.left, size, self.root)
            with path.open("rb") as file:
                return file.read(size)
        except OSError as error:
            raise InputError(f"{self.root}: cannot read {name}: {error.strerror}; copy it again") from error


class _Zip:
    """Files of a bundle in a .zip, at its top or in its one folder."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.archive, self.path = archive, path
        inside = [n for n in archive.namelist() if not n.endswith("/")]
        top = next((n for n in sorted(inside, key=len) if PurePosixPath(n).name == MANIFEST), MANIFEST)
        self.top = top.removesuffix(MANIFEST)
        self.inside = inside
        self.left = min(LARGEST, max(ROOM, PACKED * path.stat().st_size))

    def names(self) -> set[str]:
        """All files, by their path inside."""
        return {n.removeprefix(self.top) for n in self.inside}

    def read(self, name: str) -> bytes:
        """One file."""
        try:
            self.left = _charged(self.left, self.archive.getinfo(self.top + name).file_size, self.path)
            return self.archive.read(self.top + name)
        except (
            KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError,
        ) as error:  # fmt: skip
            raise InputError(f"{self.path}: cannot read {name}: {error}; copy it again") from error


@contextmanager
def opened(place: Path) -> Iterator[_Folder | _Zip]:
    """The files of a bundle, a folder or a .zip; each has `names()` and `read(name)`.

    Raises
    ------
    InputError : there is none.
    """
    if place.is_dir():
        if not (place / MANIFEST).exists():
            made = sorted(p.parent for p in place.glob(f"releases/*/{MANIFEST}"))
            hint = f"did you mean {made[0]}?" if made else "give the folder that `tilth release` wrote"
            raise InputError(f"{place} is no release: it has no {MANIFEST}; {hint}")
        yield _Folder(place)
        return
    if not place.is_file():
        raise InputError(f"{place} does not exist; give the folder that `tilth release` wrote")
    try:
        with zipfile.ZipFile(place) as archive:
            yield _Zip(archive, place)
    except zipfile.BadZipFile as error:
        raise InputError(f"{place} is neither a folder nor a .zip of a release") from error


def read_manifest(raw: bytes, place: Path) -> dict[str, Any]:
    """The manifest, checked to be one that this Tilth can read.

    Raises
    ------
    InputError : it is none, lacks something, or is newer than this Tilth.
    """
    try:
        body = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place / MANIFEST} is not JSON: {error}") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise InputError(f"{place / MANIFEST} is not the manifest of a Tilth release")
    version = body.get("format_version")
    if not isinstance(version, int) or version > VERSION:
        raise InputError(
            f"{place} has format version {version}; this Tilth reads up to {VERSION}: update Tilth"
        )
    missing = [
        k for k in ("name", "text", "classes", "files", "calibration", "abstention", "model") if k not in body
    ]
    if missing or not isinstance(body["files"], dict):
        raise InputError(f"{place / MANIFEST} lacks {', '.join(missing) or 'a table of files'}")
    for name in body["files"]:
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or name.startswith("/") or any(c in name for c in "\\:\0"):
            raise InputError(f"{place / MANIFEST} names {name!r}, which lies outside the bundle")
    return body
