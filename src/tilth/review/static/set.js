// A grid of cards: select some or none, look at what one decision would do, take it once, undo it as one.
import { api, at, el, forPage, newKey, reviewer, say, visible } from "./common.js";
import { Chooser } from "./dialogs.js";

const grid = at("grid");
/** @type {HTMLElement[]} */
const cards = grid ? [...grid.children] : [];
const about = at("count")?.dataset ?? {};
const all = Number(about.count ?? 0);
const number = (x) => Math.round(x).toLocaleString("en");
let here = 0, from = 0;

function trouble(words) {
  at("trouble").textContent = visible(words);
  at("trouble").hidden = !words;
}

// selection

const chosen = () => cards.filter((c) => c.getAttribute("aria-selected") === "true");

function select(card, on) {
  card.setAttribute("aria-selected", String(on));
}

function drawChosen() {
  const n = chosen().length;
  at("chosen").textContent = n
    ? `${number(n)} card${n === 1 ? " is" : "s are"} selected: a decision is about ${n === 1 ? "this row" : "these"} alone, not about all ${number(all)}.`
    : `No card is selected: a decision is about all ${number(all)} rows.`;
}

function go(to, extend) {
  here = Math.max(0, Math.min(cards.length - 1, to));
  cards.forEach((c, i) => c.classList.toggle("here", i === here));
  grid.setAttribute("aria-activedescendant", cards[here].id);
  if (extend) cards.forEach((c, i) => select(c, i >= Math.min(from, here) && i <= Math.max(from, here)));
  else from = here;
  cards[here].scrollIntoView({ block: "nearest" });
  drawChosen();
}

/** Cards side by side. */
function columns() {
  const top = cards[0].offsetTop;
  const next = cards.findIndex((c) => c.offsetTop !== top);
  return next < 0 ? cards.length : next;
}

function move(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns() }[event.key];
  if (step !== undefined) go(here + step, event.shiftKey);
  else if (event.key === "Home") go(0, event.shiftKey);
  else if (event.key === "End") go(cards.length - 1, event.shiftKey);
  else if (event.key === " ") { select(cards[here], cards[here].getAttribute("aria-selected") !== "true"); from = here; drawChosen(); }
  else if (event.key === "Enter") location.href = `/decide?row=${encodeURIComponent(cards[here].dataset.id)}`;
  else return;
  event.preventDefault();
}

function selectPage() {
  const on = chosen().length < cards.length;
  cards.forEach((c) => select(c, on));
  drawChosen();
}

if (grid) {
  grid.addEventListener("keydown", move);
  grid.addEventListener("focus", () => go(here, false));
  cards.forEach((card, i) => card.addEventListener("click", (event) => {
    grid.focus();
    if (event.shiftKey) go(i, true);
    else { go(i, false); select(card, card.getAttribute("aria-selected") !== "true"); drawChosen(); }
  }));
}

// one decision

/** @type {any} */
let wanted = null;

/** What the server is asked: the whole set, or the cards that are selected. */
function body(decision, label) {
  const ids = chosen().map((c) => c.dataset.id);
  const which = ids.length ? { ids } : { where: about.where, set: about.set };
  return { ...which, decision, label: label ?? null, again: at("again").checked, reviewer: reviewer.get() || "?", key: "look" };
}

async function ask(decision, label) {
  at("again").checked = false;
  at("name").value = reviewer.get();
  at("remark").value = "";
  wanted = { decision, label };
  if (await look()) {
    at("ask").showModal();
    (reviewer.get() ? at("no") : at("name")).focus();
  }
}

