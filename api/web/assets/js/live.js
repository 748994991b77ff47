// Tells the elements of this page that something they show has changed: `sluice:changed` on every element whose
// `data-live` names it. Many changes at once give one event per element; data-live-wait="2000" (ms) makes it rarer
// still. A hidden tab waits until somebody looks.

const SETTLE = 150; // ms in which changes are gathered
const AGAIN = 5_000; // ms between two tries of those whose fetch failed
const pending = new Set();
/** @type {WeakMap<Element, number>} when an element was last told */
const told = new WeakMap();
const ALL = "*";
let timer = 0;

/** @param {string[]} tokens what changed: "proposal:prp_1", "proposals", "audit" */
export function announceTokens(tokens) {
  for (const token of tokens) pending.add(token);
  if (!document.hidden) timer ||= setTimeout(flush, SETTLE);
}

/** Everything may have changed: updates were missed that nobody can send again. */
export function everything() {
  announceTokens([ALL]);
}

function flush() {
  timer = 0;
  const tokens = new Set(pending);
  pending.clear();
  let soonest = Infinity;
  for (const element of document.querySelectorAll("[data-live]")) {
    const matching = element.dataset.live.split(/\s+/).filter((token) => tokens.has(token) || tokens.has(ALL));
    if (matching.length === 0) continue;
    const rest = (told.get(element) ?? 0) + Number(element.dataset.liveWait ?? 0) - Date.now();
    if (rest > 0) {
      for (const token of matching) pending.add(token);
      soonest = Math.min(soonest, rest);
      continue;
    }
    told.set(element, Date.now());
    changed(element);
  }
  if (pending.size > 0) timer = setTimeout(flush, Math.max(soonest, SETTLE));
}

/**
 * Let one element fetch itself anew. The event does not bubble: what stands around it did not change.
 * @param {Element} element
 */
export function changed(element) {
  element.dispatchEvent(new CustomEvent("sluice:changed"));
}

// What could not be fetched is fetched again while there is a connection: nobody tells of that change a second time.
/** @type {Set<Element>} */
const failed = new Set();

/** @param {CustomEvent} event */
function remember({ detail: { ctx } }) {
  const status = ctx?.response?.status ?? 0;
  const isAnswered = status !== 0 && status !== 401 && status < 500;
  if (!isAnswered && ctx?.sourceElement?.matches("[data-live]")) failed.add(ctx.sourceElement);
}

document.addEventListener("htmx:response:error", remember);
document.addEventListener("htmx:error", remember);
setInterval(() => {
  if (document.hidden || document.documentElement.dataset.connection !== "live") return;
  const again = [...failed].filter((element) => element.isConnected);
  failed.clear();
  again.forEach(changed);
}, AGAIN);

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && pending.size > 0) timer ||= setTimeout(flush, SETTLE);
});
