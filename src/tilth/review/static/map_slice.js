// From rows that were chosen to a rule that finds them: what there is to choose from, and how near each comes.
import { api, at, el, say, visible } from "./common.js";
import { chosenMask, colourBy, map, reload } from "./map.js";

const NEAR = 0.5;
const number = (x) => Math.round(x).toLocaleString("en");

async function open() {
  at("slicer-list").replaceChildren();
  at("slicer-says").textContent = "Looking for a rule …";
  at("slicer-rule").value = "";
  at("slicer-name").value = "";
  at("slicer").showModal();
  try {
    const found = (await api("/map/describe", { mask: chosenMask(), version: map.about.version })).descriptions;
    at("slicer-list").replaceChildren(...found.map(offer));
    const best = found[0];
    at("slicer-says").textContent = !best ? "Nothing tells these rows apart from the others. Review them as a set, or write a rule."
      : best.f1 < NEAR ? "No rule comes near to these rows. Review them as a set, or write a rule of your own."
        : "The nearest first; take one and change it as you like:";
    if (best && best.f1 >= NEAR) take(best);
  } catch (error) {
    at("slicer-says").textContent = visible(error.message);
  }
}

function offer(d) {
  const item = document.createElement("li"), button = el("button", d.expression);
  button.type = "button";
  button.addEventListener("click", () => take(d));
  item.append(button, el("span", `${number(d.inside)} of your ${number(d.picked)} rows and ${number(d.rows - d.inside)} others`, "note"));
  return item;
}

function take(d) {
  at("slicer-rule").value = d.expression;
  at("slicer-name").focus();
}

at("slice-chosen").addEventListener("click", open);
at("slicer-not").addEventListener("click", () => at("slicer").close());
at("slicer-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const kept = await api("/map/slice", { name: at("slicer-name").value.trim(), expression: at("slicer-rule").value });
    at("slicer").close();
    await reload();
    await colourBy("slice:" + kept.name);
    say(`slice ${kept.name} kept`);
  } catch (error) {
    at("slicer-says").textContent = visible(error.message);
  }
});
