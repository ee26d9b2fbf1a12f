// One text, as it is: line breaks shown, nothing obeyed.
import { field } from "../bodies.js";

/** @param {HTMLElement} element @param {any} body */
export function draw(element, body) {
  element.append(...field(body, "text"));
}
