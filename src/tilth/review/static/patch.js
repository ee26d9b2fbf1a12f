// Buttons of the pages about patches; each is one call of the API.
import { api, at, forPage, reviewer, say, visible } from "./common.js";

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

async function trial() {
  await api(`/patches/${id}/trial`, {});
  await follow();
}

/** Ask every half second how far the trial is. */
async function follow() {
  for (;;) {
    const job = await api(`/patches/${id}/trial`);
    if (job.state === "done") return location.reload();
    if (job.state === "failed") return tell(job.error || "The trial failed.", true);
    tell(`Trial at work: ${job.step}`);
    await new Promise((go) => setTimeout(go, 500));
  }
}

const ACTS = {
  trial,
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
// a trial that was begun before this page was loaded
if (id && document.querySelector("[data-do=trial]")) {
  api(`/patches/${id}/trial`).then((job) => job.state === "running" && follow()).catch(() => {});
}
