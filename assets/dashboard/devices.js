// SPDX-License-Identifier: MIT
// The table of devices: search, filter, sort, pages. Only the rows of the page that is shown exist, and only cells that changed
// are written, so that a thousand devices cost what fifty do.
import { $, attribute, el, paint, text } from "./dom.js";
import { NONE, READINGS, age, clock, count, reading, seconds, utc } from "./format.js";
import { now, on, state } from "./store.js";
import { CHARTED_MAX, charted, toggle } from "./telemetry.js";

const STATUS = { online: 0, unknown: 1, offline: 2 };
const COLUMNS = [
  { key: "name", title: "Device", of: (d) => d.name || d.id, order: 1 },
  { key: "status", title: "Status", of: (d) => (d.alarm ? -1 : STATUS[d.status] ?? 1), order: 1 },
  ...READINGS.map(([key, title, unit]) => ({ key, title, unit, num: unit !== "", of: (d) => d.telemetry?.[key], order: -1 })),
  { key: "messages", title: "Messages", num: true, of: (d) => d.counts?.telemetry, order: -1 },
  { key: "inferences", title: "Inferences", num: true, of: (d) => d.counts?.inferences, order: -1 },
  { key: "anomalies", title: "Anomalies", num: true, of: (d) => d.counts?.anomalies, order: -1 },
  { key: "seen", title: "Last seen", num: true, of: (d) => seconds(d.last_seen_utc), order: -1 },
];
const SORT_MS = 2000; // rows change places no more often: a table that jumps can't be read
let sort = { column: COLUMNS[0], order: 1 };
let page = 0, ordered = [], ordered_at = -Infinity, rows = [], body = null, empty = null;

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
function compare(a, b) {
  const x = sort.column.of(a), y = sort.column.of(b);
  const no_x = x === undefined || x === null, no_y = y === undefined || y === null;
  let by = 0;
  if (no_x || no_y) by = no_x - no_y; // unknown last, both ways
  else if (typeof x === "string") by = collator.compare(x, y) * sort.order;
  else by = (x - y) * sort.order;
  return by || collator.compare(a.name || a.id, b.name || b.id) || (a.id < b.id ? -1 : 1);
}

function passes(d, words, filter) {
  if (filter === "alarm" ? !d.alarm : filter === "llm" ? !d.model : filter !== "all" && d.status !== filter) return false;
  const hay = ((d.name || "") + "\n" + d.id).toLowerCase();
  return words.every((w) => hay.includes(w));
}

function arrange() {
  const words = $("device-search").value.toLowerCase().split(/\s+/).filter(Boolean), filter = $("device-filter").value;
  ordered = [...state.devices.values()].filter((d) => passes(d, words, filter)).sort(compare).map((d) => d.id);
  ordered_at = performance.now();
}

function make_row() {
  const link = el("a", { class: "device-link" }), id = el("span", { class: "device-id muted" });
  const box = el("input", { type: "checkbox" });
  box.addEventListener("change", () => {
    box.checked = toggle(tr.dataset.id);
    draw();
  });
  const dot = el("span", { class: "dot", "aria-hidden": "true" }), status = el("span");
  const alarm = el("b", { class: "tag bad" }, "alarm");
  const cells = COLUMNS.map((c) => el("td", { class: c.num ? "num" : null, role: "cell", "data-label": c.title, "data-unit": c.unit || null }));
  cells[0] = el("th", { scope: "row", role: "rowheader", class: "device-cell" }, link, id);
  cells[1].append(el("span", { class: "status" }, dot, status), alarm);
  const tr = el("tr", { role: "row" }, el("td", { role: "cell", class: "chart-cell", "data-label": "In the chart" }, box), ...cells);
  return { tr, link, id, box, status, alarm, cells };
}