async function look() {
  try {
    const asked = body(wanted.decision, wanted.label);
    const found = await api("/sets/look", asked);
    wanted = { ...wanted, asked, digest: found.digest, key: newKey() };
    const what = wanted.decision + (wanted.label ? ` to ${wanted.label}` : "");
    at("ask-head").textContent = visible(`${what}: ${number(found.takes)} row${found.takes === 1 ? "" : "s"}`);
    const parts = [];
    if (wanted.decision === "relabel" || wanted.decision === "drop") parts.push(`${number(found.changes)} would change`);
    if (found.mistaken !== null) parts.push(`about ${number(found.mistaken)} of these verdicts would be wrong, as far as is known now`);
    const labels = Object.entries(found.given);
    if (labels.length > 1) parts.push(`given labels differ: ${labels.slice(0, 4).map(([k, n]) => `${k} ${number(n)}`).join(", ")}${labels.length > 4 ? " …" : ""}`);
    at("ask-words").textContent = visible(parts.join("; ") + (parts.length ? "." : ""));
    at("ask-rows").replaceChildren(...found.sample.slice(0, 6).map((s) => {
      const item = el("li", s.text);
      item.append(el("span", ` ${s.given ?? "no label"}`, "muted"));
      return item;
    }));
    const have = Object.values(found.verdicts).reduce((a, b) => a + b, 0);
    at("again-box").hidden = !have;
    at("again-words").textContent = `also the ${number(have)} row${have === 1 ? "" : "s"} that ${have === 1 ? "has" : "have"} a verdict already`;
    at("yes").disabled = !found.takes;
    trouble("");
    return true;
  } catch (error) {
    trouble(error.message);
    return false;
  }
}

/** Sent again after a failure it has the same key, so it is taken once. */
async function yes() {
  const name = at("name").value.trim();
  if (!name) { at("name").focus(); return; }
  if (at("yes").disabled) return;
  reviewer.set(name);
  at("yes").disabled = true;
  try {
    const { asked, key, digest } = wanted;
    const done = await api("/sets/decide", { ...asked, key, expected: digest, reviewer: name, note: at("remark").value.trim() });
    sessionStorage.setItem("tilth:told", `${done.decision}${done.label ? " " + done.label : ""}: ${done.count} rows`);
    location.reload();
  } catch (error) {
    at("ask-words").textContent = visible(error.message);
    at("yes").disabled = false;
  }
}

async function undo(key) {
  try {
    const name = reviewer.get() || "person";
    const done = await api(`/sets/decided/${encodeURIComponent(key)}/undo`, { reviewer: name });
    sessionStorage.setItem("tilth:told", `undone: ${done.back} rows`);
    location.reload();
  } catch (error) {
    trouble(error.message);
  }
}

const classes = [...document.querySelectorAll("#all-classes option")].map((o) => /** @type {HTMLOptionElement} */ (o).value);
const chooser = new Chooser(() => classes, (label) => ask("relabel", label));
const newest = () => /** @type {HTMLElement | null} */ (document.querySelector("[data-undo]"))?.dataset.undo;
const ACTS = {
  keep: () => ask("keep"), drop: () => ask("drop"), ambiguous: () => ask("ambiguous"),
  choose: () => chooser.open(), all: selectPage,
};
const KEYS = { k: "keep", x: "drop", b: "ambiguous", c: "choose", "*": "all" };

document.addEventListener("keydown", (event) => {
  if (at("ask").open && event.key === "y" && !/** @type {HTMLElement} */ (event.target).closest("input:not([type=checkbox])")) {
    event.preventDefault();
    yes();
    return;
  }
  if (!forPage(event) || event.defaultPrevented) return;
  const number = document.querySelectorAll(".dock .to")[Number(event.key) - 1];
  if (event.key === "u" && newest()) undo(newest());
  else if (event.key === "[") at("before")?.click();
  else if (event.key === "]") at("after")?.click();
  else if (event.key === "/") /** @type {any} */ (document.querySelector("#filter input"))?.focus();
  else if (!all) return;
  else if (/^[1-9]$/.test(event.key) && number) /** @type {HTMLElement} */ (number).click();
  else if (KEYS[event.key]) ACTS[KEYS[event.key]]();
  else if (/^Arrow/.test(event.key) && document.activeElement !== grid) { grid.focus(); }
  else return;
  event.preventDefault();
});
document.querySelectorAll("[data-act]").forEach((b) => b.addEventListener("click", () => {
  const { act, label } = /** @type {HTMLElement} */ (b).dataset;
  if (act === "relabel") ask("relabel", label);
  else ACTS[act ?? ""]();
}));
document.querySelectorAll("[data-undo]").forEach((b) => b.addEventListener("click", () => undo(/** @type {HTMLElement} */ (b).dataset.undo)));
at("yes").addEventListener("click", yes);
at("again").addEventListener("change", look);
// fields that ask nothing do not stand in the address
at("filter").addEventListener("submit", () => {
  for (const field of at("filter").elements) if (field.name && !field.value) field.disabled = true;
});
const told = sessionStorage.getItem("tilth:told");
if (told) { sessionStorage.removeItem("tilth:told"); say(told); }
document.documentElement.dataset.ready = "1";
