/* Plotly, which takes longer to load than all else: pages of charts have it coming from their first line on, on others
   the first chart fetches it. Dash's own charts wait for it, too. */
window.monitor = window.monitor || {};
window.monitor.plotly = (() => {
  const REST_MS = 3000;
  const first = document.getElementById("plotly"); // the script, or only its address
  let coming = null;

  function isThere() {
    return typeof window.Plotly.newPlot === "function";
  }

  /* Resolves with Plotly; rejects when it can't be had, and fetches it again when asked after a rest. */
  function ready() {
    if (!coming) {
      coming = first.tagName === "SCRIPT" && document.readyState !== "complete" ? arrived() : load();
      coming.catch(() => setTimeout(() => { coming = null; }, REST_MS));
    }
    return coming;
  }

  /* What the page began to load: it is there or has failed by the time that the page is complete. */
  function arrived() {
    return new Promise((resolve, reject) => {
      const settle = () => (isThere() ? resolve(window.Plotly) : reject(refusal()));
      first.addEventListener("load", settle);
      first.addEventListener("error", settle);
      addEventListener("load", settle);
      if (isThere()) settle();
    });
  }

  function load() {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const refuse = () => {
        script.remove();
        reject(refusal());
      };
      if (isThere()) {
        resolve(window.Plotly);
        return;
      }
      script.src = first.href || first.src;
      script.onload = () => (isThere() ? resolve(window.Plotly) : refuse());
      script.onerror = refuse;
      document.head.append(script);
    });
  }

  function refusal() {
    return new Error("The script that draws charts can't be fetched; reload the page to try again.");
  }

  // Until it is there, a promise has its place: whoever waits for that has it fetched. The script puts itself there.
  window.Plotly = window.Plotly || { then: (...handlers) => ready().then(...handlers) };

  return { isThere, ready };
})();
