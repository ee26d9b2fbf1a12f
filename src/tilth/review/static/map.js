// The map: every row a point. One object holds what is to be seen (also in the address); draw() shows it.
import { api, at, forPage, say, visible } from "./common.js";
import { around, Cells, DISAGREES, hasLabel, inside, JUDGED, packed, read, unpacked } from "./map_data.js";
import { colour, mix, names, Painter } from "./map_draw.js";
import { drawChosen, drawClasses, drawLegend, drawList, openRow } from "./map_side.js";

const POLL = 1000, MARGIN = 0.93, TONES = 8, GATHERED = 0.4, FEW = 16;
const points = at("points"), over = at("over"), painter = new Painter(points);

/** What is shown; `view` is the middle and how many times nearer than the whole. */
export const map = {
  /** @type {any} */ about: null,
  /** @type {any} */ rows: null,
  /** @type {Cells | null} */ cells: null,
  view: { x: 0, y: 0, zoom: 1 },
  colour: "label",
  focus: "",
  names: true,
  /** @type {Uint8Array | null} */ chosen: null,
  /** @type {Uint8Array | null} */ slice: null,
  circle: 0,
  hover: -1,
};
/** @type {any} */ let look = null;
/** @type {number[][]} */ let loop = [];
let lassoing = false;
/** @type {Record<string, string> | null} */ let asked = null;  // a filter or a kept set that the address names

/** A fault in words, or "". */
export function trouble(words) {
  at("map-trouble").textContent = visible(words);
  at("map-trouble").hidden = !words;
}

// what the server has

/** The classes and slices anew; the points stay. */
export async function reload() {
  map.about = await api("/map");
}

async function load() {
  try {
    const about = await api("/map");
    const drawn = map.about?.drawn;
    at("map-page").dataset.state = about.state;
    at("list-box").hidden = !about.rows;
    at("map-page").setAttribute("aria-busy", String(about.state === "reading" || about.state === "unfolding"));
    wait(about);
    if (about.rows && (about.drawn !== drawn || about.version !== map.about?.version)) {
      const answer = await fetch("/api/map/points");
      if (!answer.ok) throw new Error("The points of the map did not come.");
      map.rows = read(await answer.arrayBuffer());
      map.cells = new Cells(map.rows.x, map.rows.y);
      if (map.chosen && map.chosen.length !== map.rows.n) map.chosen = null;
      map.about = about;
      if (map.colour.startsWith("slice:")) await fetchSlice();
      if (asked) map.chosen = await bits(asked);
      restyle();
      facts();
    }
    map.about = about.rows ? about : map.about;
    if (about.rows) sayWhat(about);
    trouble(about.state === "failed" ? about.error : "");
    // once all is there: how far it can be believed comes a moment after the positions
    if (about.state === "reading" || about.state === "unfolding" || (about.rows > 30 && !about.faithfulness && about.state === "ready" && !about.error)) setTimeout(load, POLL);
  } catch (error) {
    trouble(error.message);
    setTimeout(load, 4 * POLL);
  }
}

function wait(about) {
  const bar = at("map-progress");
  if (about.state === "reading") {
    at("map-wait-words").textContent = visible(about.step ? `The rows are being read: ${about.step} …` : "The rows are being read …");
    bar.removeAttribute("value");
  } else {
    at("map-wait-words").textContent = about.done ? "Finding each row its place …" : "First look: two main directions. Looking for near rows …";
    if (about.done) {
      bar.max = about.total;
      bar.value = about.done;
    }
  }
  if (about.state === "failed") at("map-wait-words").textContent = "There is no map.";
  bar.hidden = about.state === "failed";
}

function sayWhat(about) {
  const number = (x) => x.toLocaleString("en");
  const parts = [`${number(about.rows)} rows, ${number(about.classes.length)} classes; the model disagrees with the label of ${number(about.disagree)}.`];
  const f = about.faithfulness;
  if (f) parts.push(`Of a row's ten nearest rows, ${Math.round(100 * f.kept)} % are among its ten nearest here; far apart here says little.`);
  if (about.flat) parts.push("The texts have nothing in common by which rows could be laid out: all lie on one point.");
  at("map-says").textContent = parts.join(" ");
}

