// Rows in this window's hands: the server hands them to nobody else until they are decided, given back or a while unused.
import { asked } from "./address.js";
import { api, at, el, reviewer } from "./common.js";

const AT_HAND = 40, REMEMBERED = 300;
const KEY = "tilth:seat";

/** "" or "disagreements": rows on which people differ. */
export const queue = new URLSearchParams(location.search).get("queue") ?? "";

const seat = Array.from(crypto.getRandomValues(new Uint8Array(9)), (b) => b.toString(16).padStart(2, "0")).join("");

/**
 * The seat that this tab had before a reload, "" without: its rows come along. A tab that was duplicated has a copy of
 * the name of a seat that is still taken; the lock tells.
 */
const before = new Promise((resolve) => {
  const was = sessionStorage.getItem(KEY) ?? "";
  sessionStorage.setItem(KEY, seat);
  if (!navigator.locks) { // plain HTTP from another machine
    resolve("");
    return;
  }
  navigator.locks.request(`tilth-seat-${seat}`, () => new Promise(() => {}));
  if (was) navigator.locks.request(`tilth-seat-${was}`, { ifAvailable: true }, (lock) => resolve(lock ? was : ""));
  else resolve("");
});

/**
 * Rows to decide, and where the review stands.
 * @param {string[]} have rows on the screen and next to it, kept where nobody else holds them
 * @param {string[]} decided rows decided here, newest last
 */
export async function lease(have, decided) {
  const was = await before;
  const body = { reviewer: reviewer.get(), seat, was, n: AT_HAND, have, without: decided.slice(-REMEMBERED), queue, asked };
  return api("/lease", body);
}

/** Give rows back that this window does not want; also while the page is going. */
export function giveBack(rows) {
  if (!rows.length || !reviewer.get()) return;
  const body = new Blob([JSON.stringify({ reviewer: reviewer.get(), seat, rows })], { type: "application/json" });
  navigator.sendBeacon("/api/lease/release", body);
}

/** What others said of the row on the screen; shown where people differ, and nowhere else. */
export function drawVoices(voices) {
  at("voices-box").hidden = !voices;
  document.querySelectorAll('[data-act="ask"]').forEach((button) => { /** @type {HTMLElement} */ (button).hidden = Boolean(queue); });
  at("voices").replaceChildren(...(voices ?? []).map((v) => {
    const item = document.createElement("li");
    const what = v.verdict === "relabel" ? `relabel → ${v.label}` : v.verdict === "keep" ? `keep ${v.given ?? ""}` : v.verdict;
    item.append(el("strong", v.reviewer), " ", el("span", what));
    if (v.note) item.append(el("span", ` “${v.note}”`, "muted"));
    return item;
  }));
}
