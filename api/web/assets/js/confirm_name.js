// input[data-expected="name"]: while the text is not exactly the name, every [data-needs-name] control of its form (or
// [data-decision-box]) is off. A help against slips; the server compares again.
import { hold, onEveryChange } from "./hold.js";

function apply() {
  for (const input of document.querySelectorAll("input[data-expected]")) {
    const box = input.closest("[data-decision-box], form");
    if (box === null) continue;
    const differs = input.value !== input.dataset.expected;
    for (const control of box.querySelectorAll("[data-needs-name]")) hold(control, "name", differs);
  }
}

document.addEventListener("input", apply);
onEveryChange(apply);
