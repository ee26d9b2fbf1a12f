// Two texts side by side, such as an instruction and its answer.
import { el } from "../common.js";
import { field } from "../bodies.js";

/** @param {HTMLElement} element @param {any} body */
export function draw(element, body) {
  const both = document.createElement("div");
  both.className = "panes";
  for (const pane of body.panes) {
    const part = document.createElement("section");
    part.append(el("h3", pane.field), ...field(pane, "text"));
    both.append(part);
  }
  element.append(both);
}
