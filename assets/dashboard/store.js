// SPDX-License-Identifier: MIT
// What the page knows: the server's state, kept up to date by its events. Bounded: the newest 200 anomalies and 40 analyses.
// Panels listen to topics and draw from here; nothing else is kept in the page.
import { known, seconds } from "./format.js";

const ANOMALIES = 200, ANALYSES = 40, STREAM_BYTES = 20000;

export const state = {
  loaded: false, version: "", source: "", machine: "", started: null,
  broker: null, // as the server gives it
  counters: {},
  devices: new Map(), // by id, in the server's order
  models: [],
  anomalies: [], // newest first
  analyses: [], // newest first: {key, device_id, text, utc, open}; open: its tokens are still coming
  clock_offset: 0, // the server's clock minus ours, seconds
  rate: null, // telemetry messages a second
  connection: { state: "connecting", since: null },
};

const listeners = new Map();
export function on(topics, f) {
  for (const topic of topics.split(" ")) listeners.set(topic, [...(listeners.get(topic) || []), f]);
}
export function emit(topic, detail) {
  for (const f of listeners.get(topic) || []) f(detail);
}

export const now = () => Date.now() / 1000 + state.clock_offset;
export const device_name = (id) => state.devices.get(id)?.name || id;

const samples = []; // [time, telemetry counter] of the last 15 s
function counters(c) {
  if (!c) return;
  state.counters = c;
  const t = performance.now() / 1000;
  if (samples.length && c.telemetry < samples[samples.length - 1][1]) samples.length = 0; // the server started anew
  samples.push([t, c.telemetry]);
  while (samples.length > 2 && t - samples[0][0] > 15) samples.shift();
  const seconds_seen = t - samples[0][0];
  state.rate = seconds_seen > 2 ? (c.telemetry - samples[0][1]) / seconds_seen : null;
  emit("counters");
}

function server_time(v) {
  const s = seconds(v);
  if (s !== null) state.clock_offset = s - Date.now() / 1000;
}

const anomaly_key = (a) => [a.device_id, a.utc, a.reason].join("\n");

// Everything, as /api/state gives it: at the start and after each reconnection.
export function replace(full) {
  state.loaded = true;
  for (const name of ["version", "source", "machine"]) state[name] = String(full[name] ?? "");
  state.started = seconds(full.started_utc);
  server_time(full.now_utc);
  state.broker = full.broker || null;
  state.models = full.models || [];
  state.anomalies = [...(full.anomalies || [])].sort((a, b) => seconds(b.utc) - seconds(a.utc)).slice(0, ANOMALIES);
  state.devices = new Map((full.devices || []).map((d) => [d.id, d]));
  state.analyses = state.analyses.filter((a) => !a.open); // their end was not heard
  samples.length = 0;
  counters(full.counters);
  emit("state");
  emit("devices");
  emit("models");
  emit("anomalies");
  emit("analyses");
  emit("broker");
}

export function tick(t) {
  server_time(t.now_utc);
  let new_devices = false;
  for (const d of t.devices || []) {
    // An inference that failed has no analysis: what it had written goes.
    if (d.counts?.errors > (state.devices.get(d.id)?.counts?.errors ?? Infinity)) drop_stream(d.id);
    new_devices ||= !state.devices.has(d.id);
    state.devices.set(d.id, d);
    emit("reading", d);
  }
  counters(t.counters);
  if (t.models) {
    state.models = t.models;
    emit("models");
  }
  if (t.broker) {
    state.broker = t.broker;
    emit("broker");
  }
  if (t.devices?.length) emit("devices", new_devices);
}

let next_key = 1;
function add_analysis(entry) {
  state.analyses.unshift({ key: next_key++, ...entry });
  if (state.analyses.length > ANALYSES) state.analyses.length = ANALYSES;
}
const open_stream = (id) => state.analyses.find((a) => a.open && a.device_id === id);

function drop_stream(id) {
  const stream = open_stream(id);
  if (!stream) return;
  state.analyses.splice(state.analyses.indexOf(stream), 1);
  emit("analyses", id);
}

export function token(t) {
  const text = String(t.text ?? "");
  let stream = open_stream(t.device_id);
  if (t.start || !stream) {
    if (stream) stream.open = false;
    add_analysis({ device_id: t.device_id, text: "", utc: now(), open: true });
    stream = state.analyses[0];
  }
  if (stream.text.length < STREAM_BYTES) stream.text += text;
  emit("analyses", t.device_id);
}

// The whole text: it takes the place of the tokens that came for it.
export function analysis(a) {
  const entry = { device_id: a.device_id, text: String(a.text ?? ""), utc: seconds(a.utc) ?? now(), open: false };
  const stream = open_stream(a.device_id);
  if (stream) Object.assign(stream, entry);
  else add_analysis(entry);
  emit("analyses", a.device_id);
}

// Analyses from before this page was opened, oldest last; they go behind what is there.
export function earlier_analyses(list) {
  const seen = new Set(state.analyses.map((a) => a.device_id + "\n" + a.text));
  for (const a of list) {
    if (!seen.has(a.device_id + "\n" + a.text)) state.analyses.push({ key: next_key++, open: false, ...a });
  }
  state.analyses.sort((a, b) => b.open - a.open || b.utc - a.utc);
  if (state.analyses.length > ANALYSES) state.analyses.length = ANALYSES;
  emit("analyses");
}

export function anomaly(a) {
  const key = anomaly_key(a);
  if (state.anomalies.some((b) => anomaly_key(b) === key)) return;
  state.anomalies.unshift(a);
  if (state.anomalies.length > ANOMALIES) state.anomalies.length = ANOMALIES;
  emit("anomalies", a);
}

export function set_connection(next) {
  if (state.connection.state === next.state && state.connection.since === next.since) return;
  state.connection = next;
  emit("connection");
}

export function energy_total() {
  let sum = null;
  for (const m of state.models) if (known(m.joules_total)) sum = (sum ?? 0) + m.joules_total;
  return sum;
}
