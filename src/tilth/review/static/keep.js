// A second copy of what waits, in IndexedDB, written to the disk at once: browsers write localStorage seconds later, so a
// killed browser loses its newest entries. Verdicts have keys, so one that comes back after it was sent counts once.

const STORE = "waiting";
/** @type {Promise<IDBDatabase | null>} null where the browser gives none (a private window) */
const opened = new Promise((resolve) => {
  try {
    const asked = indexedDB.open("tilth-outbox", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => resolve(null);
  } catch {
    resolve(null);
  }
});

async function write(change) {
  const base = await opened;
  // @ts-ignore: strict asks for the disk, not for the system's cache
  if (base) change(base.transaction(STORE, "readwrite", { durability: "strict" }).objectStore(STORE));
}

export const put = (name, value) => write((store) => store.put(value, name));

export const remove = (names) => write((store) => names.forEach((name) => store.delete(name)));

/** All copies: [name, value]. */
export async function all() {
  const base = await opened;
  if (!base) return [];
  return new Promise((resolve) => {
    const found = [], asked = base.transaction(STORE).objectStore(STORE).openCursor();
    asked.onerror = () => resolve(found);
    asked.onsuccess = () => {
      const at = asked.result;
      if (!at) return resolve(found);
      found.push([at.key, at.value]);
      at.continue();
    };
  });
}