const fetchSlice = async () => { map.slice = await bits({ name: map.colour.slice(6) }); };

/** Which rows are in a slice, a filter or a kept set; null where the server cannot say. */
async function bits(which) {
  const answer = await fetch("/api/map/slice?" + new URLSearchParams(which));
  if (answer.ok) return unpacked(await answer.arrayBuffer(), map.rows.n);
  const found = await answer.json().catch(() => ({}));
  trouble(found.message || "The rows did not come.");
  return null;
}

// colours

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Colours of all rows and the order in which they are drawn: what matters lies on top. */
function restyle() {
  const { n, given, wrong, flags } = map.rows;
  const paper = colour(css("--card")), ink = colour(css("--muted"));
  const grey = mix(paper, colour(css("--control")), 0.45), faint = mix(paper, colour(css("--control")), 0.25);
  const tones = Array.from({ length: TONES }, (_, t) => colour(css(`--s${t + 1}`)));
  const byClass = map.about.classes.map((c) => tones[c.tone]);
  const ramp = Array.from({ length: 256 }, (_, p) => mix(grey, colour(css("--worse")), Math.sqrt(p / 255)));
  const worse = colour(css("--worse")), better = colour(css("--better")), series = colour(css("--series"));
  const kind = map.colour.split(":")[0];
  const focus = map.about.classes.findIndex((c) => c.name === map.focus);
  const colours = new Uint32Array(n), rank = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    let c = grey, on = 0;
    if (kind === "agree") { if (flags[i] & DISAGREES) { c = worse; on = 1; } }
    else if (kind === "wrong") { c = ramp[wrong[i]]; on = wrong[i] >> 5; }
    else if (kind === "judged") { if (flags[i] & JUDGED) { c = better; on = 1; } }
    else if (kind === "slice") { if (map.slice?.[i]) { c = series; on = 1; } }
    else if (hasLabel(given[i])) c = byClass[given[i]];
    if (focus >= 0) {
      if (given[i] === focus) on = 8; else { c = faint; on = 0; }
    }
    if (map.chosen) {
      if (map.chosen[i]) on = 9; else { c = mix(paper, c, 0.3); on = 0; }
    }
    colours[i] = c;
    rank[i] = on;
  }
  look = { colours, ...ordered(rank, map.rows.n), paper, ink };
  drawLegend();
  drawClasses();
  drawChosen();
  schedule();
}

/** Rows by rank; within a rank in a scrambled but fixed order, so that no class lies over another by its place in the file. */
function ordered(rank, n) {
  const counts = new Uint32Array(11), order = new Uint32Array(n);
  for (let i = 0; i < n; i++) counts[rank[i] + 1]++;
  for (let r = 1; r < 11; r++) counts[r] += counts[r - 1];
  const split = counts[1];
  let step = Math.max(1, Math.floor(n * 0.618)) | 1;
  while (gcd(step, n) > 1) step += 2;
  for (let k = 0, i = 0; k < n; k++, i = (i + step) % n) order[counts[rank[i]]++] = i;
  return { order, split };
}

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

// drawing

const ratio = () => Math.min(window.devicePixelRatio || 1, 2);

/** Pixels a unit, and the middle. */
export function frame() {
  const scale = map.view.zoom * MARGIN * Math.min(points.width, points.height) / 2;
  return { cx: map.view.x, cy: map.view.y, scale };
}

let waiting = 0;
export function schedule() {
  if (!waiting) waiting = requestAnimationFrame(draw);
}

