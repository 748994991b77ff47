// Short messages in the corner. From the server: `HX-Trigger: {"sluice:toast": {"text": "Approved", "tone": "ok"}}`.
// Answers that are not put into the page (a proxy's error, none at all) come up here too.
const STAYS = 6_000; // ms; a failure stays until it is dismissed

/**
 * @param {string} text
 * @param {"ok" | "danger" | "note"} [tone]
 */
export function toast(text, tone = "note") {
  const region = document.getElementById("toasts");
  const template = document.getElementById("toast");
  if (region === null || template === null) return;
  const one = template.content.cloneNode(true).firstElementChild;
  one.dataset.tone = tone;
  one.querySelector(".toast-text").textContent = text;
  one.querySelector("[data-dismiss]").addEventListener("click", () => one.remove());
  if (tone !== "danger") setTimeout(() => one.remove(), STAYS);
  region.append(one);
}

document.addEventListener("sluice:toast", ({ detail }) => toast(detail.text ?? detail.value ?? "", detail.tone));

document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  const isShown = ctx.response.status < 500 || ctx.hx.retarget !== undefined;
  if (isShown || ctx.sourceElement?.matches("[data-live]")) return;
  toast(`The server could not do this (${ctx.response.status}). Look at the present state first.`, "danger");
});

document.addEventListener("htmx:error", ({ detail }) => {
  // Elements that fetch themselves stay as they are; the connection says why.
  if (detail.ctx?.sourceElement?.matches("[data-live]")) return;
  toast("No answer from the server. Look at the present state before you try again.", "danger");
});

document.addEventListener("sluice:swapped", ({ detail }) => {
  if (detail.target?.id === "notices") detail.target.scrollIntoView({ block: "nearest" });
});
