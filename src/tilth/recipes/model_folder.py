"""What a folder of a sentence-transformers or transformers model says about the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilth.errors import InputError

__all__ = ["ModelFolder", "digest_files", "find_onnx"]

DEFAULT_MAX_LENGTH = 256
_HARMLESS = {"Transformer", "Pooling", "Normalize", "Dropout"}
_SOURCES = {".json", ".txt", ".model", ".safetensors"}


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error


def _read_object(path: Path) -> Mapping[str, Any]:
    """A JSON object, empty where there is no such file."""
    if not path.is_file():
        return {}
    content = _read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path} should hold a JSON object, not a {type(content).__name__}")
    return content


def find_onnx(folder: Path) -> Path | None:
    """`model.onnx` or `onnx/model.onnx`, if the folder has `tokenizer.json` too; else None."""
    if (folder / "tokenizer.json").is_file():
        for path in (folder / "model.onnx", folder / "onnx" / "model.onnx"):
            if path.is_file():
                return path
    return None


def digest_files(paths: Iterable[tuple[str, Path]], settings: Mapping[str, object]) -> str:
    """16 hex digits of SHA-256 over settings and files; (name, path) pairs in the given order."""
    total = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, path in paths:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"\n{name} {content}".encode())
    return total.hexdigest()[:16]


def _pooling(path: Path) -> str:
    """Pooling mode in a 1_Pooling/config.json, old spelling (flags) or new (`pooling_mode`)."""
    config = _read_object(path)
    named = config.get("pooling_mode")
    if named is not None:
        modes = [named] if isinstance(named, str) else list(named)
    else:
        flags = [k for k, on in config.items() if k.startswith("pooling_mode_") and on is True]
        modes = [flag.removeprefix("pooling_mode_") for flag in flags]
    modes = [str(m).removesuffix("_tokens").removesuffix("_token") for m in modes] or ["mean"]
    if len(modes) > 1 or modes[0] not in ("mean", "cls"):
        raise InputError(
            f"{path} asks for pooling {' + '.join(modes)!r}; Tilth knows 'mean' and 'cls'. "
            "Choose another encoder, or export this one to an ONNX file that pools by itself."
        )
    if config.get("include_prompt") is False:
        raise InputError(f"{path}: pooling without the prompt (include_prompt) is not supported")
    return modes[0]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model in a local folder: where its parts are and how a text becomes one vector.

    Attributes
    ----------
    root : the folder.
    transformer : the folder with config.json and the weights (usually the same one).
    pooling : "mean" or "cls": how token vectors become one.
    max_length : tokens of a text that are read; the rest is cut off.
    lower : whether texts are lower-cased before they reach the tokenizer.
    """

    root: Path
    transformer: Path
    pooling: str
    max_length: int
    lower: bool

    @staticmethod
    def read(root: Path) -> ModelFolder:
        """Read modules.json, 1_Pooling/config.json and sentence_bert_config.json, if any.

        Without them: mean pooling, 256 tokens (fewer if the model has fewer positions).

        Raises
        ------
        InputError
            The model has a part that Tilth does not have (a dense layer, another pooling, a default
            prompt), so its vectors would silently differ.
        """
        transformer, pooling = root, root / "1_Pooling" / "config.json"
        if (root / "modules.json").is_file():
            for module in _read_json(root / "modules.json"):
                kind, path = str(module["type"]).rpartition(".")[2], root / str(module["path"])
                if kind not in _HARMLESS:
                    raise InputError(
                        f"{root / 'modules.json'} has a module {kind!r}, which Tilth cannot run; "
                        "choose an encoder of Transformer, Pooling and Normalize only"
                    )
                if kind == "Transformer":
                    transformer = path
                elif kind == "Pooling":
                    pooling = path / "config.json"
                    if not pooling.is_file():
                        raise InputError(f"{pooling} is missing: the folder is incomplete")
        prompts = _read_object(root / "config_sentence_transformers.json")
        if (prompts.get("prompts") or {}).get(prompts.get("default_prompt_name")):
            raise InputError(f"{root}: an encoder with a default prompt is not supported")
        settings = _read_object(transformer / "sentence_bert_config.json")
        length = settings.get("max_seq_length") or _fitting_length(transformer)
        if not isinstance(length, int) or length < 1:
            raise InputError(f"{transformer}: max_seq_length is {length!r}, not a positive number")
        lower = settings.get("do_lower_case") is True
        return ModelFolder(root, transformer, _pooling(pooling), length, lower)

    @property
    def has_weights(self) -> bool:
        """Whether there is something to export: config.json and safetensors weights."""
        weights = next(self.transformer.glob("*.safetensors"), None)
        return weights is not None and (self.transformer / "config.json").is_file()

    def source_digest(self, settings: Mapping[str, object]) -> str:
        """16 hex digits over every file that shapes the vectors, and over `settings`."""
        folders = sorted({self.root, self.transformer, self.root / "1_Pooling"})
        files = [
            (path.relative_to(self.root).as_posix(), path)
            for folder in folders
            if folder.is_dir()
            for path in sorted(folder.iterdir())
            if path.suffix in _SOURCES and path.is_file()
        ]
        return digest_files(files, settings)


def _fitting_length(transformer: Path) -> int:
    """256, or what the model's table of positions holds (RoBERTa keeps two for itself)."""
    positions = _read_object(transformer / "config.json").get("max_position_embeddings")
    if isinstance(positions, int) and positions > 2:
        return min(DEFAULT_MAX_LENGTH, positions - 2)
    return DEFAULT_MAX_LENGTH
