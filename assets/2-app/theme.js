/* Light or dark: as the system says until somebody picks. Loaded in the head, so that no page is seen in the wrong one. */
window.monitor = window.monitor || {};
window.monitor.theme = (() => {
  const KEY = "monitor-theme";
  const CHOICES = ["auto", "light", "dark"];
  const system = matchMedia("(prefers-color-scheme: dark)");

  function choice() {
    const kept = localStorage.getItem(KEY);
    return CHOICES.includes(kept) ? kept : "auto";
  }

  function current() {
    if (choice() !== "auto") return choice();
    return system.matches ? "dark" : "light";
  }

  function apply() {
    document.documentElement.setAttribute("data-bs-theme", current());
    showChoice();
    dispatchEvent(new Event("monitor:theme"));
  }

  function showChoice() {
    const button = document.querySelector("[data-theme-switch]");
    if (!button || button.title === `Theme: ${choice()}`) return;
    button.dataset.themeSwitch = choice();
    button.setAttribute("aria-label", `Theme: ${choice()}; change it`);
    button.title = `Theme: ${choice()}`;
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    localStorage.setItem(KEY, CHOICES[(CHOICES.indexOf(choice()) + 1) % CHOICES.length]);
    apply();
  });
  system.addEventListener("change", apply);
  apply();
  return { current, showChoice };
})();
