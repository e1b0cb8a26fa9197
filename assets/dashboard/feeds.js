// SPDX-License-Identifier: MIT
// What comes in as words: anomalies, and the analyses as the models write them.
import { $, el, paint, text } from "./dom.js";
import { clock, count, seconds, utc } from "./format.js";
import { device_name, on, state } from "./store.js";

const SHOWN = 30;
const ANNOUNCE_MS = 5000; // a screen reader is told no more often

export const device_link = (id) => el("a", { href: "#/device/" + encodeURIComponent(id) }, device_name(id));
export const time_of = (s) => el("time", { class: "muted num", title: utc(s), datetime: s === null ? null : new Date(s * 1000).toISOString() }, clock(s));

export function anomaly_item(a, with_device) {
  const severity = Number(a.severity);
  return el("li", { class: "anomaly", "data-severity": severity >= 7 ? "high" : severity >= 4 ? "middle" : "low" },
    el("p", { class: "feed-head" }, with_device ? device_link(a.device_id) : null,
      el("b", { class: "tag " + (severity >= 7 ? "bad" : "warn") }, `severity ${Number.isFinite(severity) ? severity : "–"}`), time_of(seconds(a.utc))),
    el("p", { class: "said" }, String(a.reason || a.verdict || "anomaly")));
}

const anomaly_items = new WeakMap();
function draw_anomalies() {
  const list = $("anomaly-list");
  if (state.anomalies.length === 0) {
    list.replaceChildren(el("li", { class: "empty muted" }, "None. Readings beyond an alarm threshold, and verdicts of models, appear here."));
    text($("anomalies-note"), "");
    return;
  }
  const wanted = state.anomalies.slice(0, SHOWN).map((a) => {
    if (!anomaly_items.has(a)) anomaly_items.set(a, anomaly_item(a, true));
    return anomaly_items.get(a);
  });
  arrange(list, wanted);
  text($("anomalies-note"), state.anomalies.length > SHOWN ? `newest ${SHOWN} of ${count(state.counters.anomalies)}` : "");
}

// Brings the children of a list into this order and touches none that is right already: the focus and the scroll position stay.
function arrange(list, wanted) {
  const keep = new Set(wanted);
  for (const child of [...list.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((item, i) => {
    if (list.children[i] !== item) list.insertBefore(item, list.children[i] || null);
  });
}

const analysis_items = new Map(); // key → {li, said, head, open}
function draw_analyses() {
  const list = $("analysis-list");
  if (state.analyses.length === 0) {
    list.replaceChildren(el("li", { class: "empty muted" }, "None yet. What the models write about the readings appears here, word by word."));
    return;
  }
  const entries = state.analyses.slice(0, SHOWN);
  const wanted = entries.map((a) => {
    let item = analysis_items.get(a.key);
    if (!item) {
      const said = el("p", { class: "said" }), when = el("span"), head = el("p", { class: "feed-head" }, device_link(a.device_id), when);
      item = { li: el("li", { class: "analysis" }, head, said), said, when, open: null };
      analysis_items.set(a.key, item);
    }
    text(item.said, a.text);
    if (item.open !== a.open) {
      item.open = a.open;
      item.li.classList.toggle("writing", a.open);
      item.when.replaceChildren(a.open ? el("span", { class: "muted" }, "writing …") : time_of(a.utc));
    }
    return item.li;
  });
  const keys = new Set(entries.map((a) => a.key));
  for (const key of analysis_items.keys()) if (!keys.has(key)) analysis_items.delete(key);
  arrange(list, wanted);
}

let unsaid = 0, last_said = -Infinity, timer = 0;
function announce(a) {
  unsaid++;
  clearTimeout(timer);
  timer = setTimeout(() => {
    last_said = performance.now();
    text($("announce"), (unsaid > 1 ? `${unsaid} anomalies, the last: ` : "Anomaly: ") + `${device_name(a.device_id)}, ${a.reason || a.verdict}`);
    unsaid = 0;
  }, Math.max(0, ANNOUNCE_MS - (performance.now() - last_said)));
}

export function start() {
  on("anomalies", (a) => {
    if (a) announce(a);
    paint("anomalies", draw_anomalies);
  });
  on("analyses", () => paint("analyses", draw_analyses));
}
