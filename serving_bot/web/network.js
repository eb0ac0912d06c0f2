// Reads drawings without a server: the pushed network's layers (model.js), and normalisation like models/normalising.py.
"use strict";
const BOX = 20, SIDE = 28, STROKE_WIDTHS = [1, 3];
document.documentElement.classList.add("alone");

function floats(text) {
  const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

// Each takes {shape: [height, width, channels], data} and a layer, and returns the same.
const LAYERS = {
  scale: ({ shape, data }, { factor }) => ({ shape, data: data.map(value => value * factor) }),
  pad({ shape: [height, width, channels], data }, { margins: [[top, bottom], [left, right]] }) {
    const wide = width + left + right, out = new Float32Array((height + top + bottom) * wide * channels);
    for (let y = 0; y < height; y++) out.set(data.subarray(y * width * channels, (y + 1) * width * channels), ((y + top) * wide + left) * channels);
    return { shape: [height + top + bottom, wide, channels], data: out };
  },
  convolution({ shape: [height, width, channels], data }, { shape: [count, high, wide], step: [down, right], weights, bias }) {
    const rows = Math.floor((height - high) / down) + 1, columns = Math.floor((width - wide) / right) + 1;
    const out = new Float32Array(rows * columns * count), run = wide * channels;
    for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) for (let o = 0; o < count; o++) {
      let sum = bias[o];
      for (let i = 0; i < high; i++) {
        const from = ((y * down + i) * width + x * right) * channels, at = (o * high + i) * run;
        for (let k = 0; k < run; k++) sum += data[from + k] * weights[at + k];
      }
      out[(y * columns + x) * count + o] = sum;
    }
    return { shape: [rows, columns, count], data: out };
  },
  max: (input, layer) => pool(input, layer, values => Math.max(...values)),
  mean: (input, layer) => pool(input, layer, values => values.reduce((a, b) => a + b) / values.length),
  flatten: ({ data }) => ({ shape: [1, 1, data.length], data }),
  dense({ data }, { shape: [count, size], weights, bias }) {
    const out = new Float32Array(count);
    for (let o = 0; o < count; o++) {
      let sum = bias[o];
      for (let k = 0; k < size; k++) sum += data[k] * weights[o * size + k];
      out[o] = sum;
    }
    return { shape: [1, 1, count], data: out };
  },
  relu: ({ shape, data }) => ({ shape, data: data.map(value => Math.max(value, 0)) }),
  tanh: ({ shape, data }) => ({ shape, data: data.map(Math.tanh) }),
  sigmoid: ({ shape, data }) => ({ shape, data: data.map(value => 1 / (1 + Math.exp(-value))) }),
  softmax({ shape, data }) {
    const most = Math.max(...data), powers = data.map(value => Math.exp(value - most)), sum = powers.reduce((a, b) => a + b);
    return { shape, data: powers.map(value => value / sum) };
  },
};
function pool({ shape: [height, width, channels], data }, { size: [high, wide], step: [down, right] }, join) {
  const rows = Math.floor((height - high) / down) + 1, columns = Math.floor((width - wide) / right) + 1;
  const out = new Float32Array(rows * columns * channels), values = new Array(high * wide);
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) for (let c = 0; c < channels; c++) {
    for (let i = 0; i < high; i++) for (let j = 0; j < wide; j++) values[i * wide + j] = data[((y * down + i) * width + x * right + j) * channels + c];
    out[(y * columns + x) * channels + c] = join(values);
  }
  return { shape: [rows, columns, channels], data: out };
}

let layers = null;  // with their weights decoded
function predict(pixels) {  // 784 levels 0..255, white on black -> 10 probabilities
  layers ??= MODEL.layers.map(layer => layer.weights ? { ...layer, weights: floats(layer.weights), bias: floats(layer.bias) } : layer);
  return layers.reduce((value, layer) => LAYERS[layer.kind](value, layer), { shape: [SIDE, SIDE, 1], data: Float32Array.from(pixels) }).data;
}

