// [data-countdown="ISO time"] with a <time data-left> inside: counts down by the server's clock. Screen readers hear it
// at three moments only. At zero the nearest [data-live] element fetches itself anew.
import { serverNow } from "./clock.js";
import { onEveryChange } from "./hold.js";
import { changed } from "./live.js";

const MOMENTS = [600, 300, 60]; // seconds left
const SOON = 600;
const NOW = 60;
/** @type {Map<string, number>} by time and place in the page: a swap must not repeat what was said */
const heard = new Map();
const over = new WeakSet();

/** @param {number} left seconds */
function words(left) {
  const [days, hours] = [Math.floor(left / 86_400), Math.floor((left % 86_400) / 3_600)];
  const [minutes, seconds] = [Math.floor((left % 3_600) / 60), left % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${String(seconds).padStart(2, "0")} s` : `${seconds} s`;
}

/** @param {HTMLElement} element @param {number} left seconds */
function say(element, left) {
  if (!element.hasAttribute("data-announce")) return;
  const moment = MOMENTS.findLast((one) => left <= one) ?? Infinity;
  const key = element.dataset.countdown;
  if (moment >= (heard.get(key) ?? Infinity)) return;
  heard.set(key, moment);
  const announcer = document.getElementById("announcer");
  if (announcer !== null) announcer.textContent = `${words(left)} left to decide`;
}

/** @param {HTMLElement} element */
function tick(element) {
  const left = Math.ceil((Date.parse(element.dataset.countdown) - serverNow()) / 1_000);
  const shown = element.querySelector("[data-left]");
  if (shown === null || Number.isNaN(left)) return;
  const text = left > 0 ? words(left) : (element.dataset.over ?? "Expired");
  if (shown.textContent !== text) shown.textContent = text;
  const urgency = left <= 0 ? "over" : left <= NOW ? "now" : left <= SOON ? "soon" : "later";
  if (element.dataset.urgency !== urgency) element.dataset.urgency = urgency;
  if (left > 0) {
    over.delete(element);
    say(element, left);
  } else if (!over.has(element)) {
    over.add(element);
    changed(element.closest("[data-live]") ?? element);
  }
}

function tickAll() {
  document.querySelectorAll("[data-countdown]").forEach(tick);
}

onEveryChange(tickAll);
setInterval(tickAll, 1_000);