function fill(row, d) {
  if (row.tr.dataset.id !== d.id) {
    row.tr.dataset.id = d.id;
    row.link.href = "#/device/" + encodeURIComponent(d.id);
  }
  const name = d.name || d.id, on_chart = charted(d.id);
  text(row.link, name);
  attribute(row.tr.cells[1], "title", name.length > 28 || d.id.length > 36 ? name + "\n" + d.id : null);
  text(row.id, d.name ? d.id : "");
  row.box.checked = on_chart;
  row.box.disabled = !on_chart && row.full;
  attribute(row.box, "aria-label", "Chart " + name);
  attribute(row.tr, "class", d.alarm ? "in-alarm" : null);
  attribute(row.status.parentElement, "data-state", d.status);
  text(row.status, d.status);
  row.alarm.hidden = !d.alarm;
  READINGS.forEach(([key], i) => text(row.cells[2 + i], reading(key, d.telemetry?.[key])));
  const n = 2 + READINGS.length, seen = seconds(d.last_seen_utc);
  text(row.cells[n], count(d.counts?.telemetry));
  text(row.cells[n + 1], d.model || d.counts?.inferences ? count(d.counts?.inferences) : NONE);
  text(row.cells[n + 2], count(d.counts?.anomalies));
  text(row.cells[n + 3], seen === null ? NONE : age(now() - seen));
  attribute(row.cells[n + 3], "title", seen === null ? null : clock(seen) + " (" + utc(seen) + ")");
}

function draw() {
  const size = Number($("device-rows").value), busy = body.contains(document.activeElement);
  // Someone whose keyboard is in the table keeps his row under him.
  if (performance.now() - ordered_at > SORT_MS && !busy) arrange();
  const pages = Math.max(1, Math.ceil(ordered.length / size));
  page = Math.min(page, pages - 1);
  const ids = ordered.slice(page * size, (page + 1) * size).filter((id) => state.devices.has(id));
  while (rows.length > ids.length) rows.pop().tr.remove();
  while (rows.length < ids.length) {
    rows.push(make_row());
    body.append(rows[rows.length - 1].tr);
  }
  const full = [...state.devices.keys()].filter(charted).length >= CHARTED_MAX;
  ids.forEach((id, i) => {
    rows[i].full = full;
    fill(rows[i], state.devices.get(id));
  });
  empty.hidden = ids.length > 0;
  text(empty, state.devices.size === 0 ? "No device has been heard of yet." : "No device matches. Clear the search, or show all.");
  text($("page-text"), ids.length ? `${count(page * size + 1)}–${count(page * size + ids.length)} of ${count(ordered.length)}` : "0 of 0");
  $("page-previous").disabled = page === 0;
  $("page-next").disabled = page >= pages - 1;
}

export const redraw = () => paint("devices", draw);
function rearrange() {
  page = 0;
  arrange();
  redraw();
}

function sort_by(column) {
  sort = { column, order: sort.column === column ? -sort.order : column.order };
  for (const c of COLUMNS) attribute(c.head, "aria-sort", c === column ? (sort.order > 0 ? "ascending" : "descending") : null);
  $("device-sort").value = column.key;
  rearrange();
}

// The link of a device, for the focus to go back to.
export const link_of = (id) => rows.find((r) => r.tr.dataset.id === id)?.link;

export function start() {
  for (const c of COLUMNS) {
    const button = el("button", { type: "button", class: "sort", click: () => sort_by(c) }, c.title, c.unit ? el("span", { class: "unit" }, c.unit) : null);
    c.head = el("th", { scope: "col", role: "columnheader", class: c.num ? "num" : null, "aria-sort": c === sort.column ? "ascending" : null }, button);
    $("device-sort").append(el("option", { value: c.key }, c.title));
  }
  body = el("tbody", { role: "rowgroup" });
  empty = el("p", { class: "empty muted" });
  const table = el("table", { class: "devices", role: "table", "aria-labelledby": "devices-title" },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, el("th", { scope: "col", role: "columnheader" }, el("span", { class: "hidden-text" }, "In the chart")), ...COLUMNS.map((c) => c.head))), body);
  $("device-table").append(el("div", { class: "table-scroll", role: "region", tabindex: "0", "aria-label": "Table of devices" }, table), empty);
  $("device-search").addEventListener("input", rearrange);
  $("device-filter").addEventListener("change", rearrange);
  $("device-rows").addEventListener("change", rearrange);
  $("device-sort").addEventListener("change", () => sort_by(COLUMNS.find((c) => c.key === $("device-sort").value)));
  const turn = (by) => () => {
    page += by;
    redraw();
  };
  $("page-previous").addEventListener("click", turn(-1));
  $("page-next").addEventListener("click", turn(1));
  on("devices", (new_ones) => {
    if (new_ones) ordered_at = -Infinity;
    redraw();
  });
  on("state", () => {
    arrange();
    redraw();
  });
  on("charted", redraw);
}