// Ink is {width, height, data}, the share of ink in each pixel, 0..1, cropped to the digit's box.
function strokeWidth({ width, height, data }) {
  const solid = (x, y) => x >= 0 && y >= 0 && x < width && y < height && data[y * width + x] > .5;
  let area = 0, outline = 0;
  for (let y = 0; y <= height; y++) for (let x = 0; x <= width; x++) {
    area += solid(x, y); outline += (solid(x, y) !== solid(x - 1, y)) + (solid(x, y) !== solid(x, y - 1));
  }
  return 2 * area / Math.max(outline * Math.PI / 4, 1);
}
function thicken(ink, least) {
  const { width, height, data } = ink, radius = Math.round((least * Math.max(width, height) / BOX - strokeWidth(ink)) / 2);
  if (radius < 1) return ink;
  const wide = width + 2 * radius, high = height + 2 * radius, out = new Float32Array(wide * high);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const value = Math.round(data[y * width + x] * 255) / 255;
    if (value) for (let i = -radius; i <= radius; i++) {
      const half = Math.round(radius * Math.sqrt((radius * radius - i * i) / (radius * radius)));  // OpenCV's ellipse
      for (let j = -half; j <= half; j++) { const at = (y + radius + i) * wide + x + radius + j; if (value > out[at]) out[at] = value; }
    }
  }
  return { width: wide, height: high, data: out };
}
function fit({ width, height, data }) {  // the mean over each new pixel's area
  const scale = BOX / Math.max(width, height), columns = Math.max(1, Math.round(width * scale)), rows = Math.max(1, Math.round(height * scale));
  const shares = (count, size) => Array.from({ length: count }, (_, n) => {
    const from = n * size / count, to = (n + 1) * size / count, found = [];
    for (let k = Math.floor(from); k < Math.min(size, Math.ceil(to - 1e-9)); k++) found.push([k, Math.min(k + 1, to) - Math.max(k, from)]);
    return found.map(([k, share]) => [k, share / (to - from)]);
  });
  const across = shares(columns, width), out = new Float32Array(rows * columns);
  shares(rows, height).forEach((ys, y) => across.forEach((xs, x) => {
    for (const [j, tall] of ys) for (const [i, broad] of xs) out[y * columns + x] += data[j * width + i] * tall * broad;
  }));
  return { width: columns, height: rows, data: out };
}
function normalise(ink, least = STROKE_WIDTHS[0]) {
  const { width, height, data } = fit(thicken(ink, least)), out = new Uint8Array(SIDE * SIDE);
  let mass = 0, x = 0, y = 0;
  data.forEach((value, at) => { mass += value; x += value * (at % width); y += value * Math.floor(at / width); });
  if (!mass) return out;
  const corner = (centre, size) => Math.min(Math.max(Math.round((SIDE - 1) / 2 - centre), 0), SIDE - size);
  const left = corner(x / mass, width), top = corner(y / mass, height);
  data.forEach((value, at) => { out[(top + Math.floor(at / width)) * SIDE + left + at % width] = Math.round(Math.min(value, 1) * 255); });
  return out;
}

// The digits on a canvas with dark strokes on white, from left to right, separated by empty columns.
function findDigits(canvas) {
  const { width, height } = canvas, { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const ink = (x, y) => 1 - data[4 * (y * width + x)] / 255, columns = [], boxes = [];
  for (let x = 0; x < width; x++) { let any = false; for (let y = 0; y < height && !any; y++) any = ink(x, y) > .1; columns.push(any); }
  for (let left = 0; left < width; left++) if (columns[left]) {
    let right = left; while (columns[right]) right++;
    const used = [];
    for (let y = 0; y < height; y++) for (let x = left; x < right; x++) if (ink(x, y) > .1) { used.push(y); break; }
    boxes.push({ left, top: used[0], width: right - left, height: used[used.length - 1] + 1 - used[0] });
    left = right;
  }
  return boxes.map(box => {
    const cut = { width: box.width, height: box.height, data: new Float32Array(box.width * box.height) };
    for (let y = 0; y < box.height; y++) for (let x = 0; x < box.width; x++) cut.data[y * box.width + x] = ink(box.left + x, box.top + y);
    return { box, ink: cut };
  });
}
function classify(ink) {  // calibrated probabilities: the geometric mean over the stroke widths, as in the reader
  const rows = STROKE_WIDTHS.map(width => predict(normalise(ink, width)));
  const logs = [...rows[0]].map((_, digit) => rows.reduce((sum, row) => sum + Math.log(Math.max(row[digit], 1e-12)), 0) / rows.length / MODEL.temperature);
  return [...LAYERS.softmax({ data: Float64Array.from(logs) }).data];
}
function picture(pixels) {
  const canvas = document.createElement("canvas"), image = new ImageData(SIDE, SIDE);
  canvas.width = canvas.height = SIDE;
  pixels.forEach((level, at) => image.data.set([level, level, level, 255], 4 * at));
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.toDataURL();
}
function answerAlone(path, canvas) {  // the server's answer for the same path
  if (path === "model") return MODEL;
  const digits = findDigits(canvas).map(({ box, ink }) => {
    const row = classify(ink), top = row.map((probability, digit) => ({ digit, probability })).sort((a, b) => b.probability - a.probability).slice(0, 3);
    return { box, ...top[0], top, sure: top[0].probability >= MODEL.sure, image: picture(normalise(ink)) };
  });
  return { outcome: digits.length ? "number" : "none", digits, shown: digits.map(({ digit, sure }) => sure ? digit : "?").join(""), sure: digits.every(digit => digit.sure), version: MODEL.version };
}
