// SPDX-License-Identifier: MIT
// One device in full: its readings with charts, its analyses, its inferences, its anomalies.
import { $, attribute, choices, el, paint, text } from "./dom.js";
import { NONE, READINGS, age, clock, count, duration_ms, fixed, joules, known, megabytes, percent, reading, reading_with_unit, seconds, utc } from "./format.js";
import { anomaly_item, time_of } from "./feeds.js";
import { RANGES, Track, choose_range, chosen_range, off_range, on_range } from "./history.js";
import { get } from "./live.js";
import { Plot } from "./plot.js";
import { now, on, state } from "./store.js";

const VALUES = 50; // rows of the table of readings
const REFRESH_MS = 1500; // of analyses and inferences, after an event says that there are new ones
let view = null; // what is open: {id, track, plots, …}

const INFERENCE_COLUMNS = [
  ["Ended", (m) => time_of(seconds(m.timestamp))],
  ["Time", (m) => duration_ms(m.inference_time_ms)],
  ["First token", (m) => duration_ms(m.time_to_first_token_ms)],
  ["Waited", (m) => duration_ms(m.queue_ms)],
  ["Prompt", (m) => (known(m.prompt_tokens) ? count(m.prompt_tokens) + (m.cached_tokens ? ` (${count(m.cached_tokens)} cached)` : "") : NONE)],
  ["Answer", (m) => count(m.completion_tokens)],
  ["Tokens/s", (m) => fixed(m.tokens_per_second, 1)],
  ["Memory", (m) => megabytes(m.memory_used_mb)],
  ["CPU", (m) => percent(m.cpu_percent_avg)],
  ["Energy", (m) => joules(m.energy_consumed_j)],
  ["End", (m) => String(m.error || m.finish_reason || NONE)],
];

function build(id) {
  const v = { id, generation: 0 };
  v.title = el("h1", { tabindex: "-1", id: "detail-title" });
  v.facts = el("dl", { class: "facts wide" });
  v.fact = {};
  for (const name of ["Status", "Device id", "Model", "Last seen", "Messages", "Inferences", "Errors", "Anomalies"]) {
    v.fact[name] = el("dd");
    v.facts.append(el("div", null, el("dt", null, name), v.fact[name]));
  }
  v.unknown = el("p", { class: "empty muted" }, "Nothing has been heard of a device with this id. It appears here with its first message.");
  v.alarm = el("b", { class: "tag bad" }, "alarm");
  v.track = new Track({ id }, READINGS.map((r) => r[0]));
  v.range = el("fieldset", { class: "choice", id: "detail-range" }, el("legend", { class: "hidden-text" }, "Time range"));
  v.tiles = READINGS.map(([field, title, unit]) => {
    const plot = new Plot({
      label: title + (unit ? ", " + unit : ""), small: true, timeless: field === "light", stepped: unit === "", min: unit === "" ? 0 : undefined, max: unit === "" ? 1 : undefined,
      format: (y) => (unit === "" ? reading(field, Boolean(y)) : reading_with_unit(field, y)), empty: "No readings in this time range",
    });
    const value = el("b", { class: "tile-value num" }), bounds = el("span", { class: "muted num" });
    return { field, unit, plot, value, bounds, element: el("section", { class: unit ? "tile" : null, "aria-label": title }, el("div", { class: "tile-head" }, el("h3", null, title), value, bounds), plot.element) };
  });
  const measured = v.tiles.filter((t) => t.unit).map((t) => t.element), detected = v.tiles.filter((t) => !t.unit).map((t) => t.element);
  v.rows = el("tbody");
  v.values = el("details", { class: "plot-values", toggle: () => draw_values(v) }, el("summary", null, "Values as a table"),
    el("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Values of the readings" },
      el("table", null, el("thead", null, el("tr", null, el("th", { scope: "col" }, "Time"), ...READINGS.map(([, title, unit]) => el("th", { scope: "col", class: "num" }, title + (unit ? ", " + unit : ""))))), v.rows)));
  v.analyses = el("ul", { class: "feed tall", tabindex: "0", "aria-labelledby": "detail-analyses" });
  v.anomalies = el("ul", { class: "feed tall", tabindex: "0", "aria-labelledby": "detail-anomalies" });
  v.inferences = el("tbody");
  v.no_inference = el("p", { class: "empty muted" }, "No inference yet.");
  v.element = el("div", { class: "detail" },
    el("div", { class: "detail-head" }, el("a", { href: "#/", class: "back" }, "← All devices"), el("div", { class: "detail-title" }, v.title, v.alarm), v.facts, v.unknown),
    el("section", { class: "panel", "aria-labelledby": "detail-readings" }, el("div", { class: "panel-head" }, el("h2", { id: "detail-readings" }, "Readings"), v.range), el("div", { class: "tiles" }, ...measured, el("div", { class: "tile pair" }, ...detected)), v.values),
    el("div", { class: "halves" },
      el("section", { class: "panel", "aria-labelledby": "detail-analyses" }, el("div", { class: "panel-head" }, el("h2", { id: "detail-analyses" }, "Analyses")), v.analyses),
      el("section", { class: "panel", "aria-labelledby": "detail-anomalies" }, el("div", { class: "panel-head" }, el("h2", { id: "detail-anomalies" }, "Anomalies")), v.anomalies)),
    el("section", { class: "panel", "aria-labelledby": "detail-inferences" }, el("div", { class: "panel-head" }, el("h2", { id: "detail-inferences" }, "Inferences")),
      el("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Table of inferences" },
        el("table", { class: "plain" }, el("thead", null, el("tr", null, ...INFERENCE_COLUMNS.map(([name], i) => el("th", { scope: "col", class: i ? "num" : null }, name)))), v.inferences)), v.no_inference));
  choices(v.range, RANGES, chosen_range(), choose_range);
  v.ranged = () => {
    for (const input of v.range.querySelectorAll("input")) input.checked = input.value === chosen_range();
    if (v.asked) load_track(v);
  };
  on_range(v.ranged);
  return v;
}

