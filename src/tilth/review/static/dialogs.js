// Dialogs that several pages have: who decides, and one class out of many.
import { at, el, reviewer } from "./common.js";
import { search } from "./fuzzy.js";

/** Ask who decides. @param {(() => void)} [then] runs when there is a name */
export function askName(then) {
  at("name").value = reviewer.get();
  at("who").onclose = () => {
    const name = at("name").value.trim();
    if (!name) return;
    reviewer.set(name);
    then?.();
  };
  at("who").showModal();
}

/** Search among all classes; the dialog with id "chooser". */
export class Chooser {
  /** @param {() => string[]} classes @param {(label: string) => void} picked */
  constructor(classes, picked) {
    this.classes = classes;
    this.picked = picked;
    this.place = 0;
    at("wanted").addEventListener("input", () => { this.place = 0; this.draw(); });
    at("wanted").addEventListener("keydown", (event) => this.key(event));
  }

  open() {
    this.place = 0;
    at("wanted").value = "";
    this.draw();
    at("chooser").showModal();
  }

  draw() {
    const found = search(this.classes(), at("wanted").value);
    this.place = Math.max(0, Math.min(this.place, found.length - 1));
    at("classes").replaceChildren(...found.map((name, i) => {
      const item = el("li", name);
      item.id = `class-${i}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(i === this.place));
      item.dataset.label = name;
      item.addEventListener("click", () => this.pick(name));
      return item;
    }));
    if (found.length) at("wanted").setAttribute("aria-activedescendant", `class-${this.place}`);
    else at("classes").append(el("li", "no class fits", "muted"));
  }

  key(event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.place += event.key === "ArrowDown" ? 1 : -1;
      this.draw();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const item = at("classes").children[this.place];
      if (item?.dataset.label !== undefined) this.pick(item.dataset.label);
    }
  }

  pick(label) {
    at("chooser").close();
    this.picked(label);
  }
}
