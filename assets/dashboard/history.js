// SPDX-License-Identifier: MIT
// Time ranges, and series of values in them: what the server remembers, then what comes live.
import { get } from "./live.js";
import { known } from "./format.js";
import { now, state } from "./store.js";
import { remember, remembered } from "./dom.js";

const POINTS = 600; // asked for a series; a chart has hardly more pixels
export const RANGES = [["300", "5 m", "5 minutes"], ["900", "15 m", "15 minutes"], ["3600", "1 h", "1 hour"], ["86400", "24 h", "24 hours"], ["all", "all", "everything"]];

let range = remembered("range", RANGES.map((r) => r[0]), "300");
const listeners = new Set();
export const chosen_range = () => range;
export function choose_range(value) {
  range = value;
  remember("range", value);
  for (const f of listeners) f();
}
export const on_range = (f) => listeners.add(f);
export const off_range = (f) => listeners.delete(f);

// The fields of one device, or of one model. load() asks the server; add() takes what is live.
export class Track {
  constructor(query, fields) {
    this.query = query; // {id} or {model}
    this.fields = fields;
    this.points = new Map(fields.map((f) => [f, []]));
    this.loaded_at = 0;
    this.generation = 0;
  }

  async load() {
    const generation = ++this.generation; // a later load wins, whichever answers first
    this.loaded_at = performance.now();
    const to = now(), from = range === "all" ? 0 : to - Number(range);
    const query = new URLSearchParams({ ...this.query, field: this.fields.join(","), from: from.toFixed(0), to: Math.ceil(to).toFixed(0), points: POINTS });
    const answer = await get("/api/history?" + query);
    if (generation !== this.generation) return;
    for (const f of this.fields) {
      const old = answer.series?.[f] || [], live = this.points.get(f);
      const points = old.filter((p) => known(p[0]) && known(Number(p[1])) && p[1] !== null).map((p) => ({ x: p[0], y: Number(p[1]) }));
      const last = points.length ? points[points.length - 1].x : -Infinity;
      points.push(...live.filter((p) => p.x > last && p.live)); // came while the answer was under way
      this.points.set(f, points);
    }
  }

  add(x, values) {
    if (!known(x)) return;
    for (const f of this.fields) {
      const v = values?.[f], list = this.points.get(f);
      if (v === null || v === undefined || (list.length && list[list.length - 1].x >= x)) continue;
      list.push({ x, y: Number(v), live: true });
      // Live values are not thinned out; a long range is asked for anew now and then, and this bounds it meanwhile.
      if (list.length > POINTS * 4) list.splice(0, list.length - POINTS * 3);
    }
  }

  stale() {
    return performance.now() - this.loaded_at > (range === "all" || Number(range) > 3600 ? 120000 : 600000);
  }

  // What a chart shows now: [from, to].
  window() {
    const to = now();
    let first = to - 60;
    for (const list of this.points.values()) if (list.length) first = Math.min(first, list[0].x);
    if (range === "all") return [first, to];
    // Before the server began there is nothing, unless the store has it: a fresh run's chart isn't mostly empty.
    return [Math.max(to - Number(range), Math.min(first, state.started ?? first)), to];
  }

  visible(field, from) {
    const list = this.points.get(field);
    let i = 0;
    while (i < list.length - 1 && list[i + 1].x < from) i++; // one before the edge, so that the line comes in from there
    if (i > 0) list.splice(0, i);
    return list;
  }
}
