// Points into pixels. Software, on purpose: where there is no graphics card, which is where people work on
// servers through a tunnel, this is several times faster than WebGL, and it is the same everywhere.

export const DENSE = 300_000;

/** "#rgb" or "#rrggbb" as it stands in the memory of an image. */
export function colour(hex) {
  const h = hex.trim().replace("#", "");
  const full = h.length === 3 ? [...h].map((c) => c + c).join("") : h;
  const v = parseInt(full, 16);
  return (0xff000000 | (v & 0xff) << 16 | (v & 0xff00) | v >> 16) >>> 0;
}

/** A colour between two, 0 to 1. */
export function mix(a, b, t) {
  const part = (s) => Math.round((a >>> s & 255) + ((b >>> s & 255) - (a >>> s & 255)) * t) << s;
  return (0xff000000 | part(16) | part(8) | part(0)) >>> 0;
}

/** Pixels of a dot: those that are covered, and those in part, by how much of 256. */
function stamp(radius, width) {
  const full = [], part = [], shares = [], r = Math.ceil(radius);
  for (let dy = -r; dy <= r; dy++) {
    for (let dx = -r; dx <= r; dx++) {
      let hit = 0;
      for (let a = 0; a < 4; a++) {
        for (let b = 0; b < 4; b++) hit += Number(Math.hypot(dx + (a - 1.5) / 4, dy + (b - 1.5) / 4) <= radius);
      }
      if (hit === 16) full.push(dy * width + dx);
      else if (hit) { part.push(dy * width + dx); shares.push(hit * 16); }
    }
  }
  return { r, full: Int32Array.from(full), part: Int32Array.from(part), shares: Int32Array.from(shares) };
}

export class Painter {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.image = this.context.createImageData(1, 1);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.counts = new Uint32Array(0);
  }

  /** Size in pixels of the device. */
  resize(width, height) {
    if (this.canvas.width === width && this.canvas.height === height) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.image = this.context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  /**
   * Draw everything.
   * @param {{x: Float32Array, y: Float32Array, n: number}} rows
   * @param {{cx: number, cy: number, scale: number}} view centre, and pixels a unit
   * @param {{colours: Uint32Array, order: Uint32Array, split: number, radius: number, raised: number,
   *          paper: number, ink: number}} look
   *   colours of each row; the order in which they are drawn; from `split` on they lie on top, with
   *   radius `raised`
   */
  draw(rows, view, look) {
    this.pixels.fill(look.paper);
    const dense = rows.n > DENSE;
    if (dense) this.density(rows, view, look);
    else this.dots(rows, view, look.colours, look.order, 0, look.split, look.radius);
    this.dots(rows, view, look.colours, look.order, look.split, look.order.length, look.raised);
    this.context.putImageData(this.image, 0, 0);
  }

  dots(rows, view, colours, order, from, to, radius) {
    const w = this.canvas.width, h = this.canvas.height, { x, y } = rows, pixels = this.pixels;
    const { r, full, part, shares } = stamp(radius, w);
    const left = w / 2 - view.cx * view.scale, top = h / 2 + view.cy * view.scale, s = view.scale;
    const nf = full.length, np = part.length;
    for (let k = from; k < to; k++) {
      const i = order[k], px = (x[i] * s + left) | 0, py = (top - y[i] * s) | 0;
      if (px < r || py < r || px >= w - r || py >= h - r) continue;
      const at = py * w + px, c = colours[i];
      for (let q = 0; q < nf; q++) pixels[at + full[q]] = c;
      for (let q = 0; q < np; q++) {
        const p = at + part[q], old = pixels[p], a = shares[q], b = 256 - a;
        // red and blue at once, then green
        pixels[p] = (0xff000000 | ((c & 0xff00ff) * a + (old & 0xff00ff) * b >>> 8 & 0xff00ff)
          | ((c & 0xff00) * a + (old & 0xff00) * b >>> 8 & 0xff00)) >>> 0;
      }
    }
  }

  /** How many rows lie in each two by two pixels, on a logarithmic scale. */
  density(rows, view, look) {
    const w = this.canvas.width, h = this.canvas.height, half = w + 1 >> 1, { x, y } = rows;
    const size = half * (h + 1 >> 1);
    if (this.counts.length !== size) this.counts = new Uint32Array(size);
    else this.counts.fill(0);
    const left = w / 2 - view.cx * view.scale, top = h / 2 + view.cy * view.scale, s = view.scale;
    let most = 1;
    for (let i = 0; i < rows.n; i++) {
      const px = (x[i] * s + left) | 0, py = (top - y[i] * s) | 0;
      if (px < 0 || py < 0 || px >= w || py >= h) continue;
      const c = ++this.counts[(py >> 1) * half + (px >> 1)];
      if (c > most) most = c;
    }
    const ramp = new Uint32Array(most + 1), top2 = Math.log1p(most);
    for (let c = 0; c <= most; c++) ramp[c] = c ? mix(look.paper, look.ink, 0.15 + 0.85 * Math.log1p(c) / top2) : look.paper;
    for (let py = 0; py < h; py++) {
      const line = (py >> 1) * half;
      for (let px = 0; px < w; px++) {
        const c = this.counts[line + (px >> 1)];
        if (c) this.pixels[py * w + px] = ramp[c];
      }
    }
  }
}

/** Names at their places, those with most rows first; one that would lie on another is left out. */
export function names(context, places, view, look) {
  const { width, height } = context.canvas, taken = [];
  context.font = `600 ${Math.round(12 * look.ratio)}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 4 * look.ratio;
  context.strokeStyle = look.halo;
  const high = 24 * look.ratio;  // room between names: the points are what is looked at
  for (const p of places) {
    const px = (p.x - view.cx) * view.scale + width / 2, py = height / 2 - (p.y - view.cy) * view.scale;
    if (px < 0 || py < 0 || px > width || py > height) continue;
    const half = context.measureText(p.name).width / 2 + 10 * look.ratio;
    if (taken.some((t) => Math.abs(t.px - px) < t.half + half && Math.abs(t.py - py) < high)) continue;
    taken.push({ px, py, half });
    context.strokeText(p.name, px, py);
    context.fillStyle = p.colour;
    context.fillText(p.name, px, py);
  }
  return taken.length;
}
