// Search among class names: all letters in order; whole words and beginnings first.

/** Cost of a name for what was typed, or Infinity; less is better. */
export function cost(name, typed) {
  const text = name.toLowerCase();
  const wanted = typed.toLowerCase().trim();
  if (!wanted) return 0;
  const found = text.indexOf(wanted);
  if (found >= 0) return (found === 0 ? 0 : /[^a-z0-9]/.test(text[found - 1]) ? 1 : 2) + text.length / 1000;
  let from = 0, gaps = 0;
  for (const letter of wanted.replace(/\s+/g, "")) {
    const next = text.indexOf(letter, from);
    if (next < 0) return Infinity;
    gaps += next - from;
    from = next + 1;
  }
  return 10 + gaps + text.length / 1000;
}

/** Names that fit, best first; the order of equals is kept. */
export function search(names, typed, most = 12) {
  return names
    .map((name, i) => ({ name, i, c: cost(name, typed) }))
    .filter((x) => x.c < Infinity)
    .sort((a, b) => a.c - b.c || a.i - b.i)
    .slice(0, most)
    .map((x) => x.name);
}
