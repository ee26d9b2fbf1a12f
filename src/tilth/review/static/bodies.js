// What is to be drawn of a row: each kind has a module with draw(element, body), as it has a function in bodies.py.
import { api, visible } from "./common.js";
import { draw as pair } from "./bodies/pair.js";
import { draw as table } from "./bodies/table.js";
import { draw as text } from "./bodies/text.js";

/** @type {Record<string, (element: HTMLElement, body: any) => void>} */
const KINDS = { text, pair, table };
const LONG = 600;
let row = "";

/** Draw the bodies of a row: what the label is about in one place, what else is known of it in another. */
export function drawBodies(main, others, id, bodies) {
  row = id;
  [[main, bodies.slice(0, 1)], [others, bodies.slice(1)]].forEach(([element, some]) => {
    element.replaceChildren();
    for (const body of some) KINDS[body.kind]?.(element, body);
    element.hidden = !some.length;
  });
}

/** A field's text; of a long one the beginning, and a button for the rest. */
export function field(part, className) {
  const shown = document.createElement("p");
  shown.className = className;
  shown.dir = "auto";
  shown.textContent = visible(part.text);
  shown.classList.toggle("none", !part.text.trim());
  if (part.length > LONG) shown.tabIndex = 0; // it scrolls, so the keyboard has to reach it
  if (part.length <= part.text.length) return [shown];
  const more = document.createElement("button");
  more.type = "button";
  more.className = "more";
  let there = part.text.length;
  const say = () => {
    const left = part.length - there;
    more.textContent = `Show ${left.toLocaleString("en")} more character${left === 1 ? "" : "s"}`;
    more.hidden = left <= 0;
  };
  const of = row;
  more.addEventListener("click", async () => {
    more.disabled = true;
    try {
      const query = new URLSearchParams({ id: of, field: part.field, start: String(there) });
      const found = await api(`/rows/text?${query}`);
      shown.append(visible(found.text));
      there += Math.max(found.text.length, 1);
      say();
    } catch (error) {
      more.textContent = visible(error.message);
    }
    more.disabled = false;
  });
  say();
  return [shown, more];
}