function load_track(v) {
  v.track.load().then(() => paint("detail", draw), () => { /* the connection's state says it */ });
}

function draw() {
  const v = view;
  if (!v) return;
  const d = state.devices.get(v.id);
  const unknown = state.loaded && !d;
  v.element.classList.toggle("unknown", unknown);
  v.unknown.hidden = !unknown;
  text(v.title, d?.name || v.id);
  document.title = (d?.name || v.id) + " – wattle";
  v.alarm.hidden = !d?.alarm;
  const seen = seconds(d?.last_seen_utc);
  text(v.fact["Status"], d ? d.status : "not known here");
  attribute(v.fact["Status"], "data-state", d?.status || "unknown");
  text(v.fact["Device id"], v.id);
  text(v.fact["Model"], d?.model ? d.model.split("/").pop() || d.model : "none");
  attribute(v.fact["Model"], "title", d?.model || null);
  text(v.fact["Last seen"], seen === null ? NONE : `${clock(seen)}, ${age(now() - seen)}`);
  attribute(v.fact["Last seen"], "title", seen === null ? null : utc(seen));
  text(v.fact["Messages"], count(d?.counts?.telemetry));
  text(v.fact["Inferences"], count(d?.counts?.inferences));
  text(v.fact["Errors"], count(d?.counts?.errors));
  text(v.fact["Anomalies"], count(d?.counts?.anomalies));
  const [from, to] = v.track.window();
  for (const t of v.tiles) {
    const points = v.track.visible(t.field, from);
    text(t.value, reading_with_unit(t.field, d?.telemetry?.[t.field]));
    if (t.unit) {
      let low = Infinity, high = -Infinity;
      for (const p of points) {
        low = Math.min(low, p.y);
        high = Math.max(high, p.y);
      }
      text(t.bounds, points.length ? `${reading(t.field, low)} to ${reading(t.field, high)}` : "");
    }
    t.plot.show([{ key: t.field, name: d?.name || v.id, colour: 0, points }], from, to);
  }
}

