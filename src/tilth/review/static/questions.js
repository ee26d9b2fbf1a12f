// What a release did not answer, one question at a time. An answer is on the server's disk before the next
// question comes; the text on the screen is the one that a key answers.
import { api, at, el, forPage, reviewer, say, visible } from "./common.js";
import { askName, Chooser } from "./dialogs.js";

const state = {
  /** @type {any[]} */ asked: [],
  /** @type {string[]} */ classes: [],
  open: 0, answered: 0, busy: false,
};

function trouble(words) {
  at("trouble").textContent = visible(words);
  at("trouble").hidden = !words;
}

async function load() {
  try {
    const found = await api("/questions");
    state.asked = found.questions;
    state.classes = found.classes;
    count(found);
    trouble("");
  } catch (error) {
    trouble(error.message);
    state.asked = [];
  }
  draw();
}

function count(found) {
  state.open = found.open;
  state.answered = found.answered;
}

function draw() {
  const q = state.asked[0];
  at("desk").hidden = !q;
  const box = at("standing");
  box.replaceChildren(
    el("strong", `${state.open} open`, "n"), el("span", `${state.answered} answered`, "muted n"),
    el("span", `as ${reviewer.get() || "nobody yet"}`, "muted"),
  );
  if (!q) {
    box.append(el("strong", state.open ? "The rest was skipped; reload to see it again." : "Nobody waits for an answer.", "done"));
    return;
  }
  at("row-name").textContent = visible(`${q.at.slice(0, 16).replace("T", " ")} UTC${q.client ? `, ${q.client}` : ""}`);
  at("text").textContent = visible(q.text);
  at("why").textContent = visible(q.words || { unsure: "The release was unsure.", unlike: "Unlike anything it has seen.", outside: "Outside the known classes." }[q.reason] || "");
  at("likely").replaceChildren(...q.likely.map((c, i) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.append(el("span", c.label), el("span", ` ${Math.round(100 * c.probability)} %`, "muted n"), el("kbd", String(i + 1)));
    button.setAttribute("aria-keyshortcuts", String(i + 1));
    button.addEventListener("click", () => answer(c.label));
    item.append(button);
    return item;
  }));
  at("near").replaceChildren(...q.nearest.map((n) => {
    const item = document.createElement("li");
    item.append(el("strong", n.label), " ", el("span", n.text), " ", el("span", Number(n.similarity).toFixed(2), "muted n"));
    return item;
  }));
  at("near-none").hidden = q.nearest.length > 0;
}

async function answer(label) {
  const q = state.asked[0];
  if (!q || state.busy) return;
  if (!reviewer.get()) {
    askName(() => { draw(); answer(label); });
    return;
  }
  state.busy = true;
  try {
    count(await api("/questions/answer", { id: q.id, label, person: reviewer.get() }));
    state.asked.shift();
    trouble("");
    say(`${label}; next question`);
    if (!state.asked.length) await load();
    else draw();
  } catch (error) {
    trouble(error.message);
  } finally {
    state.busy = false;
  }
}

function skip() {
  if (state.busy || !state.asked.length) return;
  state.asked.shift();
  say("skipped");
  draw();
}

async function propose() {
  try {
    const made = await api("/feedback", {});
    at("said").replaceChildren(...made.patches.map((p) => {
      const link = document.createElement("a");
      link.href = `/patches/${p.id}`;
      link.append(el("span", p.title));
      const line = document.createElement("p");
      line.append(link);
      return line;
    }));
    if (!made.patches.length) at("said").append(el("span", "Nothing new: all that was said is in a data set or in a patch."));
    at("said").hidden = false;
  } catch (error) {
    trouble(error.message);
  }
}

const chooser = new Chooser(() => state.classes, answer);
const ACTS = { choose: () => { if (state.asked.length) chooser.open(); }, skip, propose };
const KEYS = { c: "choose", s: "skip" };

document.addEventListener("keydown", (event) => {
  if (!forPage(event) || event.defaultPrevented || event.repeat) return;
  const q = state.asked[0];
  if (/^[1-9]$/.test(event.key) && q?.likely[Number(event.key) - 1]) {
    event.preventDefault();
    answer(q.likely[Number(event.key) - 1].label);
  } else if (KEYS[event.key]) {
    event.preventDefault();
    ACTS[KEYS[event.key]]();
  }
});
document.querySelectorAll("[data-act]").forEach((button) => {
  button.addEventListener("click", () => ACTS[/** @type {HTMLElement} */ (button).dataset.act ?? ""]());
});

if (!reviewer.get()) askName(draw);
load();
