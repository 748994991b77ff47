// One event stream per browser. The tab that holds the lock reads `/v1/stream` and passes everything on; when it goes,
// another takes over where it stood. An event only says that something changed: elements that care
// (`data-live="proposals halts"`) get `sluice:changed` and fetch themselves anew.
//
// Tells: <html data-connection="connecting | live | reconnecting | offline | signed-out">, `sluice:connection` on
// document ({state, since}), `sluice:event` on document for each event (activity feed).
import { announceTokens, everything } from "./live.js";
import { isSignedOut } from "./signed_out.js";

const ADDRESS = "/v1/stream";
const TOPICS = ["proposal", "request", "halt", "breaker", "budget"];
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;
const PATIENCE = 5_000; // ms without a connection before decisions are switched off
const REMEMBERED = 500; // events kept for tabs that come late

const root = document.documentElement;
const channel = new BroadcastChannel("sluice-stream");
const recent = [];
let seen = root.dataset.after === undefined ? null : Number(root.dataset.after);
let state = "connecting";
let since = Date.now();
let leads = false;
let source = null;
let wait = FIRST_WAIT;
let retryTimer;
let patienceTimer;

/** @param {string} next @param {number} [at] since when, ms since 1970 */
function become(next, at = Date.now()) {
  if (next === state && root.dataset.connection === next) return;
  if (next === "live" || state === "live" || next === "signed-out") since = at;
  state = next;
  root.dataset.connection = next;
  document.dispatchEvent(new CustomEvent("sluice:connection", { detail: { state, since } }));
  if (leads) channel.postMessage({ kind: "state", state, since, seen });
}

/** @param {{number: number, topic: string, subject: string}} event */
function take(event) {
  if (seen !== null && event.number <= seen) return;
  seen = event.number;
  recent.push(event);
  if (recent.length > REMEMBERED) recent.shift();
  announceTokens([`${event.topic}:${event.subject}`, `${event.topic}s`, "audit"]);
  document.dispatchEvent(new CustomEvent("sluice:event", { detail: event }));
}

function connect() {
  clearTimeout(retryTimer);
  if (!leads || source !== null) return;
  if (!navigator.onLine) return become("offline");
  source = new EventSource(seen === null ? ADDRESS : `${ADDRESS}?after=${seen}`);
  source.addEventListener("hello", (message) => {
    seen ??= JSON.parse(message.data).number;
    wait = FIRST_WAIT;
    patienceTimer = clearTimeout(patienceTimer);
    become("live");
  });
  source.addEventListener("reset", (message) => {
    seen = JSON.parse(message.data).number;
    channel.postMessage({ kind: "reset", number: seen });
    everything();
  });
  for (const topic of TOPICS) {
    source.addEventListener(topic, (message) => {
      const event = { ...JSON.parse(message.data), topic };
      channel.postMessage({ kind: "event", event });
      take(event);
    });
  }
  source.onerror = () => lost(source.readyState === EventSource.CLOSED);
}

/** Come back later, less often each time. A browser left alone would ask again without end or never. */
function lost(wasRefused) {
  close();
  if (state === "live") become("reconnecting");
  patienceTimer ||= setTimeout(() => state !== "signed-out" && become("offline"), PATIENCE);
  retryTimer = setTimeout(connect, wait * (0.75 + Math.random() / 2));
  wait = Math.min(wait * 2, LONGEST_WAIT);
  if (wasRefused) void askWhy();
}

/** Stop asking when nobody is signed in any more. */
async function askWhy() {
  if (!(await isSignedOut(ADDRESS))) return;
  close();
  clearTimeout(retryTimer);
  patienceTimer = clearTimeout(patienceTimer);
  become("signed-out");
}

function close() {
  source?.close();
  source = null;
}

function again() {
  if (!leads) return;
  wait = FIRST_WAIT;
  connect();
}

channel.onmessage = ({ data }) => {
  if (data.kind === "event") take(data.event);
  else if (data.kind === "state" && !leads) {
    seen ??= data.seen;
    become(data.state, data.since);
  } else if (data.kind === "reset") {
    seen = data.number;
    everything();
  } else if (data.kind === "join" && leads) {
    // A new page was just served to somebody: whatever stopped us may be over.
    if (state !== "live") again();
    channel.postMessage({ kind: "state", state, since, seen });
    const missed = data.after === null ? [] : recent.filter((event) => event.number > data.after);
    for (const event of missed) channel.postMessage({ kind: "event", event });
  }
};

/** Lead while this page lives; everybody else waits for the lock. */
function start() {
  const life = new AbortController();
  addEventListener("pagehide", () => life.abort(), { once: true });
  channel.postMessage({ kind: "join", after: seen });
  const lead = () => {
    leads = true;
    connect();
    return new Promise((release) => life.signal.addEventListener("abort", release));
  };
  const over = () => {
    leads = false;
    close();
  };
  void navigator.locks.request("sluice-stream", { signal: life.signal }, lead).then(over, over);
}

if (root.dataset.connection !== "none") {
  root.dataset.connection = state;
  addEventListener("online", again);
  addEventListener("offline", () => {
    close();
    become("offline");
  });
  document.addEventListener("sluice:refused", () => void askWhy());
  addEventListener("pageshow", (event) => event.persisted && start());
  document.addEventListener("visibilitychange", () => !document.hidden && state !== "live" && again());
  start();
}
