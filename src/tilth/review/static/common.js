// What every page has: calls of the API, text that is shown and never obeyed, global keys.

/** An answer that is not good, in the server's words. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Call the API. status 0: no answer at all.
 * @param {string} path @param {object} [body] sent as POST when given
 */
export async function api(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch("/api" + path, options);
  } catch {
    throw new ApiError(0, "The server does not answer. Is `tilth review` still running?");
  }
  if (answer.status === 401) {
    if (login) throw new ApiError(401, "Your login has ended: log in again in another tab (/login), then come back here.");
    throw new ApiError(401, "The server was started again: open the address that it printed, then come back here.");
  }
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new ApiError(answer.status, found.message || `The server answered ${answer.status}.`);
  return found;
}

/** @param {string} id @returns {any} */
export const at = (id) => document.getElementById(id);

/** Control characters and direction overrides are shown by name, as on the server (report/format.py). */
export function visible(text) {
  return String(text ?? "")
    .replace(/\r\n/g, "\n")
    .replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/\u007f/g, "\u2421")
    .replace(/[\u2028\u2029]/g, "\n")
    .replace(/[\u0080-\u009f]/g, "\ufffd")
    .replace(/[\u202a-\u202e\u2066-\u2069]/g, (c) => `⟦U+${c.charCodeAt(0).toString(16).toUpperCase()}⟧`);
}

/** An element with text from data, apart from the direction of what is around it. */
export function el(name, text, className) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) {
    const inner = document.createElement("bdi");
    inner.textContent = visible(text);
    made.append(inner);
  }
  return made;
}

/** A name that nobody else makes up; randomUUID is there only over https and on this machine. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Say something to a screen reader. */
export function say(words) {
  at("live").textContent = words;
}

const login = document.querySelector('meta[name="tilth-reviewer"]')?.getAttribute("content") ?? "";

/** Who decides: whoever is logged in, else the name that was given on this page. */
export const reviewer = {
  loggedIn: Boolean(login),
  get: () => login || localStorage.getItem("tilth:reviewer") || "",
  set: (name) => localStorage.setItem("tilth:reviewer", name),
};

/** Whether a key is meant for the page: no field has the focus, no dialog is open, no modifier is down. */
export function forPage(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  return !(event.ctrlKey || event.metaKey || event.altKey || event.isComposing)
    // a dialog that was closed a moment ago may still have the focus
    && (!target.closest("input, textarea, select") || Boolean(target.closest("dialog:not([open])")))
    && !document.querySelector("dialog[open]")
    && localStorage.getItem("tilth:letters") !== "off";
}

function nextTheme() {
  const order = ["", "light", "dark"];
  const now = document.documentElement.dataset.theme || "";
  const next = order[(order.indexOf(now) + 1) % 3];
  if (next) document.documentElement.dataset.theme = next;
  else delete document.documentElement.dataset.theme;
  localStorage.setItem("tilth:theme", next);
  say(`theme: ${next || "as the system"}`);
}

/** Address of the page that a key after `g` leads to. */
function place(key) {
  const link = [...document.querySelectorAll("a[data-go]")].find((a) => a.getAttribute("data-go") === key);
  return link?.getAttribute("href");
}

// nobody acts in the name of somebody else
if (login) {
  for (const field of document.querySelectorAll('input[autocomplete="name"]')) {
    /** @type {any} */ (field).value = login;
    /** @type {any} */ (field).readOnly = true;
  }
}

let going = -1e9;  // not 0: that is when the page was opened
document.addEventListener("keydown", (event) => {
  if (!forPage(event)) return;
  if (event.key === "?") {
    event.preventDefault();
    at("keys").showModal();
    return;
  }
  const there = event.timeStamp - going < 1500 ? place(event.key) : undefined;
  if (there) {
    event.preventDefault();
    event.stopImmediatePropagation();
    location.href = there;
    return;
  }
  going = event.key === "g" ? event.timeStamp : -1e9;
  if (event.key === "t") nextTheme();
});
at("theme").addEventListener("click", nextTheme);
at("help").addEventListener("click", () => at("keys").showModal());
at("letters").checked = localStorage.getItem("tilth:letters") !== "off";
at("letters").addEventListener("change", () => localStorage.setItem("tilth:letters", at("letters").checked ? "on" : "off"));
