// SPDX-License-Identifier: MIT
// wattle's live page: what is where, and which view is shown. Start reading here, then store.js (what is known) and live.js (how
// it comes); each panel is a file of its own.
import { $, attribute, el, paint, text } from "./dom.js";
import { age, clock, count, fixed, joules, seconds, utc } from "./format.js";
import * as detail from "./detail.js";
import * as devices from "./devices.js";
import * as feeds from "./feeds.js";
import * as live from "./live.js";
import * as models from "./models.js";
import * as store from "./store.js";
import * as telemetry from "./telemetry.js";

const { state, on } = store;

function energy_note() {
  const sources = new Set(state.models.map((m) => m.energy_source).filter(Boolean));
  return sources.size === 0 ? "" : sources.size > 1 || sources.has("mixed") ? "partly estimated" : sources.has("estimate") ? "estimated" : "measured";
}

const COUNTERS = [
  ["Devices online", () => {
    let online = 0;
    for (const d of state.devices.values()) online += d.status === "online";
    return [count(online), `of ${count(state.devices.size)}`];
  }],
  ["Telemetry", () => [count(state.counters.telemetry), state.rate === null ? "messages" : `${fixed(state.rate, state.rate < 10 ? 1 : 0)} a second`]],
  ["Analyses", () => [count(state.counters.analyses), ""]],
  ["Inferences", () => [count(state.counters.inferences), ""]],
  ["Energy", () => [joules(store.energy_total()), energy_note()]],
  ["Anomalies", () => [count(state.counters.anomalies), ""], () => (state.counters.anomalies > 0 ? "warn" : null)],
  ["Errors", () => [count(state.counters.errors), ""], () => (state.counters.errors > 0 ? "bad" : null)],
  ["Dropped", () => [count(state.counters.dropped), state.counters.bad > 0 ? `${count(state.counters.bad)} unreadable` : ""], () => (state.counters.dropped > 0 ? "bad" : null)],
];
const counter_cells = COUNTERS.map(([name]) => {
  const value = el("b", { class: "num" }), note = el("span", { class: "muted" });
  $("counters").append(el("div", null, el("dt", null, name), el("dd", null, value, note)));
  return [value, note];
});
function draw_counters() {
  COUNTERS.forEach(([, f, tone], i) => {
    const [value, note] = f();
    text(counter_cells[i][0], value);
    text(counter_cells[i][1], note);
    attribute(counter_cells[i][0], "data-tone", tone ? tone() : null);
  });
}

function draw_broker() {
  const stale = ["stale", "refused"].includes(state.connection.state);
  const b = stale ? null : state.broker, since = seconds(b?.since_utc); // what the broker does now is not known here then
  attribute($("broker"), "data-state", b ? (b.connected ? "online" : "offline") : "unknown");
  const again = b?.reconnects ? `, reconnected ${count(b.reconnects)} ×` : "";
  text($("broker-text"), b ? `broker ${b.address} ${b.connected ? "connected" : "not connected"}${again}` : stale ? "broker not known" : "no broker");
  attribute($("broker"), "title", since === null ? null : `${b.connected ? "since" : "lost"} ${clock(since)} (${utc(since)})`);
}

function draw_connection() {
  const c = state.connection;
  attribute($("connection"), "data-state", c.state);
  const words = { connecting: "connecting", live: "live", reconnecting: "reconnecting", stale: "stale since " + clock(c.since), refused: "not allowed in" };
  text($("connection-text"), words[c.state]);
  attribute($("connection"), "title", c.since ? `the last was heard at ${clock(c.since)} (${utc(c.since)})` : null);
  document.body.classList.toggle("is-stale", c.state === "stale" || c.state === "refused");
  const refused = c.state === "refused";
  $("notice").hidden = !refused;
  text($("notice"), refused ? "The server wants a token. Open this page with ?token=… at the end of its address, as the server printed it." : "");
}

function draw_machine() {
  text($("version"), state.version);
  const from = state.source === "run" ? "this run" : "the broker";
  text($("machine"), [state.machine, `what ${from} says`, state.started === null ? "" : `started ${clock(state.started)}`].filter(Boolean).join(" · "));
  attribute($("machine"), "title", state.started === null ? null : utc(state.started));
}

// The address says what is shown: #/device/ID, or the overview (with the section to go to).
let scroll_back = 0;
function route() {
  const hash = location.hash;
  const was = detail.opened();
  if (hash.startsWith("#/device/")) {
    let id = hash.slice("#/device/".length);
    try {
      id = decodeURIComponent(id);
    } catch { /* as it is */ }
    if (was === id) return;
    if (was === null) scroll_back = scrollY;
    $("overview").hidden = true;
    detail.open(id);
    scrollTo(0, 0);
    return;
  }
  detail.close();
  $("overview").hidden = false;
  const target = /^#[a-z]+$/.test(hash) ? $(hash.slice(1)) : null;
  if (target) {
    target.scrollIntoView();
    target.focus({ preventScroll: true });
  } else if (was !== null) {
    scrollTo(0, scroll_back);
    (devices.link_of(was) || $("main")).focus({ preventScroll: true });
  }
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address keeps what is shown
  $("main").focus();
});
addEventListener("hashchange", route);
addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "radio" && event.target.type !== "checkbox";
  if (event.key === "Escape" && detail.opened() !== null) {
    location.hash = "#/";
  } else if (event.key === "/" && !typing && detail.opened() === null) {
    event.preventDefault();
    $("device-search").focus();
  }
});

// A page that was opened late shows what was written before: of the few devices that analysed last.
async function earlier() {
  const writers = [...state.devices.values()].filter((d) => d.counts?.inferences > 0).slice(0, 4);
  for (const d of writers) {
    try {
      const full = await live.get("/api/device?id=" + encodeURIComponent(d.id));
      store.earlier_analyses((full.analyses || []).slice(-8).map((a) => ({ device_id: d.id, text: String(a.text ?? ""), utc: seconds(a.utc) ?? 0 })));
    } catch { /* they come live */ }
  }
}

on("counters devices", () => paint("counters", draw_counters));
on("models", () => paint("counters", draw_counters));
on("broker connection", () => paint("broker", draw_broker));
on("connection", draw_connection);
let first = true;
on("state", () => {
  draw_machine();
  if (first) earlier();
  first = false;
});

for (const part of [telemetry, devices, models, feeds, detail]) part.start();
store.emit("anomalies");
store.emit("analyses");
store.emit("models");
devices.redraw();
draw_counters();
draw_connection();
route();
live.run();
setInterval(() => {
  live.age();
  if (document.hidden) return;
  if (detail.opened() === null) {
    telemetry.beat();
    models.beat();
    devices.redraw();
  } else {
    detail.beat();
  }
}, 1000);