function draw() {
  waiting = 0;
  if (!look) return;
  const box = at("map-box"), width = Math.round(box.clientWidth * ratio()), height = Math.round(box.clientHeight * ratio());
  if (width < 2 || height < 2) return;
  const began = performance.now();
  painter.resize(width, height);
  if (over.width !== width || over.height !== height) { over.width = width; over.height = height; }
  const view = frame();
  // about a third of the plane is covered when all of it is seen; nearer, dots grow, but slowly
  const share = Math.sqrt(width * height / map.rows.n) * 0.28;
  look.radius = Math.max(0.9, Math.min(5 * ratio(), share * Math.sqrt(map.view.zoom)));
  look.raised = Math.max(look.radius, Math.min(1.6 * ratio(), look.radius * 1.6));
  painter.draw(map.rows, view, look);
  drawOver(view);
  window.tilthFrame = performance.now() - began;
  window.tilthFirst ??= performance.now();
  if (window.tilthLasso && !window.tilthLasso.painted) window.tilthLasso.painted = performance.now() - window.tilthLasso.began;
}

function drawOver(view) {
  const pen = over.getContext("2d"), { width, height } = over, r = ratio();
  pen.clearRect(0, 0, width, height);
  const place = (x, y) => [(x - view.cx) * view.scale + width / 2, height / 2 - (y - view.cy) * view.scale];
  if (map.names && map.colour === "label" || map.focus) {
    const few = map.about.classes.length <= FEW;
    const places = map.about.classes
      // a class that is all over the map has no place; nearer, what is left of it has one
      .filter((c) => c.x !== null && (map.focus ? c.name === map.focus : few || c.gathered * map.view.zoom > GATHERED))
      .sort((a, b) => b.rows * b.gathered - a.rows * a.gathered)
      .map((c) => ({ x: c.x, y: c.y, name: visible(c.name), colour: css("--text") }));
    names(pen, places, view, { ratio: r, halo: css("--card") });
  }
  pen.strokeStyle = css("--text");
  pen.lineWidth = 1.5 * r;
  if (map.hover >= 0) {
    const [px, py] = place(map.rows.x[map.hover], map.rows.y[map.hover]);
    pen.beginPath();
    pen.arc(px, py, look.radius + 4 * r, 0, 7);
    pen.stroke();
  }
  if (map.circle) {
    pen.beginPath();
    pen.arc(width / 2, height / 2, map.circle * view.scale, 0, 7);
    pen.stroke();
  }
  if (loop.length) {
    pen.beginPath();
    loop.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](...place(x, y)));
    pen.closePath();
    pen.stroke();
  }
  if (document.activeElement === over) {
    for (const [dx, dy] of [[1, 0], [0, 1]]) {
      pen.beginPath();
      pen.moveTo(width / 2 - 12 * r * dx, height / 2 - 12 * r * dy);
      pen.lineTo(width / 2 + 12 * r * dx, height / 2 + 12 * r * dy);
      pen.stroke();
    }
  }
}

// moving

let listing = 0, kept = 0;
/** After the view or the colours changed: the list of rows and the address follow. */
function facts() {
  clearTimeout(listing);
  listing = setTimeout(drawList, 200);
  clearTimeout(kept);
  kept = setTimeout(keep, 300);
  schedule();
}

function keep() {
  const q = new URLSearchParams();
  if (map.colour !== "label") q.set("colour", map.colour);
  if (map.focus) q.set("class", map.focus);
  if (!map.names) q.set("names", "off");
  const { x, y, zoom } = map.view;
  if (zoom !== 1 || x || y) { q.set("x", x.toFixed(4)); q.set("y", y.toFixed(4)); q.set("zoom", zoom.toFixed(3)); }
  for (const [name, value] of Object.entries(asked ?? {})) q.set(name, value);
  const text = q.toString();
  history.replaceState(null, "", location.pathname + (text ? "?" + text : ""));
}

function recall() {
  const q = new URLSearchParams(location.search), number = (name, or) => (Number.isFinite(Number(q.get(name) ?? NaN)) ? Number(q.get(name)) : or);
  map.colour = q.get("colour") || "label";
  map.focus = q.get("class") || "";
  map.names = q.get("names") !== "off";
  const rows = ["where", "set"].filter((name) => q.get(name)).map((name) => [name, q.get(name)]);
  asked = rows.length ? Object.fromEntries(rows) : null;
  map.view = { x: number("x", 0), y: number("y", 0), zoom: clampZoom(number("zoom", 1)) };
}

