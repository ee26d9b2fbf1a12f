"""Is P(wrong) a probability? Calibration, the number of errors left and false-discovery rates, with a peer.

    python benchmarks/calibration.py --signals FILE.npz   signals of every setting (minutes), kept in a file;
                                                          with --all also all 77 classes of BANKING77
    python benchmarks/calibration.py --prior FILE.npz     what the priors in tilth.calibration are made of
    python benchmarks/calibration.py FILE.npz             scripted reviewers: before, and after 100 verdicts

A setting is a data set, a kind of noise and a rate, its errors planted and therefore known. Priors are
taken from the *other* data sets (all settings of the data set at hand left out). The peer is cleanlab on
the out-of-sample probabilities of the same head: 1 - label quality as a probability, and its number of
label issues. Real features: BANKING77 and CLINC150 as text-linear.v1, scikit-learn's digits, wine and
breast cancer, PneumoniaMNIST, and UCI tables (phoneme, mammography, diabetes, churn).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import DATA, banking77, clinc150, clock, save

import numpy as np

RATES = (0.05, 0.1, 0.2, 0.4)
KINDS = ("symmetric", "confusable", "class-conditional", "feature-dependent")
ROWS = 1_500


def _text(texts: list[str], labels: list[str], classes: int, seed: int) -> tuple[Any, np.ndarray, float]:
    from tilth.recipes.text import TextLinear

    rng = np.random.default_rng(seed)
    names = sorted(set(labels))
    kept = set(rng.permutation(names)[:classes].tolist())
    pool = rng.permutation([i for i, c in enumerate(labels) if c in kept])[:ROWS]
    recipe = TextLinear()
    _, x = recipe.learn([texts[i] for i in pool])
    return x, np.unique([labels[i] for i in pool], return_inverse=True)[1], recipe.penalty


def _table(x: np.ndarray, y: np.ndarray) -> tuple[Any, np.ndarray, float]:
    """Standardised columns and their random Fourier features."""
    rng = np.random.default_rng(0)
    pick = rng.permutation(len(y))[:ROWS]
    x = np.asarray(x[pick], dtype=np.float64)
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
    w = rng.normal(size=(x.shape[1], 200)) / np.sqrt(x.shape[1])
    z = np.hstack([x, np.cos(x @ w + rng.uniform(0, 2 * np.pi, 200))]).astype(np.float32)
    return z, np.unique(y[pick], return_inverse=True)[1], 3.0


def _csv(name: str) -> tuple[np.ndarray, np.ndarray]:
    lines = (DATA / "tabular_uci" / f"{name}.csv").read_text("utf-8").splitlines()
    cells = np.array([line.split(",") for line in lines if line.strip()])
    return cells[:, :-1].astype(float), cells[:, -1]


def data_sets() -> Iterator[tuple[str, Any, np.ndarray, float]]:
    """Name, features, true class numbers, penalty of the head."""
    from sklearn.datasets import load_breast_cancer, load_digits, load_wine

    texts, labels, *_ = banking77()
    yield "banking77-20", *_text(texts, labels, 20, 1)
    if "--all" in sys.argv:
        yield "banking77", *_text(texts, labels, 77, 0)
    texts, labels, *_ = clinc150()
    yield "clinc150-25", *_text(texts, labels, 25, 0)
    for load in (load_digits, load_wine, load_breast_cancer):
        body = load()
        yield load.__name__[5:], *_table(body.data, body.target)
    for name in ("phoneme", "mammography", "pima-indians-diabetes"):
        yield name, *_table(*_csv(name))
    body = np.load(DATA / "pneumoniamnist" / "pneumoniamnist.npz")
    pictures, y = body["train_images"].reshape(len(body["train_labels"]), -1), body["train_labels"].ravel()
    some = np.random.default_rng(0).permutation(len(y))[:ROWS]
    centred = pictures[some] / 255.0 - pictures[some].mean(axis=0) / 255.0
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    yield "pneumoniamnist", *_table(u[:, :50] * s[:50], y[some])


def logits(x: Any, y: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    from tilth.signals import group_folds, out_of_sample

    fold = group_folds(y, np.arange(len(y)), 5)
    return out_of_sample(x, y, int(y.max()) + 1, penalty, fold=fold), fold


def noisy(y: np.ndarray, clean: np.ndarray, rate: float, kind: str, seed: int) -> np.ndarray:
    """Labels with errors; `clean` are out-of-sample logits on the true labels."""
    rng, k, n = np.random.default_rng(seed), clean.shape[1], len(y)
    at = np.arange(n)
    others = clean.copy()
    others[at, y] = -np.inf
    out = y.copy()
    if kind == "symmetric":
        to = (y + rng.integers(1, k, n)) % k
        chance = np.full(n, rate)
    elif kind == "confusable":
        pair = np.array([np.bincount(others[y == c].argmax(axis=1), minlength=k).argmax() for c in range(k)])
        to, chance = pair[y], np.full(n, rate)
    elif kind == "class-conditional":
        matrix = rng.dirichlet(np.full(k, 0.3), k) + 1e-9
        matrix[np.arange(k), np.arange(k)] = 0
        matrix /= matrix.sum(axis=1, keepdims=True)
        to = np.array([rng.choice(k, p=matrix[c]) for c in y])
        chance = np.clip(rate * rng.gamma(2.0, 0.5, k), 0, 0.6)[y]
    else:  # the nearer to another class, the likelier
        margin = clean[at, y] - others.max(axis=1)
        order = np.argsort(np.argsort(margin)) / n
        to, chance = others.argmax(axis=1), np.clip(2 * rate * (1 - order), 0, 0.9)
    flip = rng.random(n) < chance
    out[flip] = to[flip]
    return out


def peer(p: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, float]:
    """1 - label quality, and the number of label issues; empty where cleanlab is not installed."""
    try:
        from cleanlab.count import num_label_issues
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        return np.empty(0), float("nan")
    p = p.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    return 1 - get_label_quality_scores(given, p), float(num_label_issues(given, p))


def make_signals(path: Path) -> None:
    """Signals of every setting, also of a copy with planted errors."""
    from tilth.audit.selftest import wrong_labels
    from tilth.signals import judge
    from tilth.stats import softmax

    out: dict[str, np.ndarray] = {}
    names = []
    for name, x, y, penalty in data_sets():
        clean, _ = logits(x, y, penalty)
        for kind in KINDS:
            for rate in RATES:
                given = noisy(y, clean, rate, kind, len(names))
                if len(np.unique(given)) <= y.max():
                    continue
                with clock() as used:
                    z, fold = logits(x, given, penalty)
                    classes = tuple(f"{c:03d}" for c in range(z.shape[1]))
                    raw = softmax(z.copy())
                    s = judge(classes, given, z, fold)
                    to = s.suggestion()
                    quiet = np.random.default_rng(0).permutation(np.flatnonzero(s.p_wrong() < 0.5))
                    planted = wrong_labels(s, quiet[len(quiet) // 2 :], len(quiet), np.random.default_rng(1))
                    copy = given.copy()
                    copy[list(planted)] = [classes.index(c) for c in planted.values()]
                    kept = np.flatnonzero(s.p_wrong() < 0.5)
                    copied, again = np.zeros(len(y), dtype=np.float32), copy[kept]
                    if len(np.unique(again)) > y.max():
                        z2, fold2 = logits(x[kept], again, penalty)
                        copied[kept] = judge(classes, again, z2, fold2).p_wrong()
                other, count = peer(raw, given)
                key = f"{name}|{kind}|{rate}"
                out |= {
                    f"{key}|claimed": s.p_wrong(), f"{key}|fits": s.posterior[np.arange(len(y)), to],
                    f"{key}|wrong": given != y, f"{key}|right": to == y,
                    f"{key}|copy": copied, f"{key}|kept": np.isin(np.arange(len(y)), kept), f"{key}|planted": np.isin(np.arange(len(y)), list(planted)),
                    f"{key}|peer": other, f"{key}|peer_count": np.array(count),
                }  # fmt: skip
                names.append(key)
                print(key, used, flush=True)
    np.savez_compressed(path, names=np.array(names), **out)


def fits(body: Any, key: str) -> dict[str, Any]:
    """The curve that is right for a setting, and what a planted copy would have said."""
    from tilth.calibration import BINS, EDGES, expit, logit, platt

    found: dict[str, Any] = {}
    for what, score, truth in (("wrong", "claimed", "wrong"), ("right", "fits", "right")):
        p, e = body[f"{key}|{score}"], body[f"{key}|{truth}"].astype(float)
        a, b = platt(p, e, np.ones(len(p)))
        x = logit(p)
        q = expit(a + b * x)
        bin_of = np.searchsorted(EDGES, x)
        # offset of a bin to first order, and its sampling variance
        gap = np.bincount(bin_of, e - q, BINS)
        room = np.bincount(bin_of, q * (1 - q), BINS)
        good = room > 2
        found[what] = {
            "a": a,
            "b": b,
            "offsets": (gap[good] / room[good]).tolist(),
            "noise": (1 / room[good]).tolist(),
        }
    kept = body[f"{key}|kept"]
    planted = body[f"{key}|planted"].astype(float)
    weight = np.where(planted > 0, 1.0, 1.0 - body[f"{key}|claimed"])
    found["copy"] = platt(body[f"{key}|copy"][kept], planted[kept], weight[kept])
    return found


def prior_of(found: dict[str, Any], keys: list[str], what: str) -> Any:
    """Mean and covariance over settings, and the spread of the offsets."""
    from tilth.calibration import Prior

    ab = np.array([[found[k][what]["a"], found[k][what]["b"]] for k in keys])
    square = np.concatenate([np.square(found[k][what]["offsets"]) for k in keys])
    noise = np.concatenate([found[k][what]["noise"] for k in keys])
    weight = 1 / (noise + 0.2) ** 2
    spread = float(np.sqrt(max((weight * (square - noise)).sum() / weight.sum(), 0.01)))
    cov = np.cov(ab.T)
    return Prior(tuple(ab.mean(axis=0).tolist()), tuple(map(tuple, cov.tolist())), spread, len(keys))


def show_prior(path: Path) -> None:
    """Numbers for tilth.calibration, and what a planted copy adds."""
    body = np.load(path)
    keys = body["names"].tolist()
    found = {k: fits(body, k) for k in keys}
    out: dict[str, Any] = {"settings": len(keys)}
    for what in ("wrong", "right"):
        p = prior_of(found, keys, what)
        out[what] = {"mean": p.mean, "covariance": p.covariance, "spread": p.spread}
        print(what, p)
    ab = np.array([[found[k]["wrong"]["a"], found[k]["wrong"]["b"]] for k in keys])
    copy = np.array([found[k]["copy"] for k in keys])
    rest = []
    for j, name in enumerate("ab"):
        r = float(np.corrcoef(ab[:, j], copy[:, j])[0, 1])
        design = np.stack([np.ones(len(keys)), copy[:, 0], copy[:, 1]], axis=1)
        coef, *_ = np.linalg.lstsq(design, ab[:, j], rcond=None)
        left = float(np.std(ab[:, j] - design @ coef))
        rest.append(ab[:, j] - design @ coef)
        out[f"copy_{name}"] = {
            "correlation": r,
            "coefficients": coef.tolist(),
            "sd": float(ab[:, j].std()),
            "sd_left": left,
        }
        print(name, out[f"copy_{name}"])
    out["left"] = np.cov(rest).tolist()
    print("left", out["left"])
    save("calibration-prior", out)


def review(body: Any, key: str, priors: tuple[Any, Any], verdicts: int, seed: int) -> dict[str, float]:
    """A scripted reviewer who knows the truth judges one draw."""
    from tilth import calibration as c
    from tilth.sampling import inclusion, systematic
    from tilth.stats import expected_calibration_error as ece

    claimed, fits = body[f"{key}|claimed"].astype(float), body[f"{key}|fits"].astype(float)
    wrong, right = body[f"{key}|wrong"].astype(float), body[f"{key}|right"].astype(float)
    chance = inclusion(c.believe(priors[0], c.Judged.none())(claimed), verdicts)
    some = systematic(chance, np.argsort(claimed), np.random.default_rng(seed))[:verdicts]
    weight, left = 1 / chance[some], np.ones(len(claimed), dtype=bool)
    left[some] = False
    weight = weight / max(weight.mean(), 1e-12) if verdicts else weight
    belief = c.believe(priors[0], c.Judged(claimed[some], wrong[some], weight))
    right_belief = c.believe(priors[1], c.Judged(fits[some], right[some], weight))
    count = c.total(belief, claimed[left], known=float(wrong[some].sum()))
    p, truth = belief(claimed), wrong.sum()
    out = {
        "ece": ece(p, wrong), "brier": float(((p - wrong) ** 2).mean()),
        "count": count.value / truth, "covers": float(count.low <= truth <= count.high),
        "width": (count.high - count.low) / truth,
    }  # fmt: skip
    if verdicts:
        out["horvitz_thompson"] = float((wrong[some] / chance[some]).sum() / truth)
        prior = c.believe(priors[0], c.Judged.none())(claimed)
        out["difference"] = float((prior.sum() + ((wrong - prior)[some] / chance[some]).sum()) / truth)
    for q in (0.05, 0.1, 0.2):
        reach = c.largest_set(right_belief, fits[left], q)
        inside = fits[left] >= reach.least
        false = 1 - right[left][inside].mean() if inside.any() else 0.0
        fixable = max(1.0, float((right[left] * wrong[left]).sum()))
        out |= {
            f"fdr_{q}": false,
            f"kept_{q}": float(false <= q),
            f"power_{q}": float(right[left][inside].sum() / fixable),
        }
    return out


def threshold(body: Any, key: str) -> dict[str, float]:
    """As claimed, before anything: calibration, count, and relabelling at P(wrong) > 0.5; and the peer."""
    from tilth.stats import expected_calibration_error as ece

    claimed, wrong, right = (body[f"{key}|{k}"].astype(float) for k in ("claimed", "wrong", "right"))
    inside = claimed > 0.5
    fixable = max(1.0, float((right * wrong).sum()))
    out = {
        "ece": ece(claimed, wrong), "brier": float(((claimed - wrong) ** 2).mean()),
        "count": float(claimed.sum() / wrong.sum()),
        "fdr_0.5": float(1 - right[inside].mean()) if inside.any() else 0.0,
        "power_0.5": float(right[inside].sum() / fixable), "base_brier": float(wrong.mean() * (1 - wrong.mean())),
    }  # fmt: skip
    if len(other := body[f"{key}|peer"]):
        out |= {
            "peer_ece": ece(np.clip(other, 0, 1), wrong), "peer_brier": float(((other - wrong) ** 2).mean()),
            "peer_count": float(body[f"{key}|peer_count"] / wrong.sum()),
        }  # fmt: skip
    return out


def evaluate(path: Path, repeats: int = 2) -> None:
    """Before any verdict, and after 100 and 300, over all settings."""
    from dataclasses import replace

    from tilth.calibration import RIGHT, WRONG

    body = np.load(path)
    body = {k: body[k] for k in body.files}
    keys = body["names"].tolist()
    found = {k: fits(body, k) for k in keys}
    # a count of a dozen errors cannot be known to 20 %
    keys = [k for k in keys if body[f"{k}|wrong"].sum() >= 20]
    lines: list[dict[str, Any]] = []
    with clock() as used:
        for key in keys:
            name, kind, rate = key.split("|")
            others = [k for k in found if k.split("|")[0].split("-")[0] != name.split("-")[0]]
            shipped = {"wrong": WRONG.spread, "right": RIGHT.spread}
            priors = tuple(replace(prior_of(found, others, w), spread=s) for w, s in shipped.items())
            about = {
                "data": name,
                "kind": kind,
                "rate": float(rate),
                "errors": int(body[f"{key}|wrong"].sum()),
            }
            lines.append(about | {"verdicts": -1} | threshold(body, key))
            lines.append(about | {"verdicts": 0} | review(body, key, priors, 0, 0))
            for n in (100, 300):
                n = min(n, len(body[f"{key}|wrong"]) // 2)
                lines += [about | {"verdicts": n} | review(body, key, priors, n, s) for s in range(repeats)]
    report(lines, used)


def report(lines: list[dict[str, Any]], used: dict[str, Any]) -> None:
    """Means over settings."""

    def mean(some: list[dict[str, Any]]) -> dict[str, Any]:
        names = [k for k in some[0] if k not in ("data", "kind", "rate", "errors", "verdicts")]
        out = {k: round(float(np.mean([s[k] for s in some])), 4) for k in names if not k.endswith("count")}
        for k in [k for k in (*names,) if k.endswith(("count", "horvitz_thompson", "difference"))]:
            off = np.abs(np.array([s[k] for s in some]) - 1)
            out |= {
                f"{k}_off_median": round(float(np.median(off)), 3),
                f"{k}_within_20": round(float((off <= 0.2).mean()), 3),
            }
            out[f"{k}_off_rms"] = round(float(np.sqrt(np.mean(off**2))), 3)
        if "ece" in names:
            out["ece_at_most_.05"] = round(float(np.mean([s["ece"] <= 0.05 for s in some])), 3)
        return out

    out: dict[str, Any] = {"settings": len({(s["data"], s["kind"], s["rate"]) for s in lines}), "used": used}
    for n in (-1, 0, 100, 300):
        some = [s for s in lines if s["verdicts"] == n]
        what = {-1: "as claimed", 0: "prior"}.get(n, f"{n} verdicts")
        out[what] = mean(some)
        print(what, json.dumps(out[what]))
    for by in ("data", "kind", "rate"):
        for value in sorted({s[by] for s in lines}):
            out[f"{by} {value}"] = {}
            for n, what in ((-1, "as claimed"), (0, "prior"), (100, "100 verdicts")):
                some = [s for s in lines if s["verdicts"] == n and s[by] == value]
                if some:
                    out[f"{by} {value}"][what] = mean(some)
            done = out[f"{by} {value}"].get("100 verdicts", {})
            print(
                by,
                value,
                {
                    k: done.get(k)
                    for k in ("ece", "count_off_median", "count_within_20", "covers", "kept_0.1", "power_0.1")
                },
            )
    save("calibration", out)


if __name__ == "__main__":
    if sys.argv[1] == "--signals":
        make_signals(Path(sys.argv[2]))
    elif sys.argv[1] == "--prior":
        show_prior(Path(sys.argv[2]))
    else:
        evaluate(Path(sys.argv[1]))
