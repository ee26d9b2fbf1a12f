"""What the verbs print: tables of at most 80 columns whose numbers are never cut.

Every function takes a rich Console and a JSON-able object, and its last line is the next command: the
`next` of the object if it has one. Text from data is never read as markup, and its control characters
are made visible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tilth.report import selftest
from tilth.report.format import (
    NONE,
    Measure,
    Tone,
    code_name,
    count,
    failures,
    items,
    mapping,
    measure_of,
    minutes,
    number,
    one_line,
    ops_text,
    points,
    seconds,
    sentence,
    share,
    stamp,
    sum_minutes,
    tone,
    verdict_sign,
)
from tilth.report.planning import goal_lines
from tilth.report.reviews import errors_line
from tilth.report.screen import STYLES, Col, Screen
from tilth.report.slices import broken_floors, floor_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["audit", "diff", "improve", "log", "proposals", "status", "trial"]

Json = Mapping[str, Any]
Row = tuple["str | Text", Json, "str | Text"]
LOUD = "bold yellow"
WORK_SHOWN = 5
SLICES_SHOWN = 10


def improve(console: Console, result: Json) -> None:
    """The result of `tilth improve`: the verdict, every patch that was tried, what waits for a person."""
    screen, measure = Screen(console), measure_of(result)
    rows = mapping(result.get("rows"))
    sizes = f"{count(rows.get('train_start'))} → {count(rows.get('train'))} training rows"
    about = f" · {one_line(result.get('recipe'), 40)} · {sizes} · {seconds(result.get('seconds'))}"
    screen.line(screen.data(result.get("project"), 60, "bold"), about)
    screen.line()
    gain = mapping(result.get("gain"))
    sign = verdict_sign(gain.get("verdict"), ascii_only=screen.ascii_only)
    screen.line(f"{sign} " if gain else "", sentence(result), style=STYLES[_tone(gain)])
    _worse_line(screen, items(result.get("slices")))
    _left_out(screen, rows)
    if result.get("complete") is False:
        screen.line("This run was stopped before it was done.", style=LOUD)
    _failed(screen, mapping(result.get("audit")).get("failed"))
    patches = items(result.get("patches"))
    if patches:
        screen.line()
        tried: list[Row] = [
            (screen.data(p.get("title") or p.get("id"), 60), p, screen.data(p.get("state"), 12))
            for p in patches
        ]
        _effects(screen, ("what was tried", "state"), tried, measure, "gain")
    work = items(result.get("worklist"))
    if work:
        _work(screen, work, measure)
    screen.next(result.get("next") or (work[0].get("command") if work else None) or "tilth status")


def _tone(body: Json) -> Tone:
    return tone(body.get("verdict"), body.get("low"), body.get("high"))


def _change(body: Json, measure: Measure, key: str = "value") -> str:
    return f"{measure.change(body.get(key))} {measure.span(body.get('low'), body.get('high'))}".rstrip()


def _worse_line(screen: Screen, slices: Sequence[Json]) -> None:
    """A gain on the whole must not hide a loss in a part."""
    worse = [s for s in slices if s.get("verdict") == "worse"]
    if worse:
        names = ", ".join(one_line(s.get("name"), 50) for s in worse[:3]) + (" ..." if len(worse) > 3 else "")
        sign = verdict_sign("worse", ascii_only=screen.ascii_only)
        screen.line(f"{sign} worse in {len(worse)} of {len(slices)} slices: {names}", style=STYLES["worse"])


def _left_out(screen: Screen, rows: Json) -> None:
    """Evaluation rows that were not scored, and rows that could not be read."""
    known = (
        ("eval_leaked", "evaluation rows left out because they leak from training"),
        ("eval_unknown", "evaluation rows left out because training does not have their class"),
        ("bad", "rows could not be read"),
    )
    parts = [f"{count(rows[key])} {words}" for key, words in known if number(rows.get(key))]
    if parts:
        screen.line("; ".join(parts), style="dim")


def _failed(screen: Screen, value: object) -> None:
    """Checks that did not run: not clean, and said loudly."""
    failed = failures(value)
    if not failed:
        return
    many = "1 check" if len(failed) == 1 else f"{len(failed)} checks"
    screen.line(f"NOT CLEAN: {many} failed and found nothing out.", style=LOUD)
    for code, why in failed:
        screen.line(f"  {one_line(code, 20)} {code_name(code)}: {one_line(why, 200)}", style="yellow")


def _effects(screen: Screen, heads: tuple[str, str], rows: Sequence[Row], measure: Measure, key: str) -> None:
    """Changes with interval and verdict; with a picture where there is room for it."""
    columns = [Col(heads[0]), Col(heads[1], "num" if heads[1] == "rows" else "id")]
    columns += [Col("interval", "id")] if screen.wide else []
    columns += [Col(f"change{measure.unit and ', pp'}", "num"), Col("verdict", "id")]
    spans = [tuple(number(b.get(k)) for k in (key, "low", "high")) for _, b, _ in rows]
    reach = max((abs(v) for span in spans for v in span if v is not None), default=1.0)
    lines: list[list[str | Text]] = []
    for (name, body, extra), span in zip(rows, spans, strict=True):
        shade = _tone(body)
        line: list[str | Text] = [name, extra]
        line += [screen.picture(span, reach, shade)] if screen.wide else []
        line += [
            screen.change(_change(body, measure, key), shade),
            screen.verdict(body.get("verdict"), shade),
        ]
        lines.append(line)
    screen.table(columns, lines)


def _work(screen: Screen, work: Sequence[Json], measure: Measure) -> None:
    """The first pieces of work that only a person can do."""
    screen.line()
    shown = f", first {WORK_SHOWN} shown" if len(work) > WORK_SHOWN else ""
    screen.line(f"waits for a person: {len(work)} pieces of work, {minutes(sum_minutes(work))}{shown}")
    unit = measure.unit and ", pp"
    columns = [
        Col("what to do"),
        Col("rows", "num"),
        Col(f"gain{unit}", "num"),
        Col("time", "num"),
        Col("a minute", "num"),
    ]
    lines: list[list[str | Text]] = []
    for item in work[:WORK_SHOWN]:
        rate = number(item.get("per_minute"))
        lines.append(
            [
                screen.data(item.get("title"), 70),
                count(item.get("count")),
                measure.change(item.get("gain")),
                minutes(item.get("minutes")),
                NONE if rate is None else f"{rate * measure.factor:+.2f}",
            ]
        )
    screen.table(columns, lines)


def audit(console: Console, body: Json, *, limit: int = 20) -> None:
    """What an audit found: counts for each code, then the first findings.

    Parameters
    ----------
    body : the object that `tilth audit --json` prints.
    limit : how many findings are shown, >= 0.
    """
    screen = Screen(console)
    rows, noise = number(body.get("rows")), number(body.get("estimated_noise"))
    screen.line(f"audit of {count(rows)} rows, version {one_line(body.get('version'), 12).rstrip('…')}")
    if body.get("evaluation_first"):
        screen.line(screen.data(body["evaluation_first"], 300), style=LOUD)
    if line := errors_line(mapping(body.get("trust"))):
        screen.line(line)
    elif rows is not None and noise is not None:
        screen.line(f"about {count(rows * noise)} labels are wrong ({share(noise)}), by estimate")
    if number(body.get("out_of_sample_accuracy")) is not None:
        agree = share(body["out_of_sample_accuracy"])
        screen.line(f"a model that never saw the row agrees with {agree} of the labels")
    _failed(screen, body.get("failed"))
    reached = number(mapping(body.get("neighbours")).get("recall"))
    if reached is not None and reached < 0.985:
        screen.line(
            f"{share(reached)} of the nearest rows were found, by a sample: some copies may be missed"
        )
    counts, others = mapping(body.get("counts")), body.get("plugins")
    lines = [(one_line(c, 12), code_name(c, others) or NONE, count(n)) for c, n in sorted(counts.items())]
    lines += [
        (one_line(c, 12), code_name(c, others) or NONE, "failed")
        for c, _ in failures(body.get("failed"))
        if c not in counts
    ]
    lines += [
        (one_line(c, 12), code_name(c), "not applicable") for c in sorted(mapping(body.get("not_applicable")))
    ]
    screen.line()
    if lines:
        screen.table([Col("code", "id"), Col("finding"), Col("rows", "num")], lines)
    selftest.lines(screen, mapping(body.get("self_test")))
    found = items(body.get("findings"))
    if found[:limit]:
        screen.line()
        columns = [Col("code", "id"), Col("row"), Col("P(wrong)", "num"), Col("what")]
        screen.table(columns, [_finding(screen, f) for f in found[:limit]])
    if len(found) > limit:
        screen.line(f"{limit} of {len(found)} findings shown; --limit shows more", style="dim")
    screen.next(body.get("next") or "tilth propose")


def _finding(screen: Screen, finding: Json) -> list[str | Text]:
    ids = finding.get("rows")
    ids = ids if isinstance(ids, Sequence) and not isinstance(ids, str | bytes) else []
    names = ", ".join(one_line(i, 32) for i in ids[:3]) + (
        f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    )
    probability = number(finding.get("probability"))
    what = screen.data(finding.get("message"), 160)
    words = mapping(finding.get("evidence")).get("text")
    if words:
        what.append("\n").append_text(screen.data(words, 100, "dim"))
    return [
        one_line(finding.get("code"), 12),
        names or NONE,
        NONE if probability is None else f"{probability:.2f}",
        what,
    ]


def trial(console: Console, body: Json) -> None:
    """The measured effect of one patch, what got worse first."""
    screen, measure = Screen(console), measure_of(body)
    effect = {**mapping(body.get("effect")), "verdict": body.get("verdict")}
    screen.line(screen.data(body.get("title") or body.get("patch"), 120, "bold"))
    base = one_line(body.get("base"), 12).rstrip("…")
    about = f"patch {one_line(body.get('patch'), 40)} ({ops_text(body.get('ops'))}) on version {base}"
    screen.line(about, style="dim")
    screen.line()
    before, after = (measure.value(mapping(body.get(k)).get("value")) for k in ("before", "after"))
    unit = measure.words if number(effect.get("value")) is not None else ""
    span = measure.span(effect.get("low"), effect.get("high"))
    change = screen.change(f"{measure.change(effect.get('value'))}{unit} {span}".rstrip(), _tone(effect))
    screen.line(
        f"{measure.name} {before} → {after}, ", change, "  ", screen.verdict(effect["verdict"], _tone(effect))
    )
    slices = items(body.get("slices"))
    _worse_line(screen, slices)
    fallen = broken_floors(body)
    for line in fallen:
        screen.line(line, style=STYLES["worse"])
    if slices:
        screen.line()
        order = {"worse": 0, "better": 1}
        found = sorted(slices, key=lambda s: order.get(str(s.get("verdict")), 2))[:SLICES_SHOWN]
        rows: list[Row] = [(screen.data(s.get("name"), 50), s, count(s.get("rows"))) for s in found]
        _effects(screen, ("slice", "rows"), rows, measure, "value")
        if len(slices) > SLICES_SHOWN:
            screen.line(f"{SLICES_SHOWN} of {len(slices)} slices shown", style="dim")
    screen.line()
    _trial_facts(screen, body, effect, measure)
    worse = fallen or any(s.get("verdict") == "worse" for s in slices)
    good = body.get("verdict") == "better" and not worse
    screen.next(
        body.get("next") or (f"tilth accept {one_line(body.get('patch'), 40)}" if good else "tilth propose")
    )


def _trial_facts(screen: Screen, body: Json, effect: Json, measure: Measure) -> None:
    """Where the number comes from, and what it could not have shown."""
    facts = [f"judged on {one_line(body.get('judged_on'), 200)}"] if body.get("judged_on") else []
    if number(body.get("predicted")) is not None:
        facts.append(
            f"forecast {measure.change(body['predicted'])}, measured {measure.change(effect.get('value'))}"
        )
    if number(effect.get("detectable")) is not None:
        facts.append(f"smallest effect these rows can show: {measure.size(effect['detectable'])}")
    if number(effect.get("se_rows")) is not None and number(effect.get("se_training")) is not None:
        rows, luck = (measure.size(effect[k]) for k in ("se_rows", "se_training"))
        facts.append(f"standard error: {rows} from the choice of rows, {luck} from training luck")
    if number(body.get("seconds")) is not None:
        facts.append(f"took {seconds(body['seconds'])} with {one_line(body.get('recipe'), 40)}")
    for fact in facts:
        screen.line(fact, style="dim")


def proposals(console: Console, found: Sequence[Json]) -> None:
    """Proposed patches, best forecast for each minute first as given."""
    screen = Screen(console)
    patches = items(found)
    if not patches:
        screen.line("nothing is proposed")
        screen.next("tilth audit")
        return
    columns = [
        Col("patch", "id"),
        Col("what"),
        Col("forecast, pp", "num"),
        Col("time", "num"),
        Col("state", "id"),
    ]
    lines = []
    for p in patches:
        what = screen.data(p.get("title"), 90)
        what.append("\n").append_text(screen.text(ops_text(p.get("ops")), "dim"))
        if p.get("reason"):
            what.append("\n").append_text(screen.data(p["reason"], 160, "dim"))
        line: list[str | Text] = [one_line(p.get("id"), 16), what, points(p.get("predicted"))]
        lines.append([*line, minutes(p.get("minutes")), one_line(p.get("state"), 12)])
    screen.table(columns, lines)
    waiting = next((p for p in patches if p.get("state") in (None, "proposed")), None)
    screen.next(f"tilth trial {one_line(waiting.get('id'), 40)}" if waiting else "tilth log")


def log(console: Console, body: Json) -> None:
    """The line of versions, newest first."""
    screen = Screen(console)
    versions = items(body.get("versions"))
    screen.line(screen.data(body.get("dataset"), 60, "bold"), f" · {len(versions):,} versions")
    screen.line()
    scored = any(number(v.get("score")) is not None for v in versions)
    columns = [Col("", "num"), Col("version", "id"), Col("rows", "num"), Col("what"), Col("when")]
    columns += [Col("score", "num")] if scored else []
    lines: list[list[str | Text]] = []
    for v in reversed(versions):
        note = screen.data(v.get("note"), 90)
        if v.get("patch"):
            note.append("\n").append_text(screen.text(f"patch {one_line(v['patch'], 20)}", "dim"))
        line: list[str | Text] = [
            count(v.get("seq")),
            one_line(str(v.get("id") or NONE)[:12]),
            count(v.get("rows")),
            note,
        ]
        line.append(stamp(v.get("created")))
        lines.append(line + ([share(v.get("score"))] if scored else []))
    if lines:
        screen.table(columns, lines)
    if len(versions) > 1:
        a, b = (one_line(str(v.get("id") or "")[:12]) for v in versions[-2:])
        screen.next(body.get("next") or f"tilth diff {a} {b}")
    else:
        screen.next(body.get("next") or "tilth audit")


def status(console: Console, body: Json) -> None:
    """Where the project stands."""
    screen = Screen(console)
    name, folder = one_line(body.get("project"), 60), one_line(body.get("folder"), 200)
    screen.line(screen.text(name, "bold"), f" · {folder}" if folder != name else "")
    named = ", ".join(
        f"{one_line(k, 20)} = {one_line(v, 40)}" for k, v in mapping(body.get("columns")).items()
    )
    measure = measure_of(body)
    recipe = one_line(body.get("recipe"), 40)
    screen.line(
        f"recipe {recipe}, metric {measure.metric}{f', columns {named}' if named else ''}", style="dim"
    )
    sets = items(body.get("datasets"))
    if sets:
        screen.line()
        heads = [
            Col("data set"),
            Col("version", "id"),
            *(Col(h, "num") for h in ("rows", "classes", "unlabelled")),
        ]
        lines: list[list[str | Text]] = [
            [
                screen.data(d.get("name"), 40),
                one_line(str(d.get("version") or NONE)[:12]),
                *(count(d.get(k)) for k in ("rows", "classes", "unlabelled")),
            ]
            for d in sets
        ]
        screen.table(heads, lines)
    screen.line()
    patches = mapping(body.get("patches"))
    words = ", ".join(f"{count(n)} {one_line(state, 20)}" for state, n in patches.items())
    screen.line(f"patches: {words or 'none'}")
    goal_lines(screen, body)
    floor_lines(screen, body)
    last = mapping(body.get("last_run"))
    if last:
        _last_run(screen, last, measure)
    screen.next(body.get("next") or "tilth audit")


def _last_run(screen: Screen, last: Json, measure: Measure) -> None:
    before, after = (measure.value(mapping(last.get(k)).get("value")) for k in ("before", "after"))
    gain = mapping(last.get("gain"))
    shade = _tone(gain)
    change = screen.change(_change(gain, measure), shade)
    screen.line(f"last run: {before} → {after}, ", change, "  ", screen.verdict(gain.get("verdict"), shade))


def diff(console: Console, body: Json) -> None:
    """What differs between two versions, row by row: - before, + after."""
    screen = Screen(console)
    a, b = (one_line(str(body.get(k) or NONE)[:12]) for k in ("a", "b"))
    screen.line(f"{a} → {b}: {ops_text(body.get('counts'))}", style="bold")
    ops = items(body.get("ops"))
    for op in ops:
        screen.line()
        _op(screen, op)
    total = round(sum(number(n) or 0 for n in mapping(body.get("counts")).values()))
    if total > len(ops):
        screen.line()
        screen.line(f"{len(ops):,} of {total:,} changes shown", style="dim")
    screen.next(body.get("next") or "tilth log")


def _op(screen: Screen, op: Json) -> None:
    """One op as it stands in a patch file."""
    kind = one_line(op.get("op"), 12)
    before, after = mapping(op.get("before")), mapping(op.get("after"))
    row = before or after or op
    why = screen.data(op["why"], 120, "dim") if op.get("why") else ""
    screen.line(screen.text(kind, "bold"), " ", screen.data(op.get("id"), 64), "  " if why else "", why)
    if kind == "relabel":
        screen.line("  ", screen.data(_longest(row), 300, "dim"))
        pairs: list[tuple[str, object, object]] = [("", op.get("from"), op.get("to"))]
    elif kind == "edit":
        pairs = _edited(before, after)
    else:
        words = f"[{one_line(row.get('label'), 60)}] {one_line(_longest(row), 300)}"
        pairs = [("", words, None) if kind == "drop" else ("", None, words)]
    for name, old, new in pairs:
        field = f"{one_line(name, 40)}: " if name else ""
        if old is not None or kind in ("relabel", "edit"):
            screen.line(screen.text(f"  - {field}{one_line(old, 400)}", STYLES["worse"]))
        if new is not None or kind in ("relabel", "edit"):
            screen.line(screen.text(f"  + {field}{one_line(new, 400)}", STYLES["better"]))


def _edited(before: Json, after: Json) -> list[tuple[str, object, object]]:
    """The fields that differ, and the label if it does."""
    old, new = mapping(before.get("fields")), mapping(after.get("fields"))
    names = [*old, *(n for n in new if n not in old)]
    pairs = [(n, old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n)]
    if before.get("label") != after.get("label"):
        pairs.append(("label", before.get("label"), after.get("label")))
    return pairs


def _longest(row: Json) -> str:
    """The text that says most about a row: its longest field."""
    texts = [str(v) for v in mapping(row.get("fields")).values() if v is not None]
    return max(texts, key=len, default="")
