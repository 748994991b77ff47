// button[data-dialog="id"] opens the <dialog> with that id; [data-close] inside closes it, and so does a click beside it.
document.addEventListener("click", ({ target }) => {
  if (!(target instanceof Element)) return;
  const opener = target.closest("[data-dialog]");
  if (opener !== null) {
    // A popover that stays open would lie above the page behind the dialog.
    document.querySelector("[popover]:popover-open")?.hidePopover();
    document.getElementById(opener.dataset.dialog)?.showModal();
  } else if (target instanceof HTMLDialogElement || target.closest("[data-close]") !== null) {
    target.closest("dialog")?.close();
  }
});
