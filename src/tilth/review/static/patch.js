// Buttons of the pages about patches; each is one call of the API.
import { api, at, forPage, newKey, reviewer, say, visible } from "./common.js";
import { follow } from "./jobs.js";

const box = at("decision");
const id = box?.dataset.patch;

function tell(words, loud = false) {
  const said = at("said");
  said.hidden = !words;
  said.textContent = visible(words);
  said.classList.toggle("loud", loud);
  say(words);
}

const WORDS = {
  accept: ["Accept this patch?", "It becomes a new version of the data set.", "Accept"],
  reject: ["Reject this patch?", "It stays on record as rejected.", "Reject"],
  part: ["Make a patch of the others?", "It revises this one and needs a trial of its own.", "Make it"],
  revert: ["Undo this patch?", "A new version without its changes is made.", "Revert"],
};

/** Ask who and why. @returns {Promise<{author: string, reason: string, force: string} | null>} */
function ask(what) {
  const [head, words, yes] = WORDS[what];
  const blockers = what === "accept" ? box.dataset.blockers : "";
  const unproven = what === "accept" && (Boolean(blockers) || (box.dataset.set === "train" && !document.querySelector(".effect")));
  at("ask-head").textContent = head;
  at("ask-words").textContent = !unproven ? words
    : `${words} ${blockers ? `The evidence is against it: ${blockers}.` : "It was not measured."} To accept it all the same, say why.`;
  at("ask-yes").textContent = yes;
  at("ask-why").value = "";
  // no trial can judge a change of the evaluation set: a person answers for it
  at("ask-why").required = what === "reject" || unproven || (what === "accept" && box.dataset.set !== "train");
  at("ask-name").value = reviewer.get();
  return new Promise((done) => {
    at("ask").onclose = () => {
      if (at("ask").returnValue !== "yes") return done(null);
      reviewer.set(at("ask-name").value.trim());
      const reason = at("ask-why").value.trim();
      done({ author: at("ask-name").value.trim(), reason, force: unproven ? reason : "" });
    };
    at("ask").returnValue = "";
    at("ask").showModal();
  });
}

async function decide(what) {
  const answer = await ask(what);
  if (!answer) return;
  await api(`/patches/${id}/${what}`, answer);
  location.reload();
}

const watch = () => follow(at("job"), `/patches/${id}/trial`);

async function trial() {
  await api(`/patches/${id}/trial`, {});
  await watch();
}

/** Rows of this page whose change is not wanted. */
const unwanted = () => [...document.querySelectorAll("[data-row]")]
  .filter((b) => !(/** @type {any} */ (b).checked)).map((b) => b.getAttribute("data-row"));

async function part() {
  const author = reviewer.get() || (await ask("part"))?.author;
  if (!author) return;
  const made = await api(`/patches/${id}/part`, { rows: unwanted(), without: true, author });
  location.href = "/patches/" + made.id;
}

const ACTS = {
  trial, part,
  accept: () => decide("accept"),
  reject: () => decide("reject"),
  revert: () => decide("revert"),
  rebase: async () => { location.href = "/patches/" + (await api(`/patches/${id}/rebase`, {})).id; },
  relabel: async () => {
    const made = await api("/relabel", {});
    if (made.id) location.href = "/patches/" + made.id;
    else tell("No verdict wants a change that is not made yet.");
  },
  propose: async () => { tell("Looking for patches …"); await api("/propose", {}); location.reload(); },
};

for (const button of document.querySelectorAll("[data-do]")) {
  button.addEventListener("click", async () => {
    /** @type {any} */ (button).disabled = true;
    try {
      await ACTS[/** @type {HTMLElement} */ (button).dataset.do ?? ""]();
    } catch (error) {
      tell(error.message, true);
    } finally {
      /** @type {any} */ (button).disabled = false;
    }
  });
}
document.addEventListener("keydown", (event) => {
  const name = { T: "trial", A: "accept" }[event.key];
  const button = name && document.querySelector(`[data-do=${name}]`);
  if (button && forPage(event)) /** @type {any} */ (button).click();
});
for (const box of document.querySelectorAll("[data-row]")) {
  box.addEventListener("change", () => {
    const n = unwanted().length;
    at("partly").hidden = n === 0;
    at("partly").querySelector("[data-partly]").textContent =
      `${n} of the changes on this page ${n === 1 ? "is" : "are"} left out. All others, also those of other pages, become a patch of their own.`;
  });
}
at("talk")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  form.dataset.key ||= newKey(); // sent again after an answer was lost, it is kept once
  reviewer.set(at("talker").value.trim());
  try {
    await api(`/patches/${id}/comments`, { text: at("remark").value, author: at("talker").value, key: form.dataset.key });
    at("remark").value = "";
    location.hash = "#discussion";
    location.reload();
  } catch (error) {
    at("talk-said").hidden = false;
    at("talk-said").textContent = visible(error.message);
  }
});
if (at("talker")) {
  at("talker").value = reviewer.get();
  at("say").disabled = false; // sent before this point, the text would be lost
}
at("job")?.querySelector("[data-cancel]").addEventListener("click", () => api(`/patches/${id}/cancel`, {}));
// a trial that was begun before this page was loaded
if (at("job")?.dataset.state === "running") watch().catch((error) => tell(error.message, true));
if (at("job")?.dataset.state === "failed") at("job").classList.add("loud");
