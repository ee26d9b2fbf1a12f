// Who is at work, how fast, and where they differ; asked for every few seconds while the page is looked at.
import { api, at, el } from "./common.js";

const EVERY = 5000;
const differing = new URLSearchParams(location.search).get("queue") === "disagreements";

function person(p) {
  const item = document.createElement("li");
  item.append(el("strong", p.reviewer), " ", el("span", `${p.verdicts.toLocaleString("en")} verdicts`, "n"));
  if (p.per_minute) item.append(" ", el("span", `${p.per_minute.toFixed(1)} a minute`, "n muted"));
  if (p.leased) item.append(" ", el("span", `${p.leased} in hand`, "n muted"));
  return item;
}

function agreement(a) {
  const bounds = a.alpha.value === null ? "" : `, alpha ${a.alpha.value.toFixed(2)} [${Math.max(-1, a.alpha.low).toFixed(2)}, ${a.alpha.high.toFixed(2)}]`;
  return `Agreement ${Math.round(100 * a.observed)} %${bounds} on ${a.rows} rows that two people judged`;
}

function draw(found) {
  // alone there is nothing to say that the page does not say already
  at("team").hidden = found.people.length < 2 && !found.disagreements && !differing;
  at("team-people").replaceChildren(...found.people.slice(0, 12).map(person));
  const more = at("team-more");
  more.replaceChildren();
  if (found.waiting) more.append(el("span", `${found.waiting} waiting for a second opinion`));
  if (found.agreement) more.append(el("span", agreement(found.agreement)));
  if (found.disagreements || differing) {
    const link = document.createElement("a");
    link.href = differing ? "/decide" : "/decide?queue=disagreements";
    link.textContent = differing ? "Back to the rows that want a verdict" : `People differ on ${found.disagreements}: settle`;
    more.append(link);
  }
}

async function look() {
  if (document.hidden) return;
  try {
    draw(await api("/reviewers"));
  } catch {
    // the page itself says that the server does not answer
  }
}

setInterval(look, EVERY);
document.addEventListener("visibilitychange", look);
look();
