// One row at a time. The browser owns its position: rows are fetched ahead, the next one is drawn at once,
// verdicts are written behind. A key acts on the row that is painted, or on none.
import { api, at, el, forPage, reviewer, say, visible } from "./common.js";
import { drawCard, toggleWhy } from "./card.js";
import { draw as drawAlike } from "./alike.js";
import { asked, pinned, remember } from "./address.js";
import { askName, Chooser } from "./dialogs.js";
import { drawVoices, giveBack, lease, queue } from "./leases.js";
import { Outbox } from "./outbox.js";

const AHEAD = 12, CHUNK = 12, BATCH = 20;

const state = {
  /** @type {string[]} */ rows: [],       // ids still to come, the first is the one on the screen
  /** @type {Map<string, any>} */ cards: new Map(),
  /** @type {any[]} */ past: [],          // newest last
  /** @type {string[]} */ classes: [],
  /** @type {any} */ standing: null,
  painted: "",                            // id of the row on the screen, "" for none
  note: "",
  ask: false,                             // the next verdict asks for a second opinion
  fetching: false,
  sinceRefresh: 0,
};
const settled = new Set();                // rows that were decided here, whatever the server's list still says

const outbox = new Outbox(
  (keys) => {
    for (const entry of state.past) if (keys.includes(entry.key)) entry.saved = true;
    drawPast();
    state.sinceRefresh += keys.length;
    if (state.sinceRefresh >= BATCH || !state.rows.length) refresh();
  },
  (refused) => {
    for (const r of refused) {
      const entry = state.past.find((p) => p.key === r.key);
      if (entry) entry.refused = r.message;
    }
    trouble(refused[0].message);
    drawPast();
  },
  (error) => {
    trouble(error ? `${error.message} Your verdicts are kept in this browser and will be sent.` : "");
    drawSave();
  },
);

function trouble(words) {
  at("trouble").textContent = visible(words);
  at("trouble").hidden = !words;
}

// the list of rows

/** Take rows into this window's hands; the row on the screen stays, and what was fetched ahead where it may. */
async function refresh() {
  if (!reviewer.get()) {
    drawStanding();
    return;
  }
  state.sinceRefresh = 0;
  const saved = state.past.filter((p) => p.saved);
  try {
    const found = await lease(state.rows.slice(0, AHEAD), [...settled]);
    const granted = new Set(found.rows);
    const keep = state.rows.slice(0, state.painted ? 2 : 0).filter((id, i) => !i || granted.has(id));
    const done = new Set([...settled, ...keep]);
    state.rows = [...keep, ...found.rows.filter((id) => !done.has(id))];
    state.classes = found.classes;
    state.standing = found;
    for (const entry of saved) entry.counted = true;
    drawStanding();
    await prefetch();
    if (!state.painted) draw();
    if (!found.fresh) again(1500); // the order is being computed anew
  } catch (error) {
    trouble(error.message);
    again(3000);
  }
}

let later = 0;
function again(wait) {
  clearTimeout(later);
  later = setTimeout(refresh, wait);
}

/** Once somebody said who they are: rows are handed to people. */
function begin() {
  drawStanding();
  if (!state.standing) refresh();
}

async function prefetch() {
  if (state.fetching) return;
  state.fetching = true;
  try {
    for (;;) {
      const missing = state.rows.slice(0, AHEAD).filter((id) => !state.cards.has(id)).slice(0, CHUNK);
      if (!missing.length) break;
      const query = missing.map((id) => "id=" + encodeURIComponent(id)).join("&");
      const cards = await api("/rows?" + query);
      const got = new Map(cards.map((c) => [c.id, c]));
      for (const id of missing) {
        if (got.has(id)) state.cards.set(id, got.get(id));
        else state.rows = state.rows.filter((x) => x !== id);
      }
      if (!state.painted) draw();
    }
  } finally {
    state.fetching = false;
  }
}

function ahead() {
  if (state.rows.slice(0, AHEAD).some((id) => !state.cards.has(id))) {
    prefetch().catch((error) => { trouble(error.message); setTimeout(ahead, 2000); });
  }
}

// drawing

function draw() {
  const card = state.rows.length ? state.cards.get(state.rows[0]) : undefined;
  state.painted = card ? card.id : "";
  at("desk").hidden = !card;
  drawStanding();
  if (!card) return;
  drawCard(card, choose);
  drawVoices(state.standing?.voices[card.id]);
  drawNote();
  remember(card.id);
}

const number = (x) => Math.round(x).toLocaleString("en");

function drawStanding() {
  const s = state.standing;
  if (!reviewer.get()) at("standing").textContent = "Rows are handed to people: say who you are.";
  if (!s) return;
  const left = state.rows.length < s.rows.length ? Math.max(0, s.count - (s.rows.length - state.rows.length)) : s.count;
  const box = at("standing");
  box.replaceChildren();
  const stat = (name, value, more) => {
    const part = document.createElement("span");
    part.append(el("span", name + " ", "muted"), el("strong", value, "n"));
    if (more) part.append(el("span", " " + more, "n muted"));
    box.append(part);
  };
  stat("Wrong labels left, about", number(s.errors.value), `[${number(s.errors.low)}, ${number(s.errors.high)}]${s.basis === "verdicts" ? "" : " by prior"}`);
  stat("Verdicts", number(s.judged + told()));
  stat("Rows to look at", number(left));
  const who = document.createElement("span");
  who.append(el("span", "as ", "muted"), el("strong", reviewer.get() || "nobody yet"));
  box.append(who);
  if (!state.rows.length && !state.painted) box.append(el("strong", nothing(left), "done"));
  else if (!state.painted) box.append(el("span", "loading rows …", "muted"));
}