// The newest readings of the time range, beside the charts that show them all.
function draw_values(v) {
  if (!v.values.open) return;
  const at = new Map();
  for (const [field] of READINGS) {
    for (const p of v.track.points.get(field).slice(-VALUES)) {
      if (!at.has(p.x)) at.set(p.x, {});
      at.get(p.x)[field] = p.y;
    }
  }
  const times = [...at.keys()].sort((a, b) => b - a).slice(0, VALUES);
  v.rows.replaceChildren(...times.map((x) => el("tr", null, el("td", { title: utc(x) }, clock(x)),
    ...READINGS.map(([field, , unit]) => el("td", { class: "num" }, reading(field, unit === "" && at.get(x)[field] !== undefined ? Boolean(at.get(x)[field]) : at.get(x)[field]))))));
}

function draw_lists(v, full) {
  const analyses = [...(full.analyses || [])].sort((a, b) => seconds(b.utc) - seconds(a.utc));
  v.analyses.replaceChildren(...(analyses.length ? analyses.map((a) => {
    const t = a.telemetry?.data || a.telemetry;
    const about = t ? READINGS.filter(([f]) => t[f] !== undefined && t[f] !== null).map(([f, title]) => `${title} ${reading_with_unit(f, t[f])}`).join(" · ") : "";
    return el("li", { class: "analysis" }, el("p", { class: "feed-head" }, time_of(seconds(a.utc))), el("p", { class: "said" }, String(a.text ?? "")), about ? el("p", { class: "about muted" }, about) : null);
  }) : [el("li", { class: "empty muted" }, "No analysis yet.")]));
  const anomalies = [...(full.anomalies || [])].sort((a, b) => seconds(b.utc) - seconds(a.utc));
  v.anomalies.replaceChildren(...(anomalies.length ? anomalies.map((a) => anomaly_item(a, false)) : [el("li", { class: "empty muted" }, "None.")]));
  const inferences = [...(full.inferences || [])].sort((a, b) => seconds(b.timestamp) - seconds(a.timestamp));
  v.inferences.replaceChildren(...inferences.map((m) => el("tr", { class: m.error ? "failed" : null }, ...INFERENCE_COLUMNS.map(([, f], i) => el("td", { class: i ? "num" : null }, f(m))))));
  v.no_inference.hidden = inferences.length > 0;
}

async function load_lists(v) {
  const generation = ++v.generation;
  v.loaded_at = performance.now();
  v.wanted = false;
  try {
    const full = await get("/api/device?id=" + encodeURIComponent(v.id));
    if (view === v && generation === v.generation) draw_lists(v, full);
  } catch {
    if (view === v) v.wanted = true; // tried again at the next beat
  }
}

// Of a device that nobody has heard of the server knows nothing: it isn't asked until there is a first message.
function load(v) {
  if (!state.devices.has(v.id)) return;
  v.asked = true;
  load_track(v);
  load_lists(v);
}

export function open(id) {
  close();
  view = build(id);
  $("detail").replaceChildren(view.element);
  $("detail").hidden = false;
  draw();
  draw_lists(view, {});
  load(view);
  view.title.focus({ preventScroll: true });
}

export function close() {
  if (!view) return;
  off_range(view.ranged);
  for (const t of view.tiles) t.plot.destroy();
  view = null;
  $("detail").hidden = true;
  $("detail").replaceChildren();
  document.title = "wattle";
}

export const opened = () => view?.id ?? null;

export function start() {
  on("reading", (d) => {
    if (view?.id !== d.id) return;
    if (!view.asked) load(view);
    view.track.add(seconds(d.last_seen_utc), d.telemetry);
    if (view.inferences_seen !== d.counts?.inferences) {
      view.inferences_seen = d.counts?.inferences;
      view.wanted = true;
    }
    paint("detail", draw);
  });
  on("analyses", (id) => { if (view && view.id === id) view.wanted = true; });
  on("anomalies", (a) => { if (view && a && view.id === a.device_id) view.wanted = true; });
  on("state", () => {
    if (view) load(view);
  });
}

// Every second.
export function beat() {
  if (!view) return;
  if (view.asked && view.track.stale()) load_track(view);
  if (view.asked && view.wanted && performance.now() - view.loaded_at > REFRESH_MS && !view.analyses.contains(document.activeElement?.closest?.("a"))) load_lists(view);
  paint("detail", draw);
  if (!view.values.lastChild.contains(document.activeElement)) draw_values(view);
}
