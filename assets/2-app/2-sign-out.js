/* Whoever goes back after signing out finds no plant: the browser keeps the page that was left in memory, as it was. */
(() => {
  let hasLeft = false;

  document.addEventListener("submit", (event) => {
    if (event.target.action.endsWith("/sign-out")) hasLeft = true;
  });
  addEventListener("pagehide", () => { if (hasLeft) document.documentElement.hidden = true; });
  addEventListener("pageshow", (event) => { if (hasLeft && event.persisted) location.reload(); });
})();
