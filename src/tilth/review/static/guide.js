// The editor of the label guide: what a text changes, saved only where nobody else saved in between.
import { api, at, el, reviewer, say, visible } from "./common.js";

const box = at("text");
const KEPT = "tilth:guide";
let base = box?.dataset.base;
let asked = 0;

function tell(words, loud = false) {
  at("said").hidden = !words;
  at("said").textContent = visible(words);
  at("said").classList.toggle("loud", loud);
  if (words) say(words);
}

/** Two classes out of the address, in the order in which a clause names them; null where it names none. */
function pairOf(text) {
  try {
    const found = JSON.parse(text);
    return Array.isArray(found) && found.length === 2 ? found.map(String).sort() : null;
  } catch {
    return null;
  }
}

/** Lines of a diff, each with what became of it. */
function drawn(changes) {
  return changes.flatMap((c) => {
    const head = document.createElement("h4");
    head.append(el("span", c.change, "muted"), " ", el("span", c.title));
    const lines = document.createElement("pre");
    for (const line of c.diff.split("\n").filter(Boolean)) {
      const kind = { "+": "ins", "-": "del" }[line[0]] ?? "span";
      const made = document.createElement(kind);
      made.textContent = visible(kind === "span" ? line : `${line[0] === "-" ? "−" : "+"}${line.slice(1)}`);
      lines.append(made, "\n");
    }
    return [head, lines];
  });
}

async function look() {
  const mine = ++asked;
  let found;
  try {
    found = await api("/guide/look", { text: box.value });
  } catch (error) {
    if (mine === asked) {
      at("problem").hidden = false;
      at("problem").textContent = visible(error.message);
    }
    return;
  }
  if (mine !== asked) return;
  at("problem").hidden = true;
  const none = el("p", "Nothing yet.", "muted");
  at("preview").replaceChildren(...(found.diff.length ? drawn(found.diff) : [none]));
  for (const odd of found.unknown) {
    at("preview").prepend(el("p", `No row has the class ${odd.name}${odd.near ? `; did you mean ${odd.near}?` : "."}`, "box loud"));
  }
}

let timer = 0;
function changed() {
  try {
    localStorage.setItem(KEPT, JSON.stringify({ base, text: box.value }));
  } catch { /* a full store is no reason to stop writing */ }
  clearTimeout(timer);
  timer = setTimeout(look, 500);
}

async function save() {
  const author = at("author").value.trim();
  if (!author) {
    tell("Say who you are: a version has an author.", true);
    return at("author").focus();
  }
  reviewer.set(author);
  at("save-guide").disabled = true;
  try {
    const done = await api("/guide", { text: box.value, base, author, note: at("note").value });
    localStorage.removeItem(KEPT);
    say(done.saved ? `version ${done.saved} saved` : "nothing changed");
    location.href = done.saved > 1 ? `/guide?a=${done.saved - 1}&b=${done.saved}#changes` : "/guide#changes";
    if (location.pathname + location.search === "/guide") location.reload();
  } catch (error) {
    if (error.status !== 409) return tell(error.message, true);
    at("conflict").hidden = false;
    at("conflict").querySelector("p").textContent =
      "Somebody changed the guide while you were writing. Nothing was written, and your text is still here.";
    at("conflict").scrollIntoView({ block: "nearest" });
  } finally {
    at("save-guide").disabled = false;
  }
}

async function meanwhile() {
  const now = await api("/guide");
  at("theirs").hidden = false;
  at("theirs").value = now.text;
  base = now.base; // whoever saved is in the versions; what comes next is compared with that
  await look();
}

if (box) {
  at("author").value = reviewer.get();
  box.addEventListener("input", changed);
  box.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "s" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      save();
    }
  });
  at("save-guide").addEventListener("click", save);
  at("meanwhile").addEventListener("click", meanwhile);
  at("anyway").addEventListener("click", async () => {
    await meanwhile();
    at("conflict").hidden = true;
    await save();
  });
  const kept = JSON.parse(localStorage.getItem(KEPT) ?? "null");
  if (kept && kept.text !== box.value) {
    at("kept").hidden = false;
    at("bring").addEventListener("click", () => {
      box.value = kept.text;
      base = kept.base; // an older base: saving asks when somebody else saved since
      at("kept").hidden = true;
      look();
    });
    at("forget").addEventListener("click", () => {
      localStorage.removeItem(KEPT);
      at("kept").hidden = true;
    });
  }
  const between = pairOf(box.dataset.between);
  if (between) {
    const [a, b] = between;
    const found = box.value.indexOf(`## ${a} / ${b}`);
    if (found >= 0) {
      box.focus();
      box.setSelectionRange(found, found);
      const line = box.value.slice(0, found).split("\n").length - 1;
      box.scrollTop = Math.max(0, line * parseFloat(getComputedStyle(box).lineHeight));
    }
  }
  look();
}
for (const button of document.querySelectorAll("[data-draft]")) {
  button.addEventListener("click", async () => {
    const between = JSON.parse(button.getAttribute("data-draft") ?? "[]");
    if (box && box.value !== box.defaultValue) {
      return tell("Save or take back your edits first: a draft is written into the same file.", true);
    }
    button.setAttribute("disabled", "");
    tell("Writing a draft …");
    try {
      await api("/guide/draft", { between });
      location.href = `/guide?between=${encodeURIComponent(JSON.stringify(between))}#edit`;
    } catch (error) {
      tell(error.message, true);
      button.removeAttribute("disabled");
    }
  });
}
