// [data-needs-facts] controls are rendered off (`disabled data-holds="facts"`) and come on when every one of the ten
// facts of a decision ([data-fact="1"] … [data-fact="10"]) is on the page, none of them still loads, and they are those
// that the form decides on: #facts and the form come anew one by one, and each says of what it is (`data-facts-of`).
import { hold, onEveryChange } from "./hold.js";

const FACTS = 10;

/**
 * @param {Element} control of a decision
 * @returns {boolean} whether one of the ten facts is not on the page, still loads, or is another's
 */
export function isFactMissing(control) {
  const decidesOn = control.closest("[data-facts-of]");
  if (decidesOn !== null && decidesOn.dataset.factsOf !== document.getElementById("facts")?.dataset.factsOf) return true;
  const here = new Set();
  for (const fact of document.querySelectorAll("[data-fact]")) {
    if (fact.querySelector(".skeleton") === null) here.add(fact.dataset.fact);
  }
  return Array.from({ length: FACTS }, (_, index) => String(index + 1)).some((one) => !here.has(one));
}

function apply() {
  for (const control of document.querySelectorAll("[data-needs-facts]")) hold(control, "facts", isFactMissing(control));
}

onEveryChange(apply);
