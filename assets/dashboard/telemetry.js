// SPDX-License-Identifier: MIT
// The overview's chart: one reading of up to six devices. Which devices: the first four, until someone chooses in the table.
import { $, choices, paint, remember, remembered } from "./dom.js";
import { READINGS, reading_with_unit, seconds } from "./format.js";
import { RANGES, Track, choose_range, chosen_range, on_range } from "./history.js";
import { Plot } from "./plot.js";
import { device_name, emit, on, state } from "./store.js";

export const CHARTED_MAX = 6;
const FIELDS = READINGS.filter((r) => r[2] !== "");
let field = remembered("field", FIELDS.map((r) => r[0]), "temp");
const tracks = new Map(); // device id → {track, colour}
let chosen_by_hand = false, plot = null;

export const charted = (id) => tracks.has(id);

function label() {
  const r = READINGS.find((x) => x[0] === field);
  return `${r[1]}, ${r[2]}, by device`;
}

function draw() {
  const series = [];
  let from = Infinity, to = 0;
  for (const { track } of tracks.values()) {
    const [a, b] = track.window();
    from = Math.min(from, a);
    to = Math.max(to, b);
  }
  for (const [id, { track, colour }] of tracks) {
    series.push({ key: id, name: device_name(id), colour, points: track.visible(field, from) });
  }
  if (tracks.size) plot.show(series, from, to);
}

function load(track) {
  track.load().then(() => paint("telemetry", draw), () => { /* the connection's state says it; live values go on */ });
}

function add(id) {
  const used = new Set([...tracks.values()].map((t) => t.colour));
  let colour = 0;
  while (used.has(colour)) colour++;
  const track = new Track({ id }, FIELDS.map((r) => r[0]));
  tracks.set(id, { track, colour });
  load(track);
}

// Whether it is charted afterwards.
export function toggle(id) {
  chosen_by_hand = true;
  if (tracks.has(id)) tracks.delete(id);
  else if (tracks.size < CHARTED_MAX) add(id);
  emit("charted");
  paint("telemetry", draw);
  return tracks.has(id);
}

function choose_first() {
  if (chosen_by_hand) return;
  for (const id of state.devices.keys()) {
    if (tracks.size >= 4) return;
    if (!tracks.has(id)) {
      add(id);
      emit("charted");
    }
  }
}

export function start() {
  plot = new Plot({ label: label(), legend: true, format: (v) => reading_with_unit(field, v), empty: "No readings in this time range" });
  $("telemetry-plot").append(plot.element);
  choices($("telemetry-field"), FIELDS.map((r) => [r[0], r[1]]), field, (value) => {
    field = value;
    remember("field", value);
    plot.set_label(label());
    draw();
  });
  choices($("telemetry-range"), RANGES, chosen_range(), choose_range);
  on_range(() => {
    for (const input of $("telemetry-range").querySelectorAll("input")) input.checked = input.value === chosen_range();
    for (const { track } of tracks.values()) load(track);
  });
  on("state", () => {
    for (const id of [...tracks.keys()]) {
      if (!state.devices.has(id)) tracks.delete(id);
      else load(tracks.get(id).track); // what came while the connection was lost
    }
    choose_first();
  });
  on("reading", (d) => {
    const t = tracks.get(d.id);
    if (t) t.track.add(seconds(d.last_seen_utc), d.telemetry);
  });
  on("devices", (new_ones) => { if (new_ones) choose_first(); });
}

// Every second.
export function beat() {
  for (const { track } of tracks.values()) if (track.stale()) load(track);
  paint("telemetry", draw);
}
