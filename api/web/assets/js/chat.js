// The chat page. It watches an open turn (`data-watch`) and writes its steps and the growing text into it, as text and
// never as markup; when the turn is closed, the turn fetches itself from the server, and what stood here is gone.
// The composer: Enter sends unless switched off, a draft outlives a failed send and a reload, one turn at a time.
import { hold, onEveryChange } from "./hold.js";
import { changed } from "./live.js";
import { isOff } from "./offline.js";

const ENTER_KEY = "sluice_enter_sends";
const NEAR = 160; // px from the end within which the page follows what comes
const PLACE = ["project", "location", "cluster", "node_pool"];
const STATE_WORDS = { running: "running", done: "done", failed: "failed" };
const root = document.documentElement;
/** @type {Map<string, EventSource>} by request id */
const watched = new Map();

// ---- Text of others: the same as the filter |inert, in api/web/inert.py

const DECEIVING = /[^\P{C}\n\t]|[\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5]|(?<=\p{M}{4})\p{M}/gu;

/** @param {string} text */
function visible(text) {
  return text.replace(DECEIVING, (one) => `⟨U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** @param {Element} element @param {string} text */
function write(element, text) {
  const bdi = element.querySelector("bdi") ?? element.appendChild(document.createElement("bdi"));
  const shown = visible(text);
  if (bdi.textContent !== shown) bdi.textContent = shown;
}

/** A target as a path, the rest as `name value`: as in api/web/chat/view.py. @param {Record<string, unknown>} given */
function inWords(given) {
  const place = PLACE.filter((name) => name in given).map((name) => String(given[name])).join("/");
  const rest = Object.entries(given)
    .filter(([name]) => !PLACE.includes(name))
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${String(value).slice(0, 80)}`);
  return [...(place ? [place.slice(0, 320)] : []), ...rest].slice(0, 6).join(", ");
}

// ---- A turn that is open

/** @param {{kind: string, name: string, state: string}} step */
function nameOf(step) {
  if (step.kind === "model") return step.state === "running" ? "Asking the model" : "Asked the model";
  if (step.kind === "rules") return "Applied the rules planner";
  const words = step.name.replace(/[_.]+/g, " ").trim();
  return words.slice(0, 1).toUpperCase() + words.slice(1) || "Tool";
}

/** @param {Element} turn @param {{index: number, kind: string, name: string, state: string}} step */
function showStep(turn, step) {
  const list = turn.querySelector("[data-chips]");
  let chip = list.querySelector(`[data-index="${Number(step.index)}"]`);
  if (chip === null) {
    chip = document.getElementById("chip").content.cloneNode(true).firstElementChild;
    chip.dataset.index = step.index;
    list.append(chip);
  }
  chip.dataset.kind = step.kind;
  chip.dataset.state = step.state;
  write(chip.querySelector(".chip-words"), nameOf(step));
  write(chip.querySelector(".chip-about"), step.kind === "tool" ? inWords(step.arguments) : step.kind === "model" ? step.name : "");
  write(chip.querySelector(".chip-state"), step.error?.replaceAll("_", " ") ?? STATE_WORDS[step.state] ?? "");
  const status = { model: "The planner asks the model …", tool: "The planner reads …", rules: "The rules planner answers …" };
  if (step.state === "running") turn.querySelector("[data-status]").textContent = status[step.kind] ?? "";
}

/** @param {Element} turn @param {string} text */
function showText(turn, text) {
  const draft = turn.querySelector("[data-draft]");
  draft.hidden = text === "";
  write(draft.querySelector("[data-draft-text]"), text);
  if (text !== "") turn.querySelector("[data-status]").textContent = "The planner writes …";
}

/** @param {HTMLElement} turn */
function watch(turn) {
  const id = turn.dataset.watch;
  if (watched.has(id)) return;
  const source = new EventSource(`/v1/requests/${encodeURIComponent(id)}/progress`);
  watched.set(id, source);
  // Looked up each time: the element may have been put anew into the page.
  const shown = () => document.querySelector(`[data-watch="${CSS.escape(id)}"]`);
  const take = (name, show) =>
    source.addEventListener(name, (message) => {
      const open = shown();
      if (open === null) return;
      show(open, JSON.parse(message.data));
      follow();
    });
  take("step", showStep);
  take("text", (open, data) => showText(open, data.text));
  source.addEventListener("closed", () => {
    unwatch(id);
    const open = shown();
    if (open !== null) changed(open);
  });
  source.onerror = () => {
    // Refused for good: the event stream of the page still tells when the turn is closed.
    if (source.readyState === EventSource.CLOSED) unwatch(id);
  };
}

