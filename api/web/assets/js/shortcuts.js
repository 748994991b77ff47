// Keys that move and open, never decide. j k walk over [data-row] elements, Enter opens the link in focus (the browser
// does), / searches, g and a letter goes to a room, ? shows all of them. The dialog switches them off for this browser.
const KEY = "sluice_shortcuts";
const ROOMS = { i: "/", c: "/chat", a: "/activity", o: "/operations", u: "/audit" };
const SECOND_KEY = 1_200; // ms in which the letter after g counts
let wentAt = -Infinity;
let isOff = false;
try {
  isOff = localStorage.getItem(KEY) === "off";
} catch {
  // Storage may be closed to us; then they are on.
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio], [type=button]), textarea, select"))
  );
}

/** @param {number} step */
function move(step) {
  const rows = [...document.querySelectorAll("[data-row]")].filter((row) => row.checkVisibility());
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[at === -1 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1)];
  const link = next.matches("a, button") ? next : (next.querySelector("[data-row-link]") ?? next.querySelector("a[href]"));
  link?.focus();
  next.scrollIntoView({ block: "nearest" });
}

const actions = {
  j: () => move(1),
  k: () => move(-1),
  "/": () => [...document.querySelectorAll("[data-search]")].find((one) => one.checkVisibility())?.select(),
  "?": () => document.getElementById("shortcuts")?.showModal(),
  g: () => {
    wentAt = performance.now();
  },
};

document.addEventListener("keydown", (event) => {
  if (isOff || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat && event.key === "g") return;
  if (isTyping(event.target) || document.querySelector("dialog[open]") !== null) return;
  const room = performance.now() - wentAt < SECOND_KEY ? ROOMS[event.key] : undefined;
  wentAt = -Infinity;
  if (room !== undefined) location.assign(room);
  else if (Object.hasOwn(actions, event.key)) actions[event.key]();
  else return;
  event.preventDefault();
});

for (const box of document.querySelectorAll("[data-shortcuts-switch]")) {
  box.checked = !isOff;
  box.addEventListener("change", () => {
    isOff = !box.checked;
    try {
      localStorage.setItem(KEY, isOff ? "off" : "on");
    } catch {
      // For this page it holds all the same.
    }
  });
}
