// Work in a process of its own: how far it is, how long it still takes.
import { api, say, visible } from "./common.js";

const minutes = (s) => (s < 90 ? `${Math.max(1, Math.round(s))} s` : `${Math.round(s / 60)} min`);

/** How far a job is, in words. */
export function words(job) {
  const counted = job.total > 1 ? ` ${job.done} of ${job.total}` : "";
  const left = job.left === null ? "" : `, about ${minutes(job.left)} left in this step`;
  return `${job.step}${counted} · ${minutes(job.seconds)} so far${left}`;
}

/** Show a job until it ends. @param {HTMLElement} box @param {string} path of the API that tells its state */
export async function follow(box, path) {
  const line = /** @type {HTMLElement} */ (box.querySelector("[data-words]"));
  const bar = /** @type {HTMLProgressElement} */ (box.querySelector("[data-bar]"));
  box.hidden = false;
  for (;;) {
    const job = await api(path);
    if (job.state === "done") return location.reload();
    if (job.state !== "running") {
      line.textContent = job.state === "failed" ? visible(job.error || "It failed.") : "Cancelled; nothing was kept.";
      box.classList.toggle("loud", job.state === "failed");
      bar.hidden = true;
      box.querySelector("[data-cancel]")?.setAttribute("hidden", "");
      say(line.textContent);
      return undefined;
    }
    box.querySelector("[data-cancel]")?.removeAttribute("hidden");
    bar.hidden = false;
    if (job.total > 1) bar.value = job.done / job.total;
    else bar.removeAttribute("value");
    line.textContent = words(job);
    await new Promise((go) => setTimeout(go, 500));
  }
}
