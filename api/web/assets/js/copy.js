// button[data-copy="text"]: copies the text, shows a tick for a moment and tells screen readers.
const SHOWN = 1_500; // ms

document.addEventListener("click", async ({ target }) => {
  const button = target instanceof Element ? target.closest("button[data-copy]") : null;
  if (button === null) return;
  const announcer = document.getElementById("announcer");
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    if (announcer !== null) announcer.textContent = "Copying is not possible here";
    return;
  }
  button.dataset.copied = "";
  if (announcer !== null) announcer.textContent = "Copied";
  setTimeout(() => delete button.dataset.copied, SHOWN);
});
