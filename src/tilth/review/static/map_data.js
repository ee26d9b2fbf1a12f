// Rows of the map in columns, and what is near what: no page here, so it can be tried alone.

const NONE = 0xffff;
export const DISAGREES = 1, JUDGED = 2;

/** Columns of the server's answer; see docs/howto/map.md. @param {ArrayBuffer} buffer */
export function read(buffer) {
  const view = new DataView(buffer);
  if (view.getUint32(0, false) !== 0x544d4150) throw new Error("This is no map.");
  const n = view.getUint32(8, true);
  let at = 16;
  const take = (Kind) => {
    const part = new Kind(buffer, at, n);
    at += part.byteLength;
    return part;
  };
  return {
    n, drawn: view.getUint32(12, true),
    x: take(Float32Array), y: take(Float32Array), given: take(Uint16Array), predicted: take(Uint16Array),
    wrong: take(Uint8Array), flags: take(Uint8Array),
  };
}

export const hasLabel = (c) => c !== NONE;

/** Rows by cell of a square grid over [-1, 1], for "which row is nearest". */
export class Cells {
  /** @param {Float32Array} x @param {Float32Array} y */
  constructor(x, y) {
    this.x = x;
    this.y = y;
    this.side = Math.max(1, Math.min(512, Math.round(Math.sqrt(x.length / 3))));
    const cells = this.side * this.side, n = x.length;
    this.starts = new Uint32Array(cells + 1);
    const cell = new Uint32Array(n);
    for (let i = 0; i < n; i++) {
      cell[i] = this.cell(x[i]) + this.side * this.cell(y[i]);
      this.starts[cell[i] + 1]++;
    }
    for (let c = 0; c < cells; c++) this.starts[c + 1] += this.starts[c];
    this.rows = new Uint32Array(n);
    const next = this.starts.slice(0, cells);
    for (let i = 0; i < n; i++) this.rows[next[cell[i]]++] = i;
  }

  cell(v) {
    return Math.max(0, Math.min(this.side - 1, Math.floor((v + 1) / 2 * this.side)));
  }

  /**
   * The `most` rows nearest to a place, the nearest first; rings of cells until no nearer one can be.
   * @returns {{row: number, d: number}[]}
   */
  nearest(px, py, most = 1, within = Infinity) {
    const width = 2 / this.side, cx = this.cell(px), cy = this.cell(py);
    // how far outside the grid the place is: a ring cannot be nearer than that
    const off = Math.hypot(Math.max(0, Math.abs(px) - 1), Math.max(0, Math.abs(py) - 1));
    let found = [];
    for (let ring = 0; ring <= this.side; ring++) {
      const nearest = Math.max(off, (ring - 1) * width);
      const worst = found.length >= most ? found[most - 1].d : within;
      if (nearest > worst) break;
      for (let b = cy - ring; b <= cy + ring; b++) {
        if (b < 0 || b >= this.side) continue;
        const edge = b === cy - ring || b === cy + ring;
        for (let a = cx - ring; a <= cx + ring; a += edge || ring === 0 ? 1 : 2 * ring) {
          if (a < 0 || a >= this.side) continue;
          const c = a + this.side * b;
          for (let k = this.starts[c]; k < this.starts[c + 1]; k++) {
            const row = this.rows[k], d = Math.hypot(this.x[row] - px, this.y[row] - py);
            if (d <= within) found.push({ row, d });
          }
        }
      }
      found.sort((p, q) => p.d - q.d || p.row - q.row);
      if (found.length > most) found = found.slice(0, most);
    }
    return found;
  }
}

const BINS = 512;

/**
 * Which rows are inside a polygon (even-odd rule). Edges are sorted into bands of y first, so that a row is
 * tried against the few edges beside it and not against all.
 * @param {Float32Array} x @param {Float32Array} y @param {number[][]} polygon
 */
export function inside(x, y, polygon) {
  const mask = new Uint8Array(x.length);
  if (polygon.length < 3) return mask;
  const xs = polygon.map((p) => p[0]), ys = polygon.map((p) => p[1]);
  const left = Math.min(...xs), right = Math.max(...xs), low = Math.min(...ys), high = Math.max(...ys);
  const scale = BINS / (high - low || 1);
  const bin = (v) => Math.max(0, Math.min(BINS - 1, Math.floor((v - low) * scale)));
  const bands = Array.from({ length: BINS }, () => /** @type {number[]} */ ([]));
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    if (ys[i] === ys[j]) continue;
    const from = bin(Math.min(ys[i], ys[j])), to = bin(Math.max(ys[i], ys[j]));
    for (let b = from; b <= to; b++) bands[b].push(xs[i], ys[i], xs[j], ys[j]);
  }
  for (let i = 0; i < x.length; i++) {
    const px = x[i], py = y[i];
    if (px < left || px > right || py < low || py > high) continue;
    const edges = bands[bin(py)];
    let odd = 0;
    for (let e = 0; e < edges.length; e += 4) {
      const ay = edges[e + 1], by = edges[e + 3];
      if ((ay > py) !== (by > py) && px < (edges[e + 2] - edges[e]) * (py - ay) / (by - ay) + edges[e]) odd ^= 1;
    }
    mask[i] = odd;
  }
  return mask;
}

/** Rows within a circle. */
export function around(x, y, px, py, radius) {
  const mask = new Uint8Array(x.length), r2 = radius * radius;
  for (let i = 0; i < x.length; i++) mask[i] = Number((x[i] - px) ** 2 + (y[i] - py) ** 2 <= r2);
  return mask;
}

/** One bit a row, the lowest first, in base64. @param {Uint8Array} mask */
export function packed(mask) {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8));
  for (let i = 0; i < mask.length; i++) bytes[i >> 3] |= mask[i] << (i & 7);
  let text = "";
  for (let a = 0; a < bytes.length; a += 8192) text += String.fromCharCode(...bytes.subarray(a, a + 8192));
  return btoa(text);
}

/** The inverse of the server's bits. @param {ArrayBuffer} buffer */
export function unpacked(buffer, n) {
  const bytes = new Uint8Array(buffer), mask = new Uint8Array(n);
  for (let i = 0; i < n; i++) mask[i] = (bytes[i >> 3] >> (i & 7)) & 1;
  return mask;
}