/** Why there is no row. */
function nothing(left) {
  if (left > settled.size) return "What is left is in other people's hands.";
  return queue ? "People differ on no row." : "Nothing wants a verdict now. Make a patch of your verdicts on the page Patches.";
}

/** Verdicts of this visit that the standing does not count yet. */
function told() {
  return new Set(state.past.filter((p) => !p.counted && !p.taken && p.verdict !== "skip").map((p) => p.id)).size;
}

function drawPast() {
  const shown = state.past.slice(-10).reverse();
  at("past-none").hidden = shown.length > 0;
  at("past").replaceChildren(...shown.map((p) => {
    const item = document.createElement("li");
    const mark = p.refused ? "! refused" : p.saved ? "✓ saved" : "… saving";
    item.append(el("span", mark, "mark " + (p.refused ? "bad" : p.saved ? "good" : "")));
    item.append(el("strong", p.undone ? "undone" : p.verdict + (p.label ? ` → ${p.label}` : "")), " ", el("span", p.text, "muted"));
    return item;
  }));
  drawSave();
}

function drawSave() {
  const open = outbox.items().length;
  at("save").hidden = false;
  at("save").textContent = open ? `… saving ${open}` : "✓ all saved";
  at("save").dataset.open = String(open);
}

function drawNote() {
  at("note-shown").hidden = !state.note && !state.ask;
  const parts = [state.note && `note: ${state.note}`, state.ask && "second opinion asked"];
  at("note-shown").textContent = visible(parts.filter(Boolean).join(" · "));
}

// verdicts

function decide(verdict, label) {
  const id = state.painted;
  const card = state.cards.get(id);
  if (!card) return;
  if (!reviewer.get()) {
    askName(() => { begin(); decide(verdict, label); });
    return;
  }
  const role = queue ? "settle" : state.ask ? "ask" : "";
  const item = { id, verdict, label: label ?? null, note: state.note, role };
  const entry = { ...item, key: outbox.add(reviewer.get(), item), text: card.text.slice(0, 80), card, saved: false };
  state.past.push(entry);
  settled.add(id);
  state.note = "";
  state.ask = false;
  state.rows.shift();
  draw();
  drawPast();
  say(`${verdict}${label ? " " + label : ""}; next row`);
  drawAlike(state.past);
  ahead();
  if (state.rows.length === AHEAD || !state.rows.length) refresh();
}

function choose(label) {
  const card = state.cards.get(state.painted);
  if (!card) return;
  if (label === card.given) decide("keep");
  else decide("relabel", label);
}

/** Take the newest verdict of this visit back; the row comes back on the screen. */
function undo() {
  const entry = state.past.findLast((p) => !p.undone && !p.taken);
  if (!entry) {
    say("nothing to undo");
    return;
  }
  entry.taken = true;
  if (entry.verdict !== "skip") {
    const item = { id: entry.id, verdict: "skip", label: null, note: "undo", role: queue ? "settle" : "" };
    const key = outbox.add(reviewer.get(), item);
    state.past.push({ ...item, key, text: entry.text, undone: true, saved: false });
  }
  settled.delete(entry.id);
  state.cards.set(entry.id, entry.card);
  state.rows = [entry.id, ...state.rows.filter((id) => id !== entry.id)];
  state.note = entry.note;
  state.ask = entry.role === "ask";
  draw();
  drawPast();
  say("undone");
}

// dialogs

const chooser = new Chooser(() => state.classes, choose);
// as it is written: a dialog's close event comes late, and a quick next verdict would leave the note to another row
at("remark").addEventListener("input", () => { state.note = at("remark").value.trim(); drawNote(); });

const ACTS = {
  keep: () => decide("keep"),
  take: () => { const c = state.cards.get(state.painted); if (c?.suggested) decide("relabel", c.suggested); },
  choose: () => { if (state.painted) chooser.open(); },
  ambiguous: () => decide("ambiguous"),
  drop: () => decide("drop"),
  skip: () => decide("skip"),
  undo,
  why: () => say(toggleWhy() ? "why it is doubted is shown" : "why it is doubted is hidden"),
  ask: () => { if (state.painted && !queue) { state.ask = !state.ask; drawNote(); say(state.ask ? "second opinion asked" : "no second opinion"); } },
  note: () => { if (state.painted) { at("remark").value = state.note; at("noter").showModal(); } },
};
const KEYS = { w: "why", o: "ask", k: "keep", a: "take", c: "choose", b: "ambiguous", x: "drop", s: "skip", u: "undo", n: "note" };

document.addEventListener("keydown", (event) => {
  if (!forPage(event) || event.defaultPrevented) return;
  const card = state.cards.get(state.painted);
  if (/^[1-9]$/.test(event.key) && card?.likely[Number(event.key) - 1]) {
    event.preventDefault();
    choose(card.likely[Number(event.key) - 1].label);
  } else if (KEYS[event.key]) {
    event.preventDefault();
    if (reviewer.get()) ACTS[KEYS[event.key]]();
    else askName(begin);
  }
});
document.querySelectorAll("[data-act]").forEach((button) => {
  button.addEventListener("click", () => ACTS[/** @type {HTMLElement} */ (button).dataset.act ?? ""]());
});

for (const item of outbox.items()) settled.add(item.id);
if (pinned && !settled.has(pinned)) {
  state.rows = [pinned];
  prefetch().catch((error) => trouble(error.message));
}
drawSave();
outbox.flush();
outbox.restore().then((n) => { if (n) { for (const item of outbox.items()) settled.add(item.id); drawSave(); } });
addEventListener("pagehide", () => giveBack(state.rows));
addEventListener("pageshow", (event) => { if (event.persisted) refresh(); });
if (!reviewer.get()) askName(begin);
refresh();
