// Light, dark or as the machine is: `input[data-theme-choice]`. Kept in a cookie, so that the server writes the right
// theme into the page and nothing flashes, and in localStorage, so that other tabs follow.
const KEY = "sluice_theme";
const YEAR = 31_536_000; // seconds
const root = document.documentElement;

/** @param {string} theme "light", "dark" or "system" */
function apply(theme) {
  root.dataset.theme = theme;
  const meta = document.querySelector('meta[name="color-scheme"]');
  if (meta !== null) meta.content = theme === "system" ? "light dark" : theme;
  for (const input of document.querySelectorAll("[data-theme-choice]")) input.checked = input.value === theme;
  document.dispatchEvent(new CustomEvent("sluice:theme", { detail: { theme } }));
}

document.addEventListener("change", ({ target }) => {
  if (!(target instanceof HTMLInputElement) || !target.matches("[data-theme-choice]")) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${KEY}=${target.value}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
  try {
    localStorage.setItem(KEY, target.value);
  } catch {
    // Storage may be closed to us; the cookie carries it.
  }
  apply(target.value);
});

addEventListener("storage", ({ key, newValue }) => {
  if (key === KEY && newValue !== null) apply(newValue);
});
