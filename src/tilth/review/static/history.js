// Bring an earlier version back; first it is said what that does.
import { api, at, reviewer, say, visible } from "./common.js";

function tell(words, loud = false) {
  at("said").hidden = false;
  at("said").textContent = visible(words);
  at("said").classList.toggle("loud", loud);
  say(words);
}

let wanted = "";
for (const button of document.querySelectorAll("[data-restore]")) {
  button.addEventListener("click", async () => {
    wanted = button.getAttribute("data-restore") ?? "";
    try {
      const { would } = await api(`/versions/${encodeURIComponent(wanted)}/restore`);
      const rows = Object.entries(would.counts).map(([kind, n]) => `${kind} ${n.toLocaleString("en")}`).join(", ");
      at("back-head").textContent = `Bring ${wanted} back?`;
      at("back-words").textContent = would.reverts.length
        ? `Undoes ${would.reverts.length} patch${would.reverts.length > 1 ? "es" : ""}, as new versions. Rows that change: ${rows}.`
        : `No accepted patch stands in between; one patch brings its rows back. Rows that change: ${rows}.`;
      at("back-list").replaceChildren(...would.reverts.map((id) => {
        const line = document.createElement("li");
        const link = document.createElement("a");
        link.href = `/patches/${id}`;
        link.textContent = id;
        line.append(link);
        return line;
      }));
      at("back-name").value = reviewer.get();
      at("back-said").hidden = true;
      at("back").showModal();
    } catch (error) {
      tell(error.message, true);
    }
  });
}
at("back").querySelector("form").addEventListener("submit", async (event) => {
  if (event.submitter?.value !== "yes") return;
  event.preventDefault();
  const author = at("back-name").value.trim();
  reviewer.set(author);
  try {
    await api(`/versions/${encodeURIComponent(wanted)}/restore`, { author });
    location.href = "/history";
  } catch (error) {
    at("back-said").hidden = false;
    at("back-said").textContent = visible(error.message);
  }
});