const clampZoom = (z) => Math.max(0.5, Math.min(400, z || 1));

/** Place in the plane under a place on the screen. */
function under(event) {
  const box = over.getBoundingClientRect(), view = frame(), r = over.width / box.width;
  return [
    view.cx + ((event.clientX - box.left) * r - over.width / 2) / view.scale,
    view.cy - ((event.clientY - box.top) * r - over.height / 2) / view.scale,
  ];
}

/** Zoom by a factor; the place (x, y) stays where it is. */
function zoom(factor, x = map.view.x, y = map.view.y) {
  const next = clampZoom(map.view.zoom * factor), f = map.view.zoom / next;
  map.view = { x: x + (map.view.x - x) * f, y: y + (map.view.y - y) * f, zoom: next };
  facts();
}

function pan(dx, dy) {
  map.view.x = Math.max(-1.2, Math.min(1.2, map.view.x + dx));
  map.view.y = Math.max(-1.2, Math.min(1.2, map.view.y + dy));
  facts();
}

function whole() {
  map.view = { x: 0, y: 0, zoom: 1 };
  facts();
}

// choosing

/** @param {Uint8Array | null} mask */
export function choose(mask) {
  map.chosen = mask && mask.includes(1) ? mask : null;
  asked = null;
  if (!map.chosen) map.circle = 0;
  restyle();
  facts();
  say(map.chosen ? `${count(map.chosen).toLocaleString("en")} rows chosen` : "no rows chosen");
}

export const count = (mask) => mask.reduce((a, b) => a + b, 0);
export const chosenMask = () => packed(map.chosen);

export function focusOn(name) {
  map.focus = map.focus === name ? "" : name;
  const c = map.about.classes.find((k) => k.name === map.focus);
  say(c ? `class ${c.name}, ${c.rows} rows` : "all classes");
  restyle();
  facts();
}

export async function colourBy(value) {
  map.colour = value;
  if (value.startsWith("slice:")) await fetchSlice();
  restyle();
  facts();
}

function lassoMode(on) {
  lassoing = on;
  at("lasso").setAttribute("aria-pressed", String(on));
  over.classList.toggle("lasso", on);
}

function circle(factor) {
  if (!map.rows) return;
  map.circle = Math.max(0.005, Math.min(2, map.circle ? map.circle * factor : 0.05 / Math.sqrt(map.view.zoom)));
  const mask = around(map.rows.x, map.rows.y, map.view.x, map.view.y, map.circle), radius = map.circle;
  choose(mask);
  map.circle = radius;
  schedule();
}

// pointer

/** @type {any} */ let drag = null;
over.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !map.rows) return;
  over.setPointerCapture(event.pointerId);
  drag = { x: event.clientX, y: event.clientY, from: { ...map.view }, lasso: lassoing || event.shiftKey, moved: false };
  if (drag.lasso) loop = [under(event)];
  else over.classList.add("dragging");
});
over.addEventListener("pointermove", (event) => {
  if (!map.rows) return;
  if (!drag) { hover(event); return; }
  drag.moved ||= Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 3;
  if (drag.lasso) {
    loop.push(under(event));
    schedule();
  } else if (drag.moved) {
    const r = over.width / over.getBoundingClientRect().width / frame().scale;
    map.view = { ...drag.from };
    pan(-(event.clientX - drag.x) * r, (event.clientY - drag.y) * r);
  }
});
over.addEventListener("pointerup", (event) => {
  if (!drag) return;
  const was = drag;
  drag = null;
  over.classList.remove("dragging");
  if (was.lasso && was.moved) {
    const began = performance.now(), mask = inside(map.rows.x, map.rows.y, loop);
    window.tilthLasso = { began, ms: performance.now() - began, polygon: loop };
    loop = [];
    map.circle = 0;
    choose(mask);
  } else if (!was.moved) {
    loop = [];
    const found = nearestTo(event);
    if (found >= 0) openRow(found);
  }
  lassoMode(false);
});
over.addEventListener("pointercancel", () => { drag = null; loop = []; schedule(); });
over.addEventListener("pointerleave", () => tip(-1));
over.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (map.rows) zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...under(event));
}, { passive: false });
over.addEventListener("dblclick", (event) => zoom(2, ...under(event)));
over.addEventListener("focus", schedule);
over.addEventListener("blur", schedule);

