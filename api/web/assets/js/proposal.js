// The proposal page. After a change under their hands decisions are off until the reader says that they looked again;
// words in a form that goes away because somebody else was faster move to the comment field; and an approval is sent
// with all facts here only.
import { isFactMissing } from "./facts_ready.js";
import { hold, onEveryChange } from "./hold.js";

function lookAgain() {
  const box = document.querySelector("[data-looked-again]");
  for (const control of document.querySelectorAll("#decide [data-decision], #edit-size [data-decision]")) {
    hold(control, "changed", box !== null && !box.checked);
  }
}

/** @param {SubmitEvent} event */
function refuseWithoutFacts(event) {
  if (event.submitter?.value !== "approve" || !event.submitter.hasAttribute("data-needs-facts")) return;
  if (!isFactMissing(event.submitter)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  hold(event.submitter, "facts", true);
}

const WRITTEN = "#decision-field-reason, #kept-field-reason, #edit-field-reason";
let words = "";
let kept = "";

/**
 * Several parts of the page may come at once: only the panel's own coming tells what stood in it.
 * @param {CustomEvent} event
 */
function remember(event) {
  const source = event.detail.ctx?.sourceElement;
  if (source instanceof HTMLFormElement) words = "";
  if (source?.id !== "decision") return;
  // What a conflict gave back stands in a field of its own, until the next change takes that away too.
  const fields = [...document.querySelectorAll(WRITTEN)];
  words = fields.find((field) => field.value.trim() !== "")?.value ?? "";
}

function keepWords() {
  const comment = document.getElementById("comment-field-reason");
  if (comment === null) return;
  const isGone = document.querySelector("#decide, #kept-field-reason, #edit-size") === null;
  if (isGone && words.trim() !== "") {
    comment.value = [comment.value, words].filter(Boolean).join("\n");
    kept = comment.value;
    words = "";
  }
  // The panel comes anew without this: it is told for as long as it is so.
  const isTold = kept !== "" && comment.value === kept;
  for (const told of document.querySelectorAll("[data-kept-words]")) told.hidden = !isTold;
}

/** What was sent and taken is not kept in its field. */
function clearSent({ detail }) {
  const { sourceElement, response } = detail.ctx ?? {};
  if (sourceElement instanceof HTMLFormElement && response?.status < 400) sourceElement.reset();
}

document.addEventListener("htmx:before:swap", clearSent);
document.addEventListener("htmx:before:swap", remember);
onEveryChange(keepWords);
document.addEventListener("change", lookAgain);
document.addEventListener("submit", refuseWithoutFacts, { capture: true });
onEveryChange(lookAgain);
