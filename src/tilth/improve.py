"""The loop without a person: audit, propose, try, accept what a trial calls better; report the rest.

Decisions are taken on held-out training rows (tilth.trial.decide), so that every evaluation row is left
to report. All proposals share the 5 % of a wrong "better": half of it goes to relabelling, where most
gains are, the rest to the others in equal parts (weighted Bonferroni); once a procedure was better its
share serves its next round (a fixed sequence). Each step is recorded when it is done: an interrupted run
continues, a finished one is not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from tilth.audit.base import Finding
from tilth.data import Snapshot, Version
from tilth.errors import HeadMoved, ProjectBusy, TrialError
from tilth.ledger import ledger
from tilth.patch import Patch, from_rows
from tilth.plan import plan
from tilth.signals import Progress
from tilth.trial.decide import Bench
from tilth.trial.floors import check_floors
from tilth.trial.gains import forecast
from tilth.trial.measure import Outcome
from tilth.trial.propose import ALTERNATIVES, BY_PEOPLE, PROCEDURES, Procedure, follow
from tilth.trial.record import Trial, classes_of, slice_effects, slices_of
from tilth.trials import measure_versions, reporting_rows, scorable
from tilth.workspace import TRAIN, Workspace

__all__ = ["improve", "propose"]

ROUNDS = 4
FIRST = PROCEDURES[0].name
EXAMPLES = 8
BUSY = (
    "another process changed the training rows while this one was at work. Nothing is lost: run the same "
    "command again, it goes on from the present rows"
)


def level_of(p: Procedure) -> float:
    """Confidence level at which a procedure is judged."""
    return 1 - (0.025 if p.name == FIRST else 0.025 / (len(PROCEDURES) - 1))


def propose(ws: Workspace, progress: Progress | None = None) -> list[tuple[Procedure, Patch, float]]:
    """Patches out of the findings on the head, the largest predicted gain first; saved as proposed."""
    audit = ws.audit(progress)
    view, head = ws.view(progress), ws.head(TRAIN)
    rows = ws.snapshot(head)
    response, out = ws.response(progress), []
    for p in (*PROCEDURES, *BY_PEOPLE, *(follow(code, about) for code, about in audit.plugins.items())):
        ops = p.ops(audit.findings, rows)
        if not ops:
            continue
        patch = Patch(
            dataset=TRAIN,
            base=head.id,
            ops=ops,
            title=p.title.format(n=len(ops)),
            reason=p.why,
            author="tilth",
            origin=f"propose:{p.name}",
            created=ws.clock(),
        )
        gain = forecast(response, view, ops).value
        meta = {"predicted": gain, "minutes": ws.config.minutes.of(patch.counts())}
        ws.store.save_patch(patch, meta=meta, now=ws.clock())
        out.append((p, patch, gain))
    return sorted(out, key=lambda item: -item[2])


def improve(ws: Workspace, progress: Progress | None = None) -> dict[str, Any]:
    """Run the loop on the head of train; returns what the report shows.

    Returns
    -------
    A JSON object: before, after, gain, patches, worklist, version, eval_version, recipe, seconds ...
    """
    done = ws.store.record("result", _result_key(ws, ws.head(TRAIN).id))
    if done is not None:
        return done
    began = time.process_time()
    run = _Run(ws, progress)
    run.rounds()
    result = run.result(time.process_time() - began)
    ws.store.put_record("result", _result_key(ws, result["version"]), result, now=ws.clock())
    # after the result: killed in between, a run without a result is continued, not begun anew
    run.save(complete=True)
    return result


def _result_key(ws: Workspace, version: str) -> str:
    """The worklist is ranked by costs and goal and lists what is in doubt: other ones make another result."""
    settings = (ws.config.minutes, ws.config.money, ws.config.goal)
    return ws.key("result", version, ws.eval_id(), ws.gates(), *settings, *ws.heard())


class _Run:
    """One run of the loop, resumed from the steps that are on record."""

    def __init__(self, ws: Workspace, progress: Progress | None) -> None:
        self.ws, self.progress = ws, progress
        self.head = ws.head(TRAIN)
        self.start, self.body = self._unfinished() or (self.head, {"steps": []})
        self.rows = ws.snapshot(self.start)
        self._bench: Bench | None = None
        self._replayed = 0

    def _unfinished(self) -> tuple[Version, dict[str, Any]] | None:
        """Start and body of a run that was interrupted and led to the present head."""
        for record in reversed(self.ws.store.records("run")):
            mine = record["key"] == self.ws.key("run", record["start"], self.ws.eval_id(), self.ws.gates())
            # killed between the commit and the note of it: the head is the pending patch's version
            pending = [step["patch"] for step in record.get("pending", [])]
            at_head = record["head"] == self.head.id or self.head.patch in pending
            if mine and at_head and not record["complete"]:
                return self.ws.store.version(record["start"], TRAIN), record
        return None

    def save(self, complete: bool = False) -> None:
        """Note how far the run is.

        Raises
        ------
        ProjectBusy : somebody else changed train; this run would not know what it measured.
        """
        if self.ws.head(TRAIN).id != self.head.id:
            raise ProjectBusy(BUSY)
        key = self.ws.key("run", self.start.id, self.ws.eval_id(), self.ws.gates())
        self.body |= {"key": key, "start": self.start.id, "head": self.head.id, "complete": complete}
        self.ws.store.put_record("run", key, self.body, now=self.ws.clock())

    def bench(self) -> Bench:
        """The judge, brought to the state after the accepted steps."""
        if self._bench is None:
            _, features = self.ws.recipe.learn(self.rows.texts(self.ws.config.columns.text))
            from tilth.copies import find_copies

            clusters = find_copies(self.rows.texts(self.ws.config.columns.text)).clusters()
            self._bench = Bench(
                self.ws.recipe,
                self.rows,
                self.ws.evaluation(),
                self.ws.config.columns.text,
                features=features,
                clusters=clusters,
            )
        accepted = [s["procedure"] for s in self.body["steps"] if s["state"] == "accepted"]
        for name in accepted[self._replayed :]:
            self._bench.accept(next(p for p in PROCEDURES if p.name == name))
        self._replayed = len(accepted)
        return self._bench

    def rounds(self) -> None:
        """Try proposals in order of predicted gain until nothing more is better."""
        self._recover()
        # counted by what was accepted, so that a continued run does not try for longer
        while sum(s["state"] == "accepted" for s in self.body["steps"]) < ROUNDS and self._round():
            pass

    def _recover(self) -> None:
        """A step that was committed but not noted (killed in between) is noted now."""
        known = {s["patch"] for s in self.body["steps"]}
        for step in self.body.get("pending", []):
            if step["patch"] not in known and self.ws.store.patch_info(step["patch"]).state == "accepted":
                self.body["steps"].append(step | {"state": "accepted"})
        self.body["pending"] = []

    def _round(self) -> bool:
        """One pass over the proposals; True when one was accepted."""
        tried = {s["procedure"] for s in self.body["steps"] if s["state"] != "accepted"}
        tried |= set(self.body.get("unmeasured", {}))
        taken = {s["procedure"] for s in self.body["steps"] if s["state"] == "accepted"}
        once = set(ALTERNATIVES) & taken
        for p, patch, predicted in propose(self.ws, self.progress):
            other = p.name in ALTERNATIVES and once and p.name not in once
            if p not in PROCEDURES or p.name in tried or other or self._put_aside(patch):
                continue
            try:
                trial = self._trial(p, patch, predicted)
            except TrialError as error:
                # too few rows, say: no evidence either way, and the others may still be measured
                self.body.setdefault("unmeasured", {})[p.name] = str(error)
                continue
            better = trial.verdict == "better" and not trial.regressions and not trial.broken
            step = {"procedure": p.name, "patch": patch.id, "trial": trial.to_json()}
            meta = {"predicted": predicted, "minutes": trial.minutes, "judge": trial.judge}
            self.ws.store.put_record(
                "trial", f"{patch.id}:{trial.judge}", trial.to_json(), subject=patch.id, now=self.ws.clock()
            )
            if better:
                self.body["pending"] = [step]
                self.save()
                self._commit(patch, meta)
                self.body["pending"] = []
            self.body["steps"].append(step | {"state": "accepted" if better else "proposed"})
            self.save()
            if better:
                return True
        return False

    def _commit(self, patch: Patch, meta: dict[str, Any]) -> None:
        self.ws.store.save_patch(patch, meta=meta, now=self.ws.clock())
        try:
            self.head = self.ws.store.commit(patch, note=patch.title, now=self.ws.clock())
        except HeadMoved:
            raise ProjectBusy(BUSY) from None

    def _put_aside(self, patch: Patch) -> bool:
        """A person rejected or reverted this very patch: what was decided is not decided again."""
        return self.ws.store.patch_info(patch.id).state in ("rejected", "reverted")

    def _trial(self, p: Procedure, patch: Patch, predicted: float) -> Trial:
        """Judge the procedure on held-out training rows."""
        began = time.process_time()
        bench = self.bench()
        metric = self.ws.config.goal.metric
        outcome = bench.judge(p, metric=metric, level=level_of(p), progress=self.progress)
        columns = self.ws.config.columns
        rows = bench.held()
        named = self.ws.named_slices(rows)
        held = slices_of(rows, columns.label, (columns.text, columns.id), named)
        counts = patch.counts()
        return Trial(
            patch=patch.id,
            title=patch.title,
            base=patch.base,
            recipe=self.ws.recipe.name,
            metric=metric,
            judged_on=f"{bench.judges} training rows, each held out of the audit and the arms that it judges",
            judge=f"held-out:{self.start.id}",
            ops=counts,
            effect=outcome.effect(level=level_of(p)),
            before=outcome.score("before"),
            after=outcome.score("after"),
            slices=slice_effects(outcome, held),
            floors=check_floors(outcome, self.ws.config.floors, classes_of(rows, columns.label), named),
            gates=self.ws.gates(),
            seconds=time.process_time() - began,
            predicted=predicted,
            minutes=self.ws.config.minutes.of(counts),
        )

    def result(self, seconds: float) -> dict[str, Any]:
        """Everything that the report shows, as a JSON object."""
        ws = self.ws
        head, rows = ws.head(TRAIN), ws.snapshot(ws.head(TRAIN))
        findings = ws.audit(self.progress, self_test=True)
        body: dict[str, Any] = {
            "project": ws.config.name,
            "recipe": ws.recipe.name,
            "metric": ws.config.goal.metric,
            "version": head.id,
            "start_version": self.start.id,
            "eval_version": ws.eval_id(),
            "created": ws.clock(),
            "complete": True,
            "gates": ws.gates(),
            "columns": asdict(ws.config.columns),
        }
        body |= self._scores(rows)
        first = ws.store.record("audit", ws.audit_key(self.start.id))
        audit = first if first is not None else findings.to_json()
        counts = _counts(audit)
        body["audit"] = {
            "counts": counts,
            "failed": dict(audit["failed"]),
            "plugins": dict(audit.get("plugins", {})),
            "estimated_noise": audit.get("noise", audit.get("estimated_noise")),
            "out_of_sample_accuracy": audit.get("accuracy", audit.get("out_of_sample_accuracy")),
            "rows": audit["rows"],
            "trust": dict(audit.get("trust", {})),
            "self_test": dict(findings.self_test),
        }
        body["unmeasured"] = self.body.get("unmeasured", {})
        body["patches"] = [self._patch_json(s) for s in self.body["steps"]]
        body["worklist"] = plan(ws, self.progress).to_json()["actions"]
        body["ledger"] = ledger(ws).totals()
        body["history"] = [
            {k: getattr(v, k) for k in ("seq", "id", "rows", "created", "note", "patch")}
            for v in ws.store.versions(TRAIN)
        ]
        body["seconds"] = seconds
        return body

    def _scores(self, rows: Snapshot) -> dict[str, Any]:
        """Before and after on evaluation rows that decided nothing."""
        ws = self.ws
        evaluation = ws.evaluation()
        usable, leaks, unknown = scorable(ws.view(), evaluation)
        free, words = reporting_rows(ws, evaluation)
        test = evaluation.take(np.flatnonzero(usable & free).tolist())
        counts = {
            "train_start": len(self.rows),
            "train": len(rows),
            "eval": len(evaluation),
            "eval_scored": len(test),
            "eval_leaked": leaks,
            "eval_unknown": unknown,
        }
        out: dict[str, Any] = {
            "rows": counts,
            "reported_on": words,
            "slices": [],
            "classes": [],
            "floors": [],
        }
        if len(test) < 10:
            return out | {"before": None, "after": None, "gain": None}
        change = from_rows(self.rows, rows.rows(), dataset=TRAIN, base_id=self.start.id)
        outcome = measure_versions(ws, self.rows, change, test, progress=self.progress)
        effect = outcome.effect()
        metric = ws.config.goal.metric
        columns = ws.config.columns
        named = ws.named_slices(test)
        masks = slices_of(test, columns.label, (columns.text, columns.id), named)
        floors = check_floors(outcome, ws.config.floors, classes_of(test, columns.label), named)
        return out | {
            "before": {"metric": metric} | asdict(outcome.score("before")),
            "after": {"metric": metric} | asdict(outcome.score("after")),
            "gain": asdict(effect) | {"verdict": effect.verdict},
            "slices": [asdict(s) for s in slice_effects(outcome, masks)] if change.ops else [],
            "classes": _classes(self.rows, rows, test, outcome),
            "floors": [asdict(f) for f in floors],
        }

    def _patch_json(self, step: dict[str, Any]) -> dict[str, Any]:
        trial = Trial.from_json(step["trial"])
        info, patch = self.ws.store.patch_info(step["patch"]), self.ws.store.patch(step["patch"])
        text = self.ws.config.columns.text
        return {
            "id": patch.id,
            "title": patch.title,
            "origin": patch.origin,
            "ops": dict(trial.ops),
            "minutes": trial.minutes,
            "predicted": trial.predicted,
            "gain": trial.effect.value,
            "low": trial.effect.low,
            "high": trial.effect.high,
            "level": trial.effect.level,
            "verdict": trial.verdict,
            "state": info.state,
            "reason": patch.reason,
            "judged_on": trial.judged_on,
            "detectable": trial.effect.detectable,
            "seconds": trial.seconds,
            "slices": [asdict(s) for s in trial.slices],
            "examples": _examples(patch, text),
        }


def _counts(audit: dict[str, Any]) -> dict[str, int]:
    from tilth.audit.run import Audit

    if "counts" in audit:
        return dict(audit["counts"])
    findings = [Finding.from_json(f) for f in audit["findings"]]
    return Audit(**{**audit, "findings": findings}).counts()


def _examples(patch: Patch, text: str) -> list[dict[str, Any]]:
    out = []
    for op in patch.ops[:EXAMPLES]:
        row = op.before or op.after
        assert row is not None
        out.append(
            {
                "id": op.row_id,
                "text": str(row.fields.get(text, ""))[:300],
                "op": op.kind,
                "from": op.before.label if op.before else None,
                "to": op.after.label if op.after else None,
                "why": op.why,
            }
        )
    return out


def _classes(start: Snapshot, rows: Snapshot, test: Snapshot, outcome: Outcome) -> Sequence[dict[str, Any]]:
    """Rows and recall of each class before and after."""
    labels = np.array(test.labels, dtype=object)
    smooth = outcome.metric == "log_loss"
    out = []
    for name in sorted({x for x in [*start.labels, *test.labels] if x is not None}):
        mask = np.asarray(labels == name, dtype=bool)
        shown = mask.any() and not smooth
        out.append(
            {
                "name": name,
                "rows_start": sum(x == name for x in start.labels),
                "rows": sum(x == name for x in rows.labels),
                "eval_rows": int(mask.sum()),
                "recall_before": float(outcome.before[mask].mean()) if shown else None,
                "recall_after": float(outcome.after[mask].mean()) if shown else None,
            }
        )
    return out