function nearestTo(event) {
  const [x, y] = under(event), within = (look.radius + 6 * ratio()) / frame().scale;
  return map.cells.nearest(x, y, 1, within)[0]?.row ?? -1;
}

let fetching = 0;
/** @type {Map<number, any>} */ const cards = new Map();
function hover(event) {
  const row = nearestTo(event);
  const box = at("map-box").getBoundingClientRect(), hint = at("tip");
  const right = event.clientX - box.left > box.width / 2, below = event.clientY - box.top > box.height / 2;
  hint.style.left = right ? "auto" : `${event.clientX - box.left + 14}px`;
  hint.style.right = right ? `${box.right - event.clientX + 14}px` : "auto";
  hint.style.top = below ? "auto" : `${event.clientY - box.top + 14}px`;
  hint.style.bottom = below ? `${box.bottom - event.clientY + 14}px` : "auto";
  if (row !== map.hover) tip(row);
}

function tip(row) {
  map.hover = row;
  clearTimeout(fetching);
  at("tip").hidden = !cards.has(row);
  if (cards.has(row)) fillTip(cards.get(row));
  else if (row >= 0) {
    fetching = setTimeout(async () => {
      const found = await rowsAt([row]).catch(() => []);
      if (!found.length) return;
      if (cards.size > 500) cards.clear();
      cards.set(row, found[0]);
      if (map.hover === row) { fillTip(found[0]); at("tip").hidden = false; }
    }, 60);
  }
  schedule();
}

function fillTip(card) {
  at("tip-text").textContent = visible(card.text || "(no text)");
  const says = card.given === card.predicted ? "" : ` · model says ${card.predicted}`;
  at("tip-facts").textContent = visible(`${card.given ?? "no label"}${says} · P(wrong) ${card.p_wrong.toFixed(2)}`);
}

/** What is to be seen of rows by position. */
export function rowsAt(list) {
  return api(`/map/rows?version=${map.about.version}&${list.map((i) => "at=" + i).join("&")}`);
}

// keys

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
over.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !map.rows) return;
  const step = 0.1 / map.view.zoom * (event.shiftKey ? 0.2 : 1);
  if (MOVES[event.key]) pan(MOVES[event.key][0] * step, MOVES[event.key][1] * step);
  else if (event.key === "Enter") toList();
  else return;
  event.preventDefault();
});

async function toList() {
  clearTimeout(listing);
  await drawList();
  at("list").querySelector("button")?.focus();
}

const KEYS = {
  "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: whole,
  l: () => { lassoMode(!lassoing); say(lassoing ? "draw around rows" : "move the map"); },
  "]": () => circle(1.25), "[": () => circle(0.8),
  c: () => {
    const k = map.about.classes.findIndex((x) => x.name === map.focus);
    if (k >= 0) choose(map.rows.given.map === undefined ? null : Uint8Array.from(map.rows.given, (g) => Number(g === k)));
    else say("no class in focus: search one with /");
  },
  n: () => { map.names = !map.names; facts(); },
  "/": () => at("class-search").focus(),
  Escape: () => {
    if (lassoing) lassoMode(false);
    else if (map.chosen) choose(null);
    else if (map.focus) focusOn(map.focus);
  },
};
document.addEventListener("keydown", (event) => {
  if (!forPage(event) || event.defaultPrevented || !map.rows || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
at("lasso").addEventListener("click", KEYS.l);
at("near").addEventListener("click", KEYS["+"]);
at("far").addEventListener("click", KEYS["-"]);
at("whole").addEventListener("click", whole);
at("unchoose").addEventListener("click", () => choose(null));
at("colour").addEventListener("change", () => colourBy(at("colour").value));

new ResizeObserver(schedule).observe(at("map-box"));
const again = () => { if (map.rows) restyle(); };
new MutationObserver(again).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);

recall();
load();
