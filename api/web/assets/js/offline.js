// Says how old the data is and switches every [data-decision] control off while there is no connection.
// Nothing is queued: a decision that cannot be sent now is not sent later.
import { hold, onEveryChange } from "./hold.js";

const root = document.documentElement;
const WORDS = {
  connecting: "connecting",
  live: "live",
  reconnecting: "reconnecting",
  offline: "offline",
  "signed-out": "signed out",
};
let since = Date.now();

/** @returns {boolean} whether nothing can be sent now */
export const isOff = () => root.dataset.connection === "offline" || root.dataset.connection === "signed-out";

/** @param {number} ms */
function age(ms) {
  const seconds = Math.max(1, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  return seconds < 3_600 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3_600)} h`;
}

function show() {
  const state = root.dataset.connection;
  const old = age(Date.now() - since);
  const words = state === "reconnecting" || isOff() ? `${WORDS[state]} · ${old} old` : WORDS[state];
  for (const text of document.querySelectorAll("[data-connection-text]")) text.textContent = words ?? "";
  const banner = document.getElementById("offline");
  if (banner === null) return;
  banner.hidden = !isOff();
  banner.querySelector("[data-offline-title]").textContent =
    state === "signed-out" ? "You are signed out: sign in again, in another tab to keep what you typed" : "No connection";
  // Read out once, when the banner comes up, and not every second.
  const shown = banner.querySelector("[data-offline-age]");
  shown.textContent = old;
  if (isOff()) shown.setAttribute("aria-live", "off");
}

function apply() {
  for (const control of document.querySelectorAll("[data-decision]")) hold(control, "offline", isOff());
}

/** @param {Event} event */
function refuse(event) {
  const form = event.target;
  if (!isOff() || !(form instanceof Element) || form.querySelector("[data-decision]") === null) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

document.addEventListener("sluice:connection", (event) => {
  since = event.detail.since;
  show();
  apply();
});
document.addEventListener("submit", refuse, { capture: true });
onEveryChange(apply);
setInterval(() => root.dataset.connection !== "live" && show(), 1_000);
