// The address of the Decide page: the row that is painted, and the set that its rows come from.
const given = new URLSearchParams(location.search);

/** The row that the address names; it is shown first, whoever has it. */
export const pinned = given.get("row") ?? "";
const rest = new URLSearchParams(location.search);
rest.delete("row");
rest.delete("token");

/** The set whose rows are decided one by one, in the words of the set page; "" for the worklist. */
export const asked = (() => {
  const words = new URLSearchParams(rest);
  words.delete("queue");
  return words.toString();
})();

let timer = 0;
/** Let the address follow the row. A little later: browsers stop a page that changes it at every key. */
export function remember(id) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const words = new URLSearchParams(rest);
    words.set("row", id);
    history.replaceState(null, "", `${location.pathname}?${words}`);
  }, 250);
}
