// Keeps a control off for as long as one reason or more stands, and says which in words.
// The control: `disabled data-holds="facts name"`. The words: `[data-why="facts"]` in its form or [data-decision-box].
// A control that the server disabled without data-holds is never switched on here.

const SERVER = "server";

/**
 * Switch a control off for a reason, or take the reason back.
 * @param {HTMLButtonElement | HTMLInputElement} control
 * @param {"offline" | "facts" | "name" | "changed" | "turn"} reason
 * @param {boolean} stands
 */
export function hold(control, reason, stands) {
  const reasons = new Set((control.dataset.holds ?? "").split(" ").filter(Boolean));
  if (stands === reasons.has(reason) && control.disabled === reasons.size > 0) return;
  if (control.disabled && reasons.size === 0) reasons.add(SERVER);
  if (stands) reasons.add(reason);
  else reasons.delete(reason);
  control.disabled = reasons.size > 0;
  if (reasons.size > 0) control.dataset.holds = [...reasons].join(" ");
  else delete control.dataset.holds;
  const box = control.closest("[data-decision-box], form");
  if (box !== null) explain(box);
}

/** @param {Element} box */
function explain(box) {
  const standing = new Set();
  for (const control of box.querySelectorAll("[data-holds]")) {
    for (const reason of control.dataset.holds.split(" ")) standing.add(reason);
  }
  for (const words of box.querySelectorAll("[data-why]")) words.hidden = !standing.has(words.dataset.why);
}

/**
 * Call `apply` now and whenever htmx has put something new into the page.
 * @param {() => void} apply
 */
export function onEveryChange(apply) {
  apply();
  document.addEventListener("sluice:swapped", apply);
}
