// SPDX-License-Identifier: MIT
// The connection: first the whole state, then the server's events. When it is lost the page says so, tries again by itself with
// growing pauses, and takes the whole state anew.
// The stream is read with fetch and not with EventSource, which hides the status (a missing token) and the heartbeats (a dead
// line that nobody closed).
import * as store from "./store.js";

const SILENCE_MS = 45000; // the server's heartbeats come more often than that
const STALE_MS = 10000; // lost for longer than that: what is shown is called stale
const PAUSE_MS = [500, 1000, 2000, 4000, 8000, 15000];

// state: to who was too slow for the events, instead of those that it missed.
const handlers = { state: store.replace, tick: store.tick, token: store.token, analysis: store.analysis, anomaly: store.anomaly };
let failures = 0, lost_at = null, abort = null, wake = null;

export class Refused extends Error {}

export async function get(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(20000) });
  if (response.status === 401 || response.status === 403) throw new Refused();
  if (!response.ok) throw new Error(`${path.split("?")[0]}: ${response.status}`);
  return response.json();
}

function dispatch(block) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.startsWith("data: ") ? line.slice(6) : line.slice(5));
  }
  if (data.length === 0 || !Object.hasOwn(handlers, name)) return; // a heartbeat, or an event of a later version
  let value;
  try {
    value = JSON.parse(data.join("\n"));
  } catch {
    return; // cut short: the next tick has it again
  }
  handlers[name](value);
}

async function follow() {
  abort = new AbortController();
  let timer = setTimeout(() => abort.abort(), SILENCE_MS);
  try {
    const response = await fetch("/api/events", { headers: { Accept: "text/event-stream" }, cache: "no-store", signal: abort.signal });
    if (response.status === 401 || response.status === 403) throw new Refused();
    if (!response.ok) throw new Error(String(response.status));
    store.replace(await get("/api/state")); // after the stream is open, so that nothing falls between the two
    failures = 0;
    lost_at = null;
    store.set_connection({ state: "live", since: null });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(), SILENCE_MS);
      const blocks = (rest + value.replaceAll("\r", "")).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) dispatch(block);
    }
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

function pause(ms) {
  return new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, ms);
  });
}

export async function run() {
  addEventListener("online", () => wake?.());
  for (;;) {
    let refused = false;
    try {
      await follow();
    } catch (problem) {
      refused = problem instanceof Refused;
    }
    lost_at ??= store.now();
    failures++;
    const wait = PAUSE_MS[Math.min(failures, PAUSE_MS.length) - 1] * (0.75 + Math.random() / 2);
    store.set_connection({ state: refused ? "refused" : "reconnecting", since: lost_at });
    await pause(refused ? 15000 : wait);
  }
}

// Called every second.
export function age() {
  const c = store.state.connection;
  if (c.state === "reconnecting" && store.now() - c.since > STALE_MS / 1000) store.set_connection({ state: "stale", since: c.since });
}
