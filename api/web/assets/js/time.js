// <time datetime="…" data-time="clock | relative | full">: shown in the reader's zone, UTC on hover (its title).
import { serverNow } from "./clock.js";
import { onEveryChange } from "./hold.js";

const day = { day: "numeric", month: "short" };
const minute = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const CLOCK = new Intl.DateTimeFormat("en-GB", { ...day, ...minute });
const CLOCK_YEAR = new Intl.DateTimeFormat("en-GB", { ...day, year: "numeric", ...minute });
const FULL = new Intl.DateTimeFormat("en-GB", {
  ...day, year: "numeric", ...minute, second: "2-digit", timeZoneName: "short",
});
const STEPS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];

/** @param {number} at ms since 1970 */
function relative(at) {
  const seconds = Math.round((at - serverNow()) / 1_000);
  if (Math.abs(seconds) < 5) return "just now";
  const [unit, size] = STEPS.find(([, length]) => Math.abs(seconds) >= length);
  const words = `${Math.trunc(Math.abs(seconds) / size)} ${unit}`;
  return seconds < 0 ? `${words} ago` : `in ${words}`;
}

/** @param {HTMLTimeElement} element */
function write(element) {
  const at = Date.parse(element.dateTime);
  if (Number.isNaN(at)) return;
  const style = element.dataset.time;
  const clock = new Date(at).getFullYear() === new Date().getFullYear() ? CLOCK : CLOCK_YEAR;
  const text = style === "relative" ? relative(at) : (style === "full" ? FULL : clock).format(at);
  if (element.textContent !== text) element.textContent = text;
}

function writeAll() {
  document.querySelectorAll("time[data-time]").forEach(write);
}

onEveryChange(writeAll);
setInterval(() => document.querySelectorAll('time[data-time="relative"]').forEach(write), 15_000);
