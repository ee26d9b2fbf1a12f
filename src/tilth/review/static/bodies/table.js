// The fields of a record, one a line.
import { el } from "../common.js";
import { field } from "../bodies.js";

/** @param {HTMLElement} element @param {any} body */
export function draw(element, body) {
  const table = document.createElement("table");
  table.className = "fields";
  table.append(...body.fields.map((f) => {
    const line = document.createElement("tr");
    const name = el("th", f.field);
    name.scope = "row";
    const value = document.createElement("td");
    value.append(...field(f, "value"));
    line.append(name, value);
    return line;
  }));
  element.append(table);
}
