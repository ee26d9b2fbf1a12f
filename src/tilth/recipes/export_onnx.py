"""A sentence-transformers or transformers folder, exported once to an ONNX file that pools.

Needs torch and transformers; what it writes needs neither. The legacy exporter is used on purpose:
the same vectors (max difference 3e-7) as the newer one in 3 CPU-seconds instead of 23, and it needs
no onnxscript. Its bytes are the same on every run, so that digests are.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tilth.errors import InputError
from tilth.recipes.model_folder import ModelFolder
from tilth.recipes.optional import need

__all__ = ["EXPORT_VERSION", "Reference", "export"]

EXPORT_VERSION = 1
"""Raised when a change here changes the exported file."""

OPSET = 17
_FEATURE = "exporting the encoder to ONNX (needed once)"
# Short, with digits and signs, not English, and longer than any encoder reads (cut off).
SENTENCES = (
    "lost card",
    "Why was I charged £3.50 twice on 12/04? Please reverse it!",
    "Où est ma carte? Ma nouvelle carte n'est toujours pas arrivée, 我的卡在哪里",
    "the same few words again and again, " * 100,
)


@dataclass(frozen=True)
class Reference:
    """What torch says, to check the exported file against.

    Attributes
    ----------
    texts : a few sentences.
    vectors : (len(texts), dim) float32, rows of length one.
    """

    texts: tuple[str, ...]
    vectors: np.ndarray


@contextmanager
def _quiet(torch: Any, transformers: Any) -> Iterator[None]:
    """One thread, no warnings of the tracer, no progress bar; as it was afterwards."""
    logs, threads = transformers.utils.logging, torch.get_num_threads()
    shown, level = logs.is_progress_bar_enabled(), logs.get_verbosity()
    torch.set_num_threads(1)
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(threads)
        logs.set_verbosity(level)
        if shown:
            logs.enable_progress_bar()


def _load(transformers: Any, folder: ModelFolder) -> tuple[Any, Any]:
    """Model and tokenizer; refuses remote code, pickled weights and weights that are not there."""
    where = str(folder.transformer)
    safe = {"local_files_only": True, "trust_remote_code": False}
    model, info = transformers.AutoModel.from_pretrained(
        where, use_safetensors=True, attn_implementation="eager", output_loading_info=True, **safe
    )
    absent = sorted(k for k in info["missing_keys"] if not k.startswith("pooler."))
    if absent:
        raise InputError(f"{where} lacks {len(absent)} weights of the model, e.g. {absent[0]}")
    has_own = (folder.root / "tokenizer_config.json").is_file()
    home = str(folder.root) if has_own else where
    return model.float().eval(), transformers.AutoTokenizer.from_pretrained(home, **safe)


def _pooled(torch: Any, model: Any, pooling: str) -> Any:
    """The model with pooling and normalisation inside, so that the file gives sentence vectors."""

    class Pooled(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            """(texts, tokens) to (texts, dim) of length one."""
            states = self.model(input_ids=input_ids, attention_mask=attention_mask)
            hidden = states.last_hidden_state
            if pooling == "cls":
                sentence = hidden[:, 0]
            else:
                mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
                sentence = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(sentence, dim=-1)

    return Pooled().eval()


def _write_companions(folder: ModelFolder, tokenizer: Any, target: Path, about: object) -> None:
    """tokenizer.json and the settings, so that the target folder is complete by itself."""
    for home in (folder.root, folder.transformer):
        if (home / "tokenizer.json").is_file():
            shutil.copyfile(home / "tokenizer.json", target / "tokenizer.json")
            break
    else:
        if not tokenizer.is_fast:
            raise InputError(f"{folder.root} has no tokenizer.json and none can be made from it")
        tokenizer.backend_tokenizer.save(str(target / "tokenizer.json"))
    settings = {"max_seq_length": folder.max_length, "do_lower_case": folder.lower}
    for name, content in (("sentence_bert_config.json", settings), ("exported.json", about)):
        (target / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _sync(folder: Path) -> None:
    """Force the files to disk, so that a power cut after the rename leaves no half file."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def export(folder: ModelFolder, target: Path) -> Reference:
    """Write model.onnx, tokenizer.json and sentence_bert_config.json into an empty folder.

    Parameters
    ----------
    folder : the source; config.json, safetensors weights and a tokenizer.
    target : an existing empty folder.

    Returns
    -------
    Vectors of four sentences as torch computes them; the caller compares before it keeps the file.

    Raises
    ------
    MissingExtra
        torch or transformers is not installed.
    InputError
        The model cannot be loaded or exported.
    """
    torch = need("torch", _FEATURE, "export")
    transformers = need("transformers", _FEATURE, "export")
    try:
        with _quiet(torch, transformers):
            model, tokenizer = _load(transformers, folder)
            texts = [t.lower() if folder.lower else t for t in SENTENCES]
            cut = {"truncation": True, "max_length": folder.max_length}
            batch = tokenizer(texts, padding=True, return_tensors="pt", **cut)
            inputs = (batch["input_ids"], batch["attention_mask"])
            pooled = _pooled(torch, model, folder.pooling)
            vectors = pooled(*inputs).numpy()
            axes = {0: "texts", 1: "tokens"}
            torch.onnx.export(
                pooled,
                inputs,
                str(target / "model.onnx"),
                input_names=["input_ids", "attention_mask"],
                output_names=["sentence_embedding"],
                dynamic_axes={
                    "input_ids": axes,
                    "attention_mask": axes,
                    "sentence_embedding": {0: "texts"},
                },
                opset_version=OPSET,
                dynamo=False,
            )
    except InputError:
        raise
    except Exception as error:
        problem = str(error).strip().split("\n", 1)[0][:300]
        raise InputError(
            f"{folder.root} cannot be exported to ONNX: {type(error).__name__}: {problem}. "
            "Give a folder that holds model.onnx and tokenizer.json, or another encoder."
        ) from error
    about = {"torch": torch.__version__, "transformers": transformers.__version__}
    _write_companions(folder, tokenizer, target, about | {"export_version": EXPORT_VERSION})
    _sync(target)
    return Reference(SENTENCES, np.asarray(vectors, dtype=np.float32))
