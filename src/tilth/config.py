"""tilth.toml: what a project is about. Unknown keys are errors with the nearest name."""

from __future__ import annotations

import difflib
import json
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tilth.errors import ConfigError
from tilth.files import write_text

__all__ = ["Config", "load", "render", "save"]

FILE = "tilth.toml"
METRICS = ("accuracy", "balanced_accuracy", "log_loss")


@dataclass(frozen=True)
class ColumnNames:
    """[columns]: which column of the data is what; id may be empty."""

    text: str = "text"
    label: str = "label"
    id: str = ""


@dataclass(frozen=True)
class RecipeChoice:
    """[recipe]: versioned name; for text-embed.v1 the encoder, and whether n-grams stand beside it."""

    name: str = "text-linear.v1"
    encoder: str = ""
    ngrams: bool = True


@dataclass(frozen=True)
class GoalChoice:
    """[goal]: the metric that decides: accuracy, balanced_accuracy or log_loss."""

    metric: str = "accuracy"


@dataclass(frozen=True)
class Costs:
    """[minutes]: what a person needs to check one row of each kind of change."""

    relabel: float = 0.25
    drop: float = 0.1
    add: float = 1.0
    edit: float = 0.5

    def of(self, counts: dict[str, int]) -> float:
        """Minutes for a patch with these ops."""
        return sum(float(getattr(self, kind)) * n for kind, n in counts.items())


@dataclass(frozen=True)
class Evaluation:
    """[evaluation]: "split" (a share of the data was set apart) or "file" (it came on its own)."""

    origin: str = "split"
    share: float = 0.2


@dataclass(frozen=True)
class Config:
    """All of tilth.toml."""

    name: str = "project"
    columns: ColumnNames = field(default_factory=ColumnNames)
    recipe: RecipeChoice = field(default_factory=RecipeChoice)
    goal: GoalChoice = field(default_factory=GoalChoice)
    minutes: Costs = field(default_factory=Costs)
    evaluation: Evaluation = field(default_factory=Evaluation)


_SECTIONS: dict[str, type[Any]] = {
    "columns": ColumnNames,
    "recipe": RecipeChoice,
    "goal": GoalChoice,
    "minutes": Costs,
    "evaluation": Evaluation,
}


def _check_keys(found: dict[str, Any], known: list[str], where: str) -> None:
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise ConfigError(f"{where}: unknown key {key!r}; {hint}")


def load(path: Path) -> Config:
    """Read and check a tilth.toml.

    Raises
    ------
    ConfigError : not TOML, an unknown key, or a value of the wrong type.
    """
    try:
        body = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    _check_keys(body, ["name", *_SECTIONS], str(path))
    parts: dict[str, Any] = {"name": str(body.get("name", "project"))}
    for section, kind in _SECTIONS.items():
        values = body.get(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: [{section}] must be a table")
        _check_keys(values, [f.name for f in fields(kind)], f"{path} [{section}]")
        default = kind()
        for key, value in values.items():
            wanted = type(getattr(default, key))
            if wanted is float and isinstance(value, int) and not isinstance(value, bool):
                values[key] = float(value)
            elif not isinstance(value, wanted):
                raise ConfigError(f"{path} [{section}] {key}: expected {wanted.__name__}, found {value!r}")
        parts[section] = kind(**values)
    return Config(**parts)


def render(config: Config) -> str:
    """The file's text; every key is written, so the file documents itself."""
    lines = [f"name = {json.dumps(config.name, ensure_ascii=False)}"]
    for section in _SECTIONS:
        lines += ["", f"[{section}]"]
        values = asdict(getattr(config, section))
        lines += [f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in values.items()]
    return "\n".join(lines) + "\n"


def save(config: Config, path: Path) -> None:
    """Write atomically: a reader sees the old file or the new one."""
    draft = path.with_suffix(".toml.new")
    draft.write_text(render(config), "utf-8")
    draft.replace(path)
