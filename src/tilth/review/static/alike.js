// After five equal decisions in a row on rows alike: the others like them, as a set that is looked at first.
import { api, at, visible } from "./common.js";

const EQUAL = 5;
let offered = "";

/** @param {any[]} past newest last */
export async function draw(past) {
  const last = past.slice(-EQUAL);
  const same = last.length === EQUAL && last.every((p) => !p.undone && !p.taken && p.verdict !== "skip" && kind(p) === kind(last[0]));
  const now = same ? kind(last[0]) : "";
  if (now === offered) return;
  offered = now;
  at("alike").hidden = true;
  if (!same) return;
  const { card, verdict, label } = last[0];
  const query = new URLSearchParams({ given: card.given, suggested: card.suggested, undecided: "1" });
  const found = await api(`/sets/rows?count=1&${query}`).catch(() => null);
  if (!found || found.count < 2 || now !== offered) return;
  const what = verdict + (label ? ` → ${label}` : "");
  at("alike").replaceChildren(visible(`Five times ${what}. `), link(`/decide/set?${query}`, `${found.count} more rows like these`), visible(` (labelled ${card.given}, suggested ${card.suggested}): look at them together.`));
  at("alike").hidden = false;
}

/** What two decisions must have in common to be alike. */
function kind(p) {
  return p.card?.given && p.card?.suggested ? JSON.stringify([p.verdict, p.label, p.card.given, p.card.suggested]) : "";
}

function link(href, words) {
  const made = document.createElement("a");
  made.href = href;
  made.textContent = words;
  return made;
}
