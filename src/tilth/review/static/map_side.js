// Beside the map: what the colours mean, the classes, what is chosen, and in words what is near the middle.
import { api, at, el, reviewer, say, visible } from "./common.js";
import { search } from "./fuzzy.js";
import { DISAGREES, hasLabel } from "./map_data.js";
import { chosenMask, count, focusOn, map, rowsAt, trouble } from "./map.js";

const LIST = 20, SHOWN = 200, TOP = 5;
const number = (x) => Math.round(x).toLocaleString("en");

function key(kind, words) {
  const part = document.createElement("span");
  const dot = document.createElement("i");
  dot.className = kind;
  part.append(dot, el("span", words));
  return part;
}

/** What the colours mean. */
export function drawLegend() {
  const menu = at("colour");
  for (const s of map.about.slices) {
    const value = "slice:" + s.name;
    if (![...menu.options].some((o) => o.value === value)) menu.append(new Option(visible(`Slice: ${s.name}`), value));
  }
  if (![...menu.options].some((o) => o.value === map.colour)) map.colour = "label";
  menu.value = map.colour;
  const kind = map.colour.split(":")[0], box = at("legend");
  const keys = {
    label: [el("span", "Classes side by side have different colours.", "muted")],
    agree: [key("dot worse", `model says another class (${number(map.about.disagree)})`), key("dot grey", "agrees")],
    wrong: [key("ramp", "P(wrong) from 0 to 1")],
    judged: [key("dot better", `has a verdict (${number(map.about.judged)})`), key("dot grey", "has none")],
    slice: [key("dot in", `in the slice (${number(map.slice ? count(map.slice) : 0)})`), key("dot grey", "outside")],
  };
  box.replaceChildren(...(keys[kind] ?? []));
}

