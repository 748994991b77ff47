// button[data-print]: prints the page.
document.addEventListener("click", ({ target }) => {
  if (target instanceof Element && target.closest("[data-print]") !== null) print();
});
