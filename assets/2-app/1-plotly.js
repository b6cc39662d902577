/* Plotly, fetched by the first chart or while a page of charts waits for its answers: it takes longer to load than all
   else, and a page comes to life without it. Dash's own charts wait for it, too. */
window.monitor = window.monitor || {};
window.monitor.plotly = (() => {
  const DRAWN_AT_ONCE = new Set(["/", "/energy", "/history", "/admin/realtime"]); // pages of charts: on others the first one fetches it
  const REST_MS = 3000;
  let coming = null;

  function isThere() {
    return typeof window.Plotly.newPlot === "function";
  }

  /* Resolves with Plotly; rejects when it can't be had, and fetches it again when asked after a rest. */
  function ready() {
    if (!coming) {
      coming = load();
      coming.catch(() => setTimeout(() => { coming = null; }, REST_MS));
    }
    return coming;
  }

  function load() {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const refuse = () => {
        script.remove();
        reject(new Error("The script that draws charts can't be fetched; reload the page to try again."));
      };
      script.src = document.getElementById("plotly").href;
      script.onload = () => (isThere() ? resolve(window.Plotly) : refuse());
      script.onerror = refuse;
      document.head.append(script);
    });
  }

  // Until it is there, a promise has its place: whoever waits for that has it fetched. The script puts itself there.
  window.Plotly = window.Plotly || { then: (...handlers) => ready().then(...handlers) };

  if (DRAWN_AT_ONCE.has(location.pathname)) addEventListener("DOMContentLoaded", () => ready().catch(() => {}));

  return { isThere, ready };
})();
