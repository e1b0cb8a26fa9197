// SPDX-License-Identifier: MIT
// One card a model, and one measure of all of them over time.
import { $, choices, el, paint, remember, remembered, text } from "./dom.js";
import { ENERGY_SOURCE, NONE, count, duration_ms, fixed, joules, megabytes, per_second, percent, watts } from "./format.js";
import { RANGES, Track, chosen_range, on_range } from "./history.js";
import { Plot } from "./plot.js";
import { on, state } from "./store.js";

const MEASURES = [
  ["inference_time_ms", "Time", duration_ms, "Inference time"],
  ["tokens_per_second", "Tokens/s", per_second, "Tokens per second"],
  ["memory_used_mb", "Memory", megabytes, "Memory of an inference"],
  ["cpu_percent_avg", "CPU", percent, "CPU of an inference"],
  ["power_w", "Power", watts, "Power during an inference"],
  ["energy_consumed_j", "Energy", joules, "Energy of an inference"],
];
const RELOAD_MS = 3000;
let measure = remembered("measure", MEASURES.map((m) => m[0]), "inference_time_ms");
const shown = new Map(); // model name → {card, track, seen: inferences when the track was loaded}
let plot = null, hint = null;
const current = () => MEASURES.find((m) => m[0] === measure);
const range_name = () => RANGES.find((r) => r[0] === chosen_range())[2];
const label = () => `${current()[3]}, by model, ${range_name()}`;

const ROWS = [
  ["Inference time", (m) => duration_ms(m.time_ms?.avg), () => "mean"],
  ["Median, p95", (m) => `${duration_ms(m.time_ms?.p50)}, ${duration_ms(m.time_ms?.p95)}`, null],
  ["Speed", (m) => (m.tokens_per_second === null || m.tokens_per_second === undefined ? NONE : fixed(m.tokens_per_second, 1) + "\u00a0tokens/s"), null],
  ["Memory", (m) => megabytes(m.memory_mb), null],
  ["CPU", (m) => percent(m.cpu_percent), null],
  ["Power", (m) => watts(m.power_w), null],
  ["Energy, an analysis", (m) => joules(m.joules_per_analysis), null],
  ["Energy, total", (m) => joules(m.joules_total), (m) => ENERGY_SOURCE[m.energy_source] || m.energy_source || ""],
];

function make_card() {
  const name = el("h3", { class: "model-name" }), note = el("p", { class: "muted" });
  const values = ROWS.map(() => [el("b", { class: "num" }), el("span", { class: "muted" })]);
  const card = el("article", { class: "card" }, name, note,
    el("dl", { class: "facts" }, ...ROWS.map((r, i) => el("div", null, el("dt", null, r[0]), el("dd", null, ...values[i])))));
  return { card, name, note, values };
}

function fill(c, m) {
  const base = String(m.name).split("/").pop() || m.name;
  text(c.name, base);
  c.name.title = m.name;
  text(c.note, `${count(m.inferences)} ${m.inferences === 1 ? "inference" : "inferences"}, ${m.errors ? count(m.errors) + " failed" : "none failed"}`);
  ROWS.forEach(([, value, more], i) => {
    text(c.values[i][0], value(m));
    text(c.values[i][1], more ? more(m) : "");
  });
}

function load(entry, m) {
  entry.seen = m.inferences;
  entry.at = performance.now();
  entry.track.load().then(() => paint("model-plot", draw_plot), () => { /* the connection's state says it */ });
}

function draw_plot() {
  let from = Infinity, to = 0;
  for (const { track } of shown.values()) {
    const [a, b] = track.window();
    from = Math.min(from, a);
    to = Math.max(to, b);
  }
  if (shown.size === 0) return;
  let colour = 0;
  const series = [...shown].map(([name, { track }]) => ({ key: name, name: name.split("/").pop() || name, colour: colour++, points: track.visible(measure, from) }));
  plot.show(series, from, to);
}

function draw() {
  const cards = $("model-cards"), names = new Set(state.models.map((m) => m.name));
  for (const [name, entry] of shown) {
    if (!names.has(name)) {
      entry.c.card.remove();
      shown.delete(name);
    }
  }
  for (const m of state.models) {
    let entry = shown.get(m.name);
    if (!entry) {
      entry = { c: make_card(), track: new Track({ model: m.name }, MEASURES.map((x) => x[0])), seen: -1, at: -Infinity };
      shown.set(m.name, entry);
      cards.append(entry.c.card);
    }
    fill(entry.c, m);
    if (entry.seen !== m.inferences && performance.now() - entry.at > RELOAD_MS) load(entry, m);
  }
  cards.parentElement.classList.toggle("many", state.models.length > 2);
  hint.hidden = state.models.length > 0;
  plot.element.hidden = $("model-field").hidden = state.models.length === 0;
}

export function start() {
  plot = new Plot({ label: label(), legend: true, format: (v) => current()[2](v), min: 0, empty: "No inference in this time range", points: true });
  hint = el("p", { class: "empty muted" }, "No inference has been measured yet. Devices analyse their telemetry with a model when ENABLE_LLM is true (--enable-llm).");
  $("model-cards").append(hint);
  $("model-plot").append(plot.element);
  choices($("model-field"), MEASURES.map((m) => [m[0], m[1], m[3]]), measure, (value) => {
    measure = value;
    remember("measure", value);
    plot.set_label(label());
    draw_plot();
  });
  on_range(() => {
    plot.set_label(label());
    for (const m of state.models) if (shown.has(m.name)) load(shown.get(m.name), m);
  });
  on("models", () => paint("models", draw));
  on("state", () => {
    for (const entry of shown.values()) entry.seen = -1;
  });
}

// Every second: the window moves, and a reload that came too early is made up for.
export function beat() {
  paint("models", draw);
  paint("model-plot", draw_plot);
}
