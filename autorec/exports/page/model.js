"use strict";
// A model in the page: what `ask` of the page asks a service otherwise. The formulas are those of recommend.py.
const STRIP = 64;  // items that are written together, as quantise.py has it
let told;
const sum = values => { let total = 0; for (const value of values) total += value; return total; };
const dot = (x, y, at = 0) => { let total = 0; for (let k = 0; k < x.length; k++) total += x[k] * y[at + k]; return total; };

async function inflate(part) {
  const stream = new Blob([part]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function whole(bytes, count) {  // symbols and then bits, see quantise.py
  const found = new Int32Array(count);
  for (let k = 0, at = 8 * count; k < count; k++) {
    const symbol = bytes[k];
    let folded = symbol < 16 ? symbol : symbol & 7 | 8;
    for (let left = symbol < 16 ? 0 : (symbol >> 3) - 1; left; left--, at++) folded = folded * 2 + (bytes[at >> 3] >> 7 - at % 8 & 1);
    found[k] = folded % 2 ? -(folded + 1) / 2 : folded / 2;  // 0, −1, 1, −2, …
  }
  return found;
}

const floats = bytes => new Float32Array(bytes.buffer);

function vectors({shape: [n, m], rank}, parts) {  // A · Cᵀ, both stored by direction
  const a = whole(parts[0], rank * n), c = whole(parts[1], rank * m), steps = floats(parts[2]), found = new Float32Array(n * m);
  for (let i = 0; i < n; i++) {
    const row = new Float64Array(m);
    for (let d = 0; d < rank; d++) {
      const factor = a[d * n + i] * steps[d];
      if (factor) for (let j = 0; j < m; j++) row[j] += factor * c[d * m + j];
    }
    found.set(row, i * m);
  }
  return found;
}

function turned({shape: [n, rank]}, parts) {  // A between the scales of its rows and columns, in strips of rows, by column
  const a = whole(parts[0], n * rank), [left, right] = parts.slice(1).map(floats), found = new Float32Array(n * rank);
  for (let first = 0, k = 0; first < n; first += STRIP) {
    for (let d = 0; d < rank; d++) {
      for (const i of told.by_count.slice(first, first + STRIP)) found[i * rank + d] = a[k++] * left[i] * right[d];
    }
  }
  return found;
}

function ease({shape: [n], step}, parts) {  // B_ij = −step · q_ij · d_i / d_j / √(u_i v_j + u_j v_i), q symmetric, B_ii = 0, d = √diag(P)
  const q = whole(parts[0], n * (n - 1) / 2), [d, u, v] = [1, 2, 3].map(k => floats(parts[k]));
  const found = new Float32Array(n * n), order = told.by_count;
  for (let first = 0, k = 0; first < n; first += STRIP) {  // strips of rows, by column
    for (let b = first + 1; b < n; b++) {
      for (let a = first; a < Math.min(first + STRIP, b); a++, k++) {
        const i = order[a], j = order[b], value = -step * q[k] / Math.sqrt(u[i] * v[j] + u[j] * v[i]);
        found[i * n + j] = value * d[i] / d[j];
        found[j * n + i] = value * d[j] / d[i];
      }
    }
  }
  return found;
}

function readBits(text) {  // 15 bits a character, as html_page.py writes them
  const bytes = new Uint8Array(text.length * 15 >> 3);
  for (let k = 0, at = 0, held = 0, bits = 0; k < text.length; k++) {
    held = (held & 255) << 15 | text.charCodeAt(k) - 0x4000;
    for (bits += 15; bits >= 8; at++) bytes[at] = held >> (bits -= 8);
  }
  return bytes;
}

async function unpack() {
  const packed = document.getElementById("model-bytes"), bytes = readBits(packed.textContent), arrays = {};
  let at = Number(packed.dataset.facts);
  told = JSON.parse(new TextDecoder().decode(await inflate(bytes.slice(0, at))));
  for (const [name, facts] of Object.entries(told.arrays)) {
    const parts = await Promise.all(facts.lengths.map(length => inflate(bytes.slice(at, at += length))));
    const readers = {floats: (_, parts) => floats(parts[0]), vectors, turned, ease};
    arrays[name] = {values: readers[facts.form](facts, parts), width: facts.shape[1] ?? 1};
  }
  return arrays;
}

const activations = {
  identity: x => x, sigmoid: x => 1 / (1 + Math.exp(-x)), tanh: Math.tanh, relu: x => Math.max(x, 0),
  elu: x => x > 0 ? x : Math.expm1(x), selu: x => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)),
  swish: x => x / (1 + Math.exp(-x)),
};

function erf(x) {  // Abramowitz and Stegun, 7.1.26: to 1.5e-7
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
}

function scoreAll(model, arrays, items, ratings, begin = "") {
  const array = name => arrays[begin + name], inside = ratings.map(one => 1 + (one - model.scale[0]) * 4 / (model.scale[1] - model.scale[0]));
  if (model.kind === "joint") {
    const rated = scoreAll(model.choice, arrays, items, ratings, "choice."), stars = scoreAll(model.rating, arrays, items, ratings, "rating.");
    return rated.map((one, i) => one > 0 ? one * (1 + erf((stars[i] - model.liked_above) / model.spread / Math.SQRT2)) / 2 : one);
  }
  const scores = model.kind === "ridge" ? ridge(model, array, items, inside) : network(model, array, items, ratings, inside);
  return model.rates ? scores.map(one => model.scale[0] + (one - 1) * (model.scale[1] - model.scale[0]) / 4) : scores;
}

function product_with(vectors, x, bias) {  // [items]
  return Float64Array.from({length: bias.length}, (_, i) => dot(x, vectors.values, i * vectors.width) + bias[i]);
}

