"""tilth.toml: what a project is about. Unknown keys are errors with the nearest name."""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

from tilth.errors import ConfigError
from tilth.files import write_text

__all__ = ["METRICS", "Config", "SourceTerms", "add", "load", "render", "save"]

FILE = "tilth.toml"
WORDS: dict[type, str] = {str: "a text", float: "a number", int: "a whole number"}
METRICS = ("accuracy", "balanced_accuracy", "log_loss")
GATES = ("goal", "floors", "leakage", "licences", "consent", "size", "latency", "questions")
WHOLE = ("all", "class")
"""What a floor may stand under besides a slice: all rows, and each class."""


def _one_of(key: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigError(f"{key} is {value!r}; it is one of {', '.join(known)}")


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
    """[goal]: the metric that decides, how good is good enough, and what may be spent; 0 sets no limit.

    Attributes
    ----------
    metric : accuracy, balanced_accuracy or log_loss; computed in tilth.trial.measure and nowhere else.
    target : the score to reach, in the unit of the metric (for log_loss: to come down to).
    minutes, money : a person's time and the money available, in all.
    milliseconds, megabytes : what serving one answer and the model file may take.
    """

    metric: str = "accuracy"
    target: float = 0.0
    minutes: float = 0.0
    money: float = 0.0
    milliseconds: float = 0.0
    megabytes: float = 0.0

    def __post_init__(self) -> None:
        _one_of("metric", self.metric, METRICS)
        for key, value in asdict(self).items():
            if key != "metric" and not 0 <= value < math.inf:
                raise ConfigError(f"{key} is {value}; give a number from 0 up (0: no limit)")
        if self.metric != "log_loss" and self.target > 1:
            raise ConfigError(f"target is {self.target}; {self.metric} is a share: 0.9 means 90 %")

    def distance(self, score: float) -> float | None:
        """What is missing to the target, positive where it is not reached; None without a target."""
        if not self.target:
            return None
        return score - self.target if self.metric == "log_loss" else self.target - score


@dataclass(frozen=True)
class Costs:
    """[minutes]: what a person needs to check one row of each kind of change, or to write a guide clause."""

    relabel: float = 0.25
    drop: float = 0.1
    add: float = 1.0
    edit: float = 0.5
    clause: float = 20.0

    def __post_init__(self) -> None:
        for kind, minutes in asdict(self).items():
            if not 0 <= minutes < math.inf:
                raise ConfigError(f"{kind} takes {minutes} minutes; give a number from 0 up")

    def of(self, counts: dict[str, int]) -> float:
        """Minutes for a patch with these ops."""
        return sum(float(getattr(self, kind)) * n for kind, n in counts.items())


@dataclass(frozen=True)
class Prices:
    """[money]: what a person's minute and a bought row cost, in any one currency."""

    minute: float = 0.0
    row: float = 0.0

    def __post_init__(self) -> None:
        for kind, price in asdict(self).items():
            if not 0 <= price < math.inf:
                raise ConfigError(f"a {kind} costs {price}; give a number from 0 up")

    def of(self, minutes: float, rows: int = 0) -> float:
        """Money for minutes of work and bought rows."""
        return self.minute * minutes + self.row * rows


@dataclass(frozen=True)
class Evaluation:
    """[evaluation]: "split" (a share of the data was set apart) or "file" (it came on its own)."""

    origin: str = "split"
    share: float = 0.2

    def __post_init__(self) -> None:
        _one_of("origin", self.origin, ("split", "file"))
        if not 0 <= self.share < 1:
            raise ConfigError(f"share is {self.share}; give a part of the rows, from 0 up and below 1")


@dataclass(frozen=True)
class Collect:
    """[collect]: smallest gain of the metric, at twice the rows, that is worth collecting for."""

    worth: float = 0.005

    def __post_init__(self) -> None:
        if not 0 <= self.worth < 1:
            raise ConfigError(
                f"worth is {self.worth}; give a gain from 0 up and below 1 (0.005: half a point)"
            )


@dataclass(frozen=True)
class CopyChoice:
    """[copies]: least Jaccard similarity of character 5-grams from which two texts count as near copies."""

    threshold: float = 0.7

    def __post_init__(self) -> None:
        if not 0.3 <= self.threshold <= 1:
            raise ConfigError(f"threshold is {self.threshold}; give a similarity from 0.3 to 1")


@dataclass(frozen=True)
class ReleaseChoice:
    """[release]: what an answer must be worth.

    Attributes
    ----------
    precision : share of the answers that shall be right.
    outside : label of rows that belong to no class, which the model must not answer; empty: there are none.
    refuse : share of rows of known classes that may be refused for being unlike what was learned.
    evidence : rows of train in the bundle, at most, to be shown where it abstains; 0: none.
    """

    precision: float = 0.95
    outside: str = ""
    refuse: float = 0.05
    evidence: int = 5000

    def __post_init__(self) -> None:
        if not 0 < self.precision < 1:
            raise ConfigError(f"precision is {self.precision}; give a share between 0 and 1, such as 0.95")
        if not 0 <= self.refuse < 1:
            raise ConfigError(f"refuse is {self.refuse}; give a share from 0 up and below 1, such as 0.05")
        if self.evidence < 0:
            raise ConfigError(f"evidence is {self.evidence}; give a number of rows from 0 up")


@dataclass(frozen=True)
class ReviewChoice:
    """[review]: how rows come to people.

    Attributes
    ----------
    second_opinion : share of the reviewed rows that two people look at.
    lease : minutes that a row is held for one.
    pair : two columns that are shown side by side, such as an instruction and its answer; none: one text.
    """

    second_opinion: float = 0.0
    lease: float = 10.0
    pair: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.second_opinion <= 1:
            raise ConfigError(
                f"second_opinion is {self.second_opinion}; give a share of the rows from 0 to 1"
            )
        if not 1 <= self.lease <= 10_000:
            raise ConfigError(f"lease is {self.lease}; give minutes from 1 to 10,000")
        if len(self.pair) not in (0, 2):
            raise ConfigError(f"pair names {len(self.pair)} columns; name two, or none")


@dataclass(frozen=True)
class GateChoice:
    """[gates]: what a release has to show before it leaves.

    Attributes
    ----------
    proof : "point": the measured score reaches target and floors; "bound": the worse end of its interval.
    use : "commercial", or "non-commercial" where sources that forbid the former may be used.
    licences : SPDX names of licences that sources may have, with commas; "" for any.
    require : gates, with commas, that have to pass: "not checked" is then a failure. One or more of GATES.
    """

    proof: str = "point"
    use: str = "commercial"
    licences: str = ""
    require: str = ""

    def __post_init__(self) -> None:
        _one_of("proof", self.proof, ("point", "bound"))
        _one_of("use", self.use, ("commercial", "non-commercial"))
        for name in words(self.require):
            _one_of("require", name, GATES)


@dataclass(frozen=True)
class SourceTerms:
    """[sources."FILE"]: what a person knows about a file that rows came from; said once for all releases.

    Attributes
    ----------
    licence : SPDX name such as "CC-BY-4.0", or words.
    consent : "given", "not needed" (no people, or another ground: say it in `collected`), or "refused".
    expires : the last day (ISO 8601) on which the rows may be used; "" for no end.
    collected : how, where and by whom the rows were collected.
    sample : what the rows are a sample of and how they were drawn; "all" when they are no sample.
    url : where the file comes from.
    """

    licence: str = ""
    consent: str = ""
    expires: str = ""
    collected: str = ""
    sample: str = ""
    url: str = ""

    def __post_init__(self) -> None:
        _one_of("consent", self.consent, ("", "given", "not needed", "refused"))
        try:
            date.fromisoformat(self.expires or "2000-01-01")
        except ValueError:
            raise ConfigError(f"expires is {self.expires!r}; give a day such as '2027-12-31'") from None


def words(listed: str) -> list[str]:
    """The names in a list with commas."""
    return [name.strip() for name in listed.split(",") if name.strip()]


@dataclass(frozen=True)
class ServeChoice:
    """[serve]: where `tilth serve` keeps its state; empty: beside the releases.

    Attributes
    ----------
    state : folder, seen from the project folder.
    """

    state: str = ""


@dataclass(frozen=True)
class Config:
    """All of tilth.toml.

    Attributes
    ----------
    slices : [slices], name to expression (see tilth.slices).
    floors : [floors], "all", "class" or the name of a slice to the least score in the goal metric.
    sources : [sources], name of a file that rows came from to what is known about it.
    """

    name: str = "project"
    columns: ColumnNames = field(default_factory=ColumnNames)
    recipe: RecipeChoice = field(default_factory=RecipeChoice)
    goal: GoalChoice = field(default_factory=GoalChoice)
    minutes: Costs = field(default_factory=Costs)
    money: Prices = field(default_factory=Prices)
    evaluation: Evaluation = field(default_factory=Evaluation)
    collect: Collect = field(default_factory=Collect)
    copies: CopyChoice = field(default_factory=CopyChoice)
    release: ReleaseChoice = field(default_factory=ReleaseChoice)
    review: ReviewChoice = field(default_factory=ReviewChoice)
    gates: GateChoice = field(default_factory=GateChoice)
    serve: ServeChoice = field(default_factory=ServeChoice)
    slices: Mapping[str, str] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, SourceTerms] = field(default_factory=dict)


