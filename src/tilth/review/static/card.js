// Draws what is to be seen of one row; decides nothing.
import { drawBodies } from "./bodies.js";
import { at, el, visible } from "./common.js";

const percent = (x) => `${(100 * x).toFixed(1)} %`;

/** Draw a card. @param {any} card @param {(label: string) => void} choose what a click on a class does */
export function drawCard(card, choose) {
  at("row-name").replaceChildren("row ", el("code", card.id));
  drawBodies(at("text"), at("others"), card.id, card.bodies);
  at("given").textContent = visible(card.given ?? "no label");
  at("suggested").textContent = visible(card.suggested ?? "none");
  at("p-wrong").textContent = card.p_wrong.toFixed(2);
  at("meter").value = card.p_wrong;
  at("likely").replaceChildren(...card.likely.map((c, i) => likely(c, i, card, choose)));
  drawWhy(card);
}

function likely(c, i, card, choose) {
  const item = document.createElement("li");
  const button = el("button", c.label);
  button.type = "button";
  button.setAttribute("aria-keyshortcuts", String(i + 1));
  const key = document.createElement("kbd");
  key.textContent = String(i + 1);
  button.prepend(key, " ");
  const p = document.createElement("span");
  p.className = "n muted";
  p.textContent = " " + (c.p < 0.005 ? "0" : c.p.toFixed(2));
  button.append(p);
  if (c.label === card.given) button.append(el("span", " given", "muted"));
  button.addEventListener("click", () => choose(c.label));
  item.append(button);
  return item;
}

function drawWhy(card) {
  for (const [part, label] of [["suggested", card.suggested], ["given", card.given]]) {
    at(`near-${part}-name`).textContent = visible(label ?? "");
    const rows = card.nearest.filter((r) => r.label === label);
    at(`near-${part}`).replaceChildren(...(rows.length ? rows.map(near) : [el("li", "none is near", "muted")]));
  }
  at("words-box").hidden = !card.words.length;
  at("words").replaceChildren(...card.words.map(word));
  at("copies-box").hidden = !card.copies.length;
  at("copies-all").href = `/decide/set?copies=${encodeURIComponent(card.id)}`;
  at("copies").replaceChildren(...card.copies.map((c) => {
    const item = el("li", `${c.id}: ${c.label ?? "no label"}`);
    if (c.label !== card.given) item.className = "differs";
    return item;
  }));
  at("findings-box").hidden = !card.findings.length;
  at("findings").replaceChildren(...card.findings.map((f) => {
    const item = el("li", ` ${f.message}`);
    item.prepend(el("code", f.code));
    return item;
  }));
  at("votes-box").hidden = !card.votes.length;
  at("votes").replaceChildren(...card.votes.map((v) => vote(v, card.given)));
  at("guide").hidden = !card.guide;
  if (card.guide) at("clause").textContent = visible(`${card.guide.clause}: ${card.guide.rule}`);
}

function near(r) {
  const item = el("li", r.text);
  item.append(el("span", ` ${r.similarity.toFixed(2)}`, "n muted"));
  return item;
}

function vote(v, given) {
  const line = document.createElement("tr");
  const name = el("th", v.annotator);
  name.scope = "row";
  const q = v.quality;
  const quality = q?.value === undefined ? "unknown" : `${percent(q.value)} [${(100 * q.low).toFixed(0)}, ${(100 * q.high).toFixed(0)}]`;
  line.append(name, el("td", v.label, v.label === given ? "" : "differs"), el("td", quality, "num"));
  return line;
}

/** Why the row is doubted, or only the row: the key `w`. */
export function toggleWhy() {
  const off = document.body.classList.toggle("no-why");
  localStorage.setItem("tilth:why", off ? "off" : "on");
  at("why").setAttribute("aria-pressed", String(!off));
  return !off;
}

document.body.classList.toggle("no-why", localStorage.getItem("tilth:why") === "off");
at("why").setAttribute("aria-pressed", String(localStorage.getItem("tilth:why") !== "off"));

function word(w) {
  const line = document.createElement("tr");
  line.append(el("th", w.word), el("td", percent(w.suggested), "num"), el("td", percent(w.given), "num"));
  line.firstElementChild?.setAttribute("scope", "row");
  return line;
}
