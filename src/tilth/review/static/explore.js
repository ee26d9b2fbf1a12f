// Slices, confusions, learning curves: keep a slice, draft a clause, walk a matrix, follow a measurement.
import { api, at, say, visible } from "./common.js";
import { follow } from "./jobs.js";

function tell(box, words, loud = false) {
  if (!box) return;
  box.hidden = !words;
  box.textContent = visible(words);
  box.classList.toggle("loud", loud);
  if (words) say(words);
}

// slices
let keeping = "";
for (const button of document.querySelectorAll("[data-keep]")) {
  button.addEventListener("click", () => {
    keeping = button.getAttribute("data-keep") ?? "";
    at("keeper-says").textContent = button.getAttribute("data-says");
    at("floor").value = "";
    tell(at("keeper-said"), "");
    at("keeper").returnValue = "";
    at("keeper").showModal();
  });
}
at("keeper")?.querySelector("form").addEventListener("submit", async (event) => {
  if (event.submitter?.value !== "yes") return;
  event.preventDefault();
  const floor = at("floor").value ? Number(at("floor").value) / 100 : null;
  try {
    await api("/slices/keep", { name: keeping, floor });
    location.reload();
  } catch (error) {
    tell(at("keeper-said"), error.message, true);
  }
});

// confusions
for (const button of document.querySelectorAll("[data-draft]")) {
  button.addEventListener("click", async () => {
    const [a, b] = JSON.parse(button.getAttribute("data-draft") ?? "[]");
    button.setAttribute("disabled", "");
    tell(at("said"), "Writing a draft …");
    try {
      await api("/guide/draft", { between: [a, b] });
      location.href = `/guide?between=${encodeURIComponent(JSON.stringify([a, b]))}#edit`;
    } catch (error) {
      tell(at("said"), error.message, true);
      button.removeAttribute("disabled");
    }
  });
}

/** The cell that an arrow leads to: the next one in its direction that has a link. */
function next(cell, key) {
  const rows = [...cell.closest("tbody").rows];
  let [y, x] = [rows.indexOf(cell.parentElement), cell.cellIndex];
  const [dy, dx] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
  for (;;) {
    y += dy;
    x += dx;
    const there = rows[y]?.cells[x];
    if (!there) return null;
    const link = there.querySelector("a");
    if (link) return link;
  }
}
document.querySelector(".matrix")?.addEventListener("keydown", (event) => {
  const cell = event.target.closest("td");
  if (!cell || !event.key.startsWith("Arrow") || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  next(cell, event.key)?.focus();
});

const job = at("job");
if (job?.dataset.job === "curve") {
  const show = () => follow(job, "/curve/job").catch((e) => tell(job.querySelector("[data-words]"), e.message, true));
  document.querySelector("[data-measure]")?.addEventListener("click", async () => {
    await api("/curve", {});
    at("none").hidden = true;
    await show();
    at("none").hidden = false;
  });
  job.querySelector("[data-cancel]").addEventListener("click", () => api("/curve/cancel", {}));
  if (job.dataset.state === "running") show();
  if (job.dataset.state === "failed") {
    job.classList.add("loud");
    job.querySelector("[data-bar]").hidden = true;
    job.querySelector("[data-cancel]").hidden = true;
  }
}
