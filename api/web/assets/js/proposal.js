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

/** @param {CustomEvent} event */
function remember(event) {
  const isLive = event.detail.ctx?.sourceElement?.id === "decision";
  // What a conflict gave back stands in a field of its own, until the next change takes that away too.
  const fields = [...document.querySelectorAll(WRITTEN)];
  words = isLive ? (fields.find((field) => field.value.trim() !== "")?.value ?? "") : "";
}

function keepWords() {
  if (words.trim() === "" || document.querySelector("#decide, #kept-field-reason, #edit-size") !== null) return;
  const comment = document.getElementById("comment-field-reason");
  if (comment === null) return;
  if (comment.value === "") comment.value = words;
  words = "";
  for (const told of document.querySelectorAll("[data-kept-words]")) told.hidden = false;
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