let picked = 0;
/** Classes, found by a part of the name; the field has the keys, as in Decide. */
export function drawClasses() {
  const by = new Map(map.about.classes.map((c) => [c.name, c]));
  const found = search([...by.keys()], at("class-search").value, SHOWN);
  picked = Math.max(0, Math.min(picked, found.length - 1));
  at("class-list").replaceChildren(...found.map((name, i) => {
    const c = by.get(name), item = document.createElement("li"), dot = document.createElement("i");
    item.id = `class-${i}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(i === picked));
    item.classList.toggle("focus", name === map.focus);
    item.dataset.label = name;
    dot.className = `dot t${c.tone}`;
    item.append(dot, el("bdi", name), el("span", number(c.rows), "n"));
    item.addEventListener("click", () => focusOn(name));
    return item;
  }));
  at("class-list").classList.toggle("plain-dots", map.colour !== "label");
  if (found.length) at("class-search").setAttribute("aria-activedescendant", `class-${picked}`);
  else {
    at("class-search").removeAttribute("aria-activedescendant");
    at("class-list").append(el("li", "No class fits.", "muted"));
  }
}

/** How many rows are chosen, of which classes, and how many of them are wrong by expectation. */
export function drawChosen() {
  at("chosen").hidden = !map.chosen;
  if (!map.chosen) return;
  const { given, wrong, flags, n } = map.rows, by = new Map();
  let rows = 0, p = 0, differs = 0;
  for (let i = 0; i < n; i++) {
    if (!map.chosen[i]) continue;
    rows++;
    p += wrong[i] / 255;
    differs += flags[i] & DISAGREES ? 1 : 0;
    by.set(given[i], (by.get(given[i]) ?? 0) + 1);
  }
  at("chosen-count").textContent = `${number(rows)} rows; wrong labels among them, about ${number(p)}; the model disagrees with ${number(differs)}.`;
  const top = [...by].sort((a, b) => b[1] - a[1]);
  const lines = top.slice(0, TOP).map(([c, k]) => {
    const item = document.createElement("li");
    item.append(el("span", hasLabel(c) ? map.about.classes[c].name : "no label"), " ", el("span", number(k), "n muted"));
    return item;
  });
  if (top.length > TOP) lines.push(el("li", `and ${number(top.length - TOP)} more classes`, "muted"));
  at("chosen-classes").replaceChildren(...lines);
}

let listed = "", asking = 0;
/** In words what the map shows in its middle: the nearest rows, nearest first. */
export async function drawList() {
  if (!map.cells) return;
  const found = map.cells.nearest(map.view.x, map.view.y, LIST).map((f) => f.row);
  const name = `${map.about.version} ${map.about.judged} ${found}`, mine = ++asking;
  if (name === listed) return;  // the row that has the focus stays
  let cards;
  try {
    cards = found.length ? await rowsAt(found) : [];
  } catch (error) {
    trouble(error.message);
    return;
  }
  if (mine !== asking) return;  // the view has moved on
  listed = name;
  const focused = [...at("list").querySelectorAll("button")].indexOf(document.activeElement);
  at("list").replaceChildren(...cards.map((c) => {
    const line = document.createElement("tr");
    const name = document.createElement("th"), button = el("button", c.id);
    name.scope = "row";
    button.type = "button";
    button.dataset.row = String(c.at);
    name.append(button);
    const says = el("td", c.predicted, c.given === c.predicted ? "" : "differs");
    line.append(name, el("td", c.text || "(no text)", "text"), el("td", c.given ?? "no label"), says, el("td", c.p_wrong.toFixed(2), "num"));
    line.addEventListener("click", () => openRow(c.at));
    return line;
  }));
  if (focused >= 0) at("list").querySelectorAll("button")[focused]?.focus();
}

at("list").addEventListener("keydown", (event) => {
  const way = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (!way) return;
  event.preventDefault();
  const buttons = [...at("list").querySelectorAll("button")];
  buttons[buttons.indexOf(document.activeElement) + way]?.focus();
});

/** A row in full. */
export async function openRow(position) {
  try {
    const [short] = await rowsAt([position]);
    const [card] = await api("/rows?id=" + encodeURIComponent(short.id));
    at("row-card-head").replaceChildren("Row ", el("code", short.id));
    at("row-card-text").textContent = visible(card.text || "(no text)");
    const facts = [["Given", card.given ?? "no label"], ["Model says", short.predicted], ["Suggested", card.suggested ?? "none"], ["P(wrong)", card.p_wrong.toFixed(2)]];
    if (short.judged) facts.push(["Verdict", "given"]);
    at("row-card-facts").replaceChildren(...facts.flatMap(([name, value]) => [el("dt", name), el("dd", value)]));
    at("row-card-decide").href = "/decide?row=" + encodeURIComponent(short.id);
    at("row-card").showModal();
    say(`row ${short.id}`);
  } catch (error) {
    trouble(error.message);
  }
}

/** Keep the chosen rows as a set, and go where it is decided on. */
at("review-chosen").addEventListener("click", async () => {
  try {
    const body = { mask: chosenMask(), version: map.about.version, name: setName(), author: reviewer.get() || "person" };
    location.href = (await api("/sets", body)).url;
  } catch (error) {
    trouble(error.message);
  }
});

function setName() {
  const top = at("chosen-classes").querySelector("bdi")?.textContent ?? "";
  return `from the map: ${number(count(map.chosen))} rows${top ? `, mostly ${top}` : ""}`;
}

at("class-search").addEventListener("input", () => { picked = 0; drawClasses(); });
at("class-search").addEventListener("keydown", (event) => {
  const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") {
    at("class-search").value = "";
    drawClasses();
    at("over").focus();
  } else if (event.key === "Enter") {
    const name = at("class-list").children[picked]?.dataset.label;
    if (name !== undefined) focusOn(name);
  } else if (way) {
    picked += way;
    drawClasses();
    at("class-list").children[picked]?.scrollIntoView({ block: "nearest" });
  } else return;
  event.preventDefault();
});