/** @param {string} id */
function unwatch(id) {
  watched.get(id)?.close();
  watched.delete(id);
}

const isNearEnd = () => root.scrollHeight - scrollY - innerHeight < NEAR;
let followsEnd = true;
addEventListener("scroll", () => (followsEnd = isNearEnd()), { passive: true });

/** Keep the end in view if it was, and leave a reader who scrolled up alone. */
function follow() {
  if (followsEnd && document.querySelector(".turn") !== null) toEnd();
}

function toEnd() {
  scrollTo({ top: root.scrollHeight });
}

// ---- The composer

const composer = () => document.getElementById("composer");
const field = () => document.getElementById("composer-text");
const draftKey = `sluice_draft ${location.pathname}`;
let wasTried = false;

/** @param {Storage} storage @param {string} name @param {string} [value] */
function keep(storage, name, value) {
  try {
    if (value === undefined) return storage.getItem(name);
    if (value === "") storage.removeItem(name);
    else storage.setItem(name, value);
  } catch {
    // Storage may be closed to us; then nothing is kept beyond this page.
  }
  return null;
}

function renewKey() {
  const key = composer()?.querySelector("[name=idempotency_key]");
  if (key) key.value = `key_${crypto.randomUUID().replaceAll("-", "")}`;
}

function review() {
  for (const turn of document.querySelectorAll("[data-watch]")) watch(turn);
  for (const id of watched.keys()) {
    if (document.querySelector(`[data-watch="${CSS.escape(id)}"]`) === null) unwatch(id);
  }
  const send = composer()?.querySelector("[data-send]");
  if (!send) return;
  hold(send, "turn", document.querySelector("[data-watch]") !== null);
  hold(send, "offline", isOff());
}

document.addEventListener("keydown", (event) => {
  const text = field();
  if (event.target !== text || text === null || event.key !== "Enter" || event.isComposing) return;
  const byEnter = composer().querySelector("[data-enter-sends]").checked && !matchMedia("(pointer: coarse)").matches;
  const sends = byEnter ? !event.shiftKey : event.ctrlKey || event.metaKey;
  if (!sends) return;
  event.preventDefault();
  const send = composer().querySelector("[data-send]");
  if (!send.disabled && text.value.trim() !== "") composer().requestSubmit(send);
});

document.addEventListener("submit", (event) => {
  if (event.target !== composer()) return;
  if (composer().querySelector("[data-send]").disabled) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  wasTried = true;
}, { capture: true });

document.addEventListener("input", (event) => {
  if (event.target !== field()) return;
  keep(sessionStorage, draftKey, field().value);
  // Another text under the same key would be refused as a repeat of the first.
  if (wasTried) {
    wasTried = false;
    renewKey();
  }
});

document.addEventListener("click", (event) => {
  const example = event.target instanceof Element ? event.target.closest("[data-example]") : null;
  if (example === null || field() === null) return;
  field().value = example.dataset.example;
  keep(sessionStorage, draftKey, field().value);
  field().focus();
});

document.addEventListener("change", (event) => {
  if (event.target instanceof Element && event.target.matches("[data-enter-sends]")) {
    keep(localStorage, ENTER_KEY, event.target.checked ? "on" : "off");
  }
});

document.addEventListener("sluice:sent", () => {
  sent();
  toEnd();
});

function sent() {
  wasTried = false;
  keep(sessionStorage, draftKey, "");
  document.getElementById("not-sent")?.replaceChildren();
  const text = field();
  if (text === null) return;
  text.value = "";
  renewKey();
  text.focus();
}

// A first message leads to a page of its own: its text is not a draft any more.
document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  if (ctx.sourceElement === composer() && ctx.response?.status === 204) keep(sessionStorage, draftKey, "");
});

document.addEventListener("sluice:connection", review);
addEventListener("pagehide", () => [...watched.keys()].forEach(unwatch));
addEventListener("pageshow", (event) => event.persisted && review());

const side = document.querySelector("[data-chat-side]");
const wide = matchMedia("(width >= 64rem)");
const openSide = () => side?.toggleAttribute("open", wide.matches);
wide.addEventListener("change", openSide);
openSide();

const byEnter = composer()?.querySelector("[data-enter-sends]");
if (byEnter) byEnter.checked = keep(localStorage, ENTER_KEY) !== "off";
if (field() && field().value === "") field().value = keep(sessionStorage, draftKey) ?? "";
onEveryChange(() => {
  review();
  follow();
});
