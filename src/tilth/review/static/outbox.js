// Verdicts on their way to the server. Each lies in localStorage until the server has it on disk, so neither
// a closed tab nor a killed server loses one; its key makes sure that it counts once if it is sent twice.
import * as copy from "./keep.js";
import { api, newKey, reviewer } from "./common.js";

const PREFIX = "tilth:out:";
const AT_ONCE = 50;
let last = 0;

/** Key under which things sort in the order in which they were decided, also over tabs and reloads. */
function place() {
  last = Math.max(last + 1, Date.now() * 1000);
  return String(last).padStart(20, "0");
}

const read = (name) => JSON.parse(localStorage.getItem(name) || "null");

/** Names of the waiting verdicts, oldest first; where people log in, those of this person. */
function waiting() {
  const names = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX)).sort();
  return reviewer.loggedIn ? names.filter((name) => read(name)?.reviewer === reviewer.get()) : names;
}

/** These are on the server, or never will be. */
function taken(names) {
  names.forEach((name) => localStorage.removeItem(name));
  copy.remove(names);
}

export class Outbox {
  /**
   * @param {(saved: string[]) => void} onSaved keys that are on disk now
   * @param {(refused: {key: string, message: string}[]) => void} onRefused
   * @param {(error: Error | null) => void} onTrouble null: it is over
   */
  constructor(onSaved, onRefused, onTrouble) {
    this.onSaved = onSaved;
    this.onRefused = onRefused;
    this.onTrouble = onTrouble;
    this.busy = false;
    this.pause = 0;
  }

  /** Put a verdict down; it is in localStorage when this returns. */
  add(reviewer, item) {
    const key = newKey();
    const name = PREFIX + place(), body = JSON.stringify({ reviewer, item: { ...item, key } });
    localStorage.setItem(name, body);
    copy.put(name, body);
    this.flush();
    return key;
  }

  /** Take back what a killed browser had not written to localStorage yet. */
  async restore() {
    const lost = (await copy.all()).filter(([name]) => localStorage.getItem(name) === null);
    for (const [name, body] of lost) localStorage.setItem(name, body);
    if (lost.length) this.flush();
    return lost.length;
  }

  /** The waiting verdicts, oldest first. */
  items() {
    return waiting().map((name) => read(name)?.item).filter(Boolean);
  }

  async flush() {
    if (this.busy) return;
    this.busy = true;
    try {
      for (let names = waiting(); names.length; names = waiting()) {
        await this.send(names);
        this.pause = 0;
        this.onTrouble(null);
      }
    } catch (error) {
      this.pause = Math.min(10_000, this.pause * 2 || 500);
      this.onTrouble(error);
      setTimeout(() => this.flush(), this.pause);
    } finally {
      this.busy = false;
    }
  }

  async send(names) {
    const found = names.map((name) => ({ name, body: read(name) }));
    const first = found.find((x) => x.body);
    if (!first) {
      taken(names);
      return;
    }
    const who = first.body.reviewer;
    const end = found.findIndex((x) => x.body && x.body.reviewer !== who);
    const batch = found.slice(0, end < 0 ? found.length : end).filter((x) => x.body).slice(0, AT_ONCE);
    const answer = await api("/verdicts", { reviewer: who, items: batch.map((x) => x.body.item) });
    taken(batch.map((x) => x.name));
    if (answer.saved.length) this.onSaved(answer.saved);
    if (answer.refused.length) this.onRefused(answer.refused);
  }
}
