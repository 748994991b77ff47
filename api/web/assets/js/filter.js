// input[data-filter="id"]: shows only those [data-filter-text] in that element that hold every word typed, and the
// links [data-filter-for] to them; a [data-filter-group] without any goes too.

/** @param {HTMLInputElement} input */
function apply(input) {
  const list = document.getElementById(input.dataset.filter);
  if (list === null) return;
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const one of list.querySelectorAll("[data-filter-text]")) {
    const text = one.dataset.filterText.toLowerCase();
    one.hidden = !words.every((word) => text.includes(word));
    if (!one.hidden) count += 1;
    const link = document.querySelector(`[data-filter-for="${CSS.escape(one.id)}"]`);
    if (link !== null) link.hidden = one.hidden;
  }
  for (const group of document.querySelectorAll("[data-filter-group]")) {
    group.hidden = group.querySelector("[data-filter-text]:not([hidden]), [data-filter-for]:not([hidden])") === null;
  }
  const told = document.querySelector("[data-filter-count]");
  if (told !== null) told.textContent = words.length === 0 ? "" : count === 1 ? "1 operation" : `${count} operations`;
  const none = list.querySelector("[data-filter-none]");
  if (none !== null) none.hidden = count > 0;
}

for (const input of document.querySelectorAll("input[data-filter]")) {
  input.addEventListener("input", () => apply(input));
  if (input.value !== "") apply(input);
}
