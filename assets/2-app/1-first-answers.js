/* Dash asks for its layout and its callbacks as soon as it runs: the page has brought both along. Each is given once;
   whoever asks again asks the server. */
window.monitor = window.monitor || {};
window.monitor.firstAnswers = (() => {
  const answers = new Map();
  const { fetch } = window;

  for (const block of document.querySelectorAll("script[data-answers]")) {
    answers.set(block.dataset.answers, block.textContent);
    block.remove();
  }

  function taken(address) {
    const text = answers.get(address);
    answers.delete(address);
    if (answers.size === 0) window.fetch = fetch;
    return new Response(text, { headers: { "Content-Type": "application/json" } });
  }

  if (answers.size > 0) {
    window.fetch = (address, options) =>
      answers.has(address) ? Promise.resolve(taken(address)) : fetch(address, options);
  }
})();