function ridge(model, array, items, inside) {
  const Z = array("items"), b = array("item_bias").values, H = Z.width, n = items.length;
  const rows = items.map(i => Float64Array.from(Z.values.subarray(i * H, (i + 1) * H))), t = inside.map((one, k) => one - b[items[k]] - model.mean);
  const centre = new Float64Array(H), free = model.unit === null, mean = free ? sum(t) / n : 0;
  if (free) for (const row of rows) for (let d = 0; d < H; d++) centre[d] += row[d] / n;
  if (free) for (const row of rows) for (let d = 0; d < H; d++) row[d] -= centre[d];
  const strength = model.l2 * (model.times_n ? n : 1), K = rows.map(row => Float64Array.from(rows, other => dot(row, other) + model.unit ** 2));
  const a = solve(K, strength, t.map(one => one - mean)), v = new Float64Array(H);
  rows.forEach((row, k) => row.forEach((value, d) => { v[d] += a[k] * value; }));
  const own = model.mean + (free ? mean - dot(centre, v) : model.unit ** 2 * sum(a));
  return product_with(Z, v, b).map(one => one + own);
}

function solve(K, strength, t) {  // (K + strength · I)⁻¹ t, by Cholesky; K is overwritten
  const n = t.length, x = Float64Array.from(t);
  for (let j = 0; j < n; j++) {
    K[j][j] += strength;
    for (let k = 0; k <= j; k++) {
      let rest = K[j][k];
      for (let s = 0; s < k; s++) rest -= K[j][s] * K[k][s];
      K[j][k] = k === j ? Math.sqrt(rest) : rest / K[k][k];
    }
    for (let k = 0; k < j; k++) x[j] -= K[j][k] * x[k];
    x[j] /= K[j][j];
  }
  for (let j = n - 1; j >= 0; j--) {
    for (let k = j + 1; k < n; k++) x[j] -= K[k][j] * x[k];
    x[j] /= K[j][j];
  }
  return x;
}

function network(model, array, items, ratings, inside) {
  let values, bias = 0;
  if (model.values === "choices") {
    items = items.filter((_, k) => ratings[k] >= model.liked_from);
    values = items.map(() => model.normalised ? 1 / Math.sqrt(Math.max(items.length, 1)) : 1);
  } else {
    values = inside;
    if (model.damping !== null) {
      const left = values.map((one, k) => one - model.mean - array("centre").values[items[k]]);
      bias = sum(left) / Math.max(items.length + model.damping, 1e-30);
      values = model.values === "residuals" ? left.map(one => one - bias) : values;
    }
  }
  let x = new Float64Array(array("input").width);
  const add = (name, weights) => items.forEach((i, k) => {
    const {values, width} = array(name);
    for (let d = 0; d < width; d++) x[d] += weights(k) * values[i * width + d];
  });
  add("input", k => values[k]);
  if (array("input_rated")) add("input_rated", () => 1);
  if (model.length !== null) x = x.map(one => one * Math.sqrt(model.length / Math.max(items.length, 1)));
  const before = [];  // layers that are normalised, which those after them have added
  model.layers.forEach((layer, number) => {
    const weight = array(`layer${number}`), b = array(`layer${number}_bias`).values;
    const sums = new Float64Array(b.length);
    for (let j = 0; j < b.length; j++) {
      sums[j] = b[j] + (weight ? 0 : x[j]);
      if (weight) for (let d = 0; d < x.length; d++) sums[j] += x[d] * weight.values[d * weight.width + j];
    }
    if (layer.epsilon !== null) before.forEach(one => one.forEach((unit, j) => sums[j] += unit));
    x = sums.map(one => activations[layer.activation](one) - layer.less);
    if (layer.epsilon === null) return;
    const mean = sum(x) / x.length, scale = array(`layer${number}_scale`).values, shift = array(`layer${number}_shift`).values;
    const deviation = Math.sqrt(sum(x.map(one => (one - mean) ** 2)) / x.length + layer.epsilon);
    x = x.map((one, j) => (one - mean) / deviation * scale[j] + shift[j]);
    before.push(x);
  });
  const own = array("item_bias")?.values ?? new Float32Array(told.ids.length);
  return array("items") ? product_with(array("items"), x, own).map(one => one + model.mean + bias) : x.map((one, i) => one + own[i]);
}

const unpacked = unpack().catch(() => {
  throw new Error("The model in this page cannot be read: the file is not whole, or the browser is older than 2023. Export it again.");
});
const describe = column => ({item: told.ids[column], title: told.titles ? told.titles[column] : null});

async function answerHere(path, body) {
  if (path === "interview") throw new Error("The page asks nothing.");
  const arrays = await unpacked;
  if (!body) {
    const asked = new URLSearchParams(path.split("?")[1]), wanted = asked.get("search").trim().toLowerCase();
    const found = told.by_count.filter(i => String(told.titles?.[i] ?? told.ids[i]).toLowerCase().includes(wanted));
    return {items: found.slice(0, asked.get("n")).map(describe)};
  }
  const columnOf = new Map(told.ids.map((id, column) => [String(id), column]));
  const rated = new Map(body.history.map(one => [columnOf.get(String(one.item)), one.rating ?? told.formula.scale[1]]));
  rated.delete(undefined);
  const scores = rated.size ? scoreAll(told.formula, arrays, [...rated.keys()], [...rated.values()]) : told.fallback;
  const left = told.ids.map((_, column) => column).filter(column => !rated.has(column));
  left.sort((one, other) => scores[other] - scores[one] || one - other);
  const items = left.slice(0, body.n).map((column, k) => ({...describe(column), score: scores[column], rank: k + 1}));
  return {items, source: rated.size ? "model" : "fallback: item means", model: told.model};
}
