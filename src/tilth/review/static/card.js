// Draws what is to be seen of one row; decides nothing.
import { at, el, visible } from "./common.js";

const percent = (x) => `${(100 * x).toFixed(1)} %`;

/** Draw a card. @param {any} card @param {(label: string) => void} choose what a click on a class does */
export function drawCard(card, choose) {
  at("row-name").replaceChildren("row ", el("code", card.id));
  at("text").textContent = visible(card.text);
  at("text").classList.toggle("none", !card.text.trim());
  at("text-left").hidden = card.length <= card.text.length;
  at("text-left").textContent = `… ${(card.length - card.text.length).toLocaleString("en")} more characters are not shown`;
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
  at("guide").hidden = !card.guide;
  if (card.guide) at("clause").textContent = visible(`${card.guide.clause}: ${card.guide.rule}`);
}

function near(r) {
  const item = el("li", r.text);
  item.append(el("span", ` ${r.similarity.toFixed(2)}`, "n muted"));
  return item;
}

function word(w) {
  const line = document.createElement("tr");
  line.append(el("th", w.word), el("td", percent(w.suggested), "num"), el("td", percent(w.given), "num"));
  line.firstElementChild?.setAttribute("scope", "row");
  return line;
}
