/* What this page says of its connection in the browser's console: each change once, with its cause and what comes next.
   Quiet otherwise; everything is told with `?verbose` in the address, or for good after monitor.journal.keepVerbose(true). */
window.monitor = window.monitor || {};
window.monitor.journal = (() => {
  const KEY = "monitor-verbose";
  const MOST_ENTRIES = 200;
  const entries = []; // the newest, to be asked for when somebody looks only after it happened
  const said = new Map(); // topic -> its last text

  let isVerbose = new URLSearchParams(location.search).has("verbose") || isKept();

  function isKept() {
    try {
      return localStorage.getItem(KEY) === "1";
    } catch {
      return false; // a browser may forbid it
    }
  }

  /* Say everything from now on, and after the next load too; or no more. */
  function keepVerbose(isOn) {
    isVerbose = isOn;
    if (isOn) localStorage.setItem(KEY, "1");
    else localStorage.removeItem(KEY);
  }

  /* A change: what a topic has said already is only repeated to those who asked for everything.
     more: figures that differ each time and make no news by themselves. */
  function say(topic, text, more = "") {
    const line = stamped(`${topic}: ${text}${more && `; ${more}`}`);
    if (said.get(topic) === text) return isVerbose && console.log(line);
    said.set(topic, text);
    entries.push(line);
    if (entries.length > MOST_ENTRIES) entries.shift();
    return console.info(line);
  }

  /* A detail, for those who asked for everything: `words` is called only then. */
  function detail(topic, words) {
    if (isVerbose) console.log(stamped(`${topic}: ${words()}`));
  }

  /* In UTC and by the server's clock, as in its log. */
  function stamped(text) {
    return `${new Date(monitor.clock.serverMs()).toISOString()} ${text}`;
  }

  return { say, detail, keepVerbose, entries: () => [...entries] };
})();
