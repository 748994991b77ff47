// [data-needs-facts] controls are rendered off (`disabled data-holds="facts"`) and come on when every one of the ten
// facts of a decision ([data-fact="1"] … [data-fact="10"]) is on the page and none of them still loads.
import { hold, onEveryChange } from "./hold.js";

const FACTS = 10;

/** @returns {boolean} whether one of the ten facts is not on the page, or still loads */
export function isFactMissing() {
  const here = new Set();
  for (const fact of document.querySelectorAll("[data-fact]")) {
    if (fact.querySelector(".skeleton") === null) here.add(fact.dataset.fact);
  }
  return Array.from({ length: FACTS }, (_, index) => String(index + 1)).some((one) => !here.has(one));
}

function apply() {
  const controls = document.querySelectorAll("[data-needs-facts]");
  if (controls.length === 0) return;
  const isMissing = isFactMissing();
  for (const control of controls) hold(control, "facts", isMissing);
}

onEveryChange(apply);