_SECTIONS: dict[str, type[Any]] = {
    "columns": ColumnNames,
    "recipe": RecipeChoice,
    "goal": GoalChoice,
    "minutes": Costs,
    "money": Prices,
    "evaluation": Evaluation,
    "collect": Collect,
    "copies": CopyChoice,
    "release": ReleaseChoice,
    "review": ReviewChoice,
    "gates": GateChoice,
    "serve": ServeChoice,
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
    ConfigError : not TOML, an unknown key, or a value that cannot be.
    """
    try:
        body = tomllib.loads(path.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; check its permissions") from error
    _check_keys(body, ["name", *_SECTIONS, "slices", "floors", "sources"], str(path))
    name = body.get("name", Config.name)
    if not isinstance(name, str):
        raise ConfigError(f"{path} name: expected a text, found {name!r}")
    parts = {section: _section(body.get(section, {}), section, path) for section in _SECTIONS}
    slices = _named(body.get("slices", {}), "slices", str, path)
    floors = _named(body.get("floors", {}), "floors", float, path)
    _check_gates(slices, floors, path)
    sources = body.get("sources", {})
    if not isinstance(sources, dict):
        raise ConfigError(f'{path}: "sources" must hold tables: [sources."FILE"]')
    terms = {file: _table(sources[file], SourceTerms, f"sources.{_toml(file)}", path) for file in sources}
    return Config(name, **parts, slices=slices, floors=floors, sources=terms)


def _named(values: object, section: str, kind: type[Any], path: Path) -> dict[str, Any]:
    """A table whose keys are the person's own."""
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: {section!r} must be a table: [{section}]")
    for key, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
        if not (isinstance(value, str) if kind is str else number):
            wanted = (
                "an expression in quotes, such as 'length > 200'" if kind is str else "a number from 0 up"
            )
            raise ConfigError(f"{path} [{section}] {key}: expected {wanted}, found {value!r}")
    return {key: kind(value) for key, value in values.items()}


def _check_gates(slices: dict[str, str], floors: dict[str, float], path: Path) -> None:
    """Floors stand under what there is."""
    for name in WHOLE:
        if name in slices:
            raise ConfigError(f"{path} [slices]: {name!r} means something in [floors]; choose another name")
    _check_keys(floors, [*WHOLE, *slices], f"{path} [floors]")


def add(path: Path, section: str, key: str, value: str | float) -> None:
    """Write one key at the end of a section of the file; all else stays as it is, comments too.

    Raises
    ------
    ConfigError : the section has the key already, or the result could not be read.
    """
    text = path.read_text("utf-8-sig")
    if key in tomllib.loads(text).get(section, {}):
        raise ConfigError(f"{path} [{section}] has {key!r} already; change it there, or take it out first")
    bare = re.fullmatch(r"[A-Za-z0-9_-]+", key)
    line = f"{key if bare else _toml(key)} = {_toml(value)}"
    lines = text.splitlines()
    begin = next((i for i, x in enumerate(lines) if re.match(rf"\s*\[{section}\]\s*(#.*)?$", x)), None)
    if begin is None:
        lines += ["", f"[{section}]", line]
    else:
        after = next((i for i in range(begin + 1, len(lines)) if re.match(r"\s*\[", lines[i])), len(lines))
        while not lines[after - 1].strip():
            after -= 1
        lines.insert(after, line)
    new = "\n".join(lines) + "\n"
    try:
        known = tomllib.loads(new)[section][key] == value
    except (tomllib.TOMLDecodeError, KeyError):
        known = False
    if not known:  # the file is written in a way that lines cannot be added to
        raise ConfigError(f"cannot add to {path}; write it there yourself under [{section}]: {line}")
    write_text(path, new)


def _section(values: object, section: str, path: Path) -> Any:
    """One table of the file as its dataclass."""
    return _table(values, _SECTIONS[section], section, path)


def _table(values: object, kind: type[Any], section: str, path: Path) -> Any:
    """A table as its dataclass."""
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: {section!r} must be a table: [{section}]")
    where = f"{path} [{section}]"
    _check_keys(values, [f.name for f in fields(kind)], where)
    known, default = {}, kind()
    for key, value in values.items():
        wanted = type(getattr(default, key))
        whole = isinstance(value, int) and not isinstance(value, bool)
        texts = wanted is tuple and isinstance(value, list) and all(isinstance(v, str) for v in value)
        if not isinstance(value, wanted) and not (wanted is float and whole) and not texts:
            raise ConfigError(f"{where} {key}: expected {WORDS[wanted]}, found {value!r}")
        known[key] = wanted(value)
    try:
        return kind(**known)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def render(config: Config) -> str:
    """The file's text; every key is written, so the file documents itself."""
    lines = [f"name = {_toml(config.name)}"]
    for section in _SECTIONS:
        lines += ["", f"[{section}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in asdict(getattr(config, section)).items()]
    for section in ("slices", "floors"):
        if values := getattr(config, section):
            lines += ["", f"[{section}]", *(f"{_toml(key)} = {_toml(v)}" for key, v in values.items())]
    for file, terms in config.sources.items():
        lines += ["", f"[sources.{_toml(file)}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in asdict(terms).items()]
    return "\n".join(lines) + "\n"


def _toml(value: str | float | Sequence[str]) -> str:
    """A value as TOML; JSON but for two characters that JSON lets through."""
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ConfigError(f"{value!r} is no Unicode text and cannot stand in {FILE}; rename it")
    return text


def save(config: Config, path: Path) -> None:
    """Write atomically: a reader sees the old file or the new one."""
    write_text(path, render(config))
