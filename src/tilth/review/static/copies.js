// Groups of copies: one decision for all rows of a group, or a patch that keeps one of them.
import { api, at, newKey, reviewer, say, visible } from "./common.js";

at("threshold")?.addEventListener("input", (event) => {
  at("threshold-out").textContent = Number(event.target.value).toFixed(2);
});
at("threshold")?.addEventListener("change", () => at("threshold-form").requestSubmit());

/** Who decides; asked once. @returns {Promise<string>} "" when nobody wants to say */
export function who() {
  if (reviewer.get()) return Promise.resolve(reviewer.get());
  return new Promise((done) => {
    at("who").onclose = () => {
      const name = at("who").returnValue === "yes" ? at("name").value.trim() : "";
      if (name) reviewer.set(name);
      done(name);
    };
    at("who").returnValue = "";
    at("who").showModal();
  });
}

function tell(card, words, loud = false) {
  const said = card.querySelector(".said");
  said.hidden = false;
  said.classList.toggle("loud", loud);
  said.textContent = visible(words);
  say(words);
  return said;
}

async function same(card, group, label) {
  const name = await who();
  if (!name) return;
  const body = { key: newKey(), decision: "relabel", label, reviewer: name, ids: group.ids, again: true };
  const found = await api("/sets/look", body);
  const done = await api("/sets/decide", { ...body, expected: found.digest });
  const said = tell(card, `${group.ids.length} rows: ${label}, by ${name}. Make a patch of it on Patches. `);
  const undo = document.createElement("button");
  undo.textContent = "Undo";
  undo.addEventListener("click", async () => {
    try {
      await api(`/sets/decided/${encodeURIComponent(done.key ?? body.key)}/undo`, { reviewer: name });
      tell(card, "Undone.");
    } catch (error) {
      tell(card, error.message, true);
    }
  });
  said.append(undo);
}

for (const card of document.querySelectorAll("[data-group]")) {
  const group = JSON.parse(card.getAttribute("data-group") ?? "{}");
  const label = () => /** @type {any} */ (card.querySelector("[data-label]"))?.value ?? "";
  const act = (button, todo) => button?.addEventListener("click", async () => {
    if (group.conflict && !label()) {
      tell(card, "Choose the right label first.");
      /** @type {any} */ (card.querySelector("[data-label]")).focus();
      return;
    }
    button.disabled = true;
    try {
      await todo();
    } catch (error) {
      tell(card, error.message, true);
    } finally {
      button.disabled = false;
    }
  });
  act(card.querySelector("[data-same]"), () => same(card, group, label()));
  act(card.querySelector("[data-one]"), async () => {
    const name = await who();
    if (!name) return;
    const body = { row: group.keep, threshold: group.threshold, author: name, label: group.conflict ? label() : null };
    location.href = "/patches/" + (await api("/duplicates/keep", body)).proposed.id;
  });
}
