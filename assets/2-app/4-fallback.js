/* Polling while the socket is away or brings only a part: how often, and what came of it. */
window.monitor = window.monitor || {};
window.monitor.fallback = (() => {
  const { backOff, catchUp, clock, journal, refresh } = monitor;
  const fallback = { isEnabled: false, everyS: 5, polls: 0, hasFailed: false, isSignedOut: false, cause: "" };

  function enable() {
    if (fallback.isEnabled) return;
    fallback.isEnabled = true;
    fallback.polls = 0;
    refresh.pause();
    setPace();
  }

  function disable() {
    Object.assign(fallback, { hasFailed: false, isSignedOut: false });
    if (!fallback.isEnabled) return;
    fallback.isEnabled = false;
    dash_clientside.set_props("shell-fallback", { disabled: true });
    journal.say("polling", "ended: nothing is missing");
    refresh.resume();
  }

  /* The pace changes only between polls: a changed interval starts its wait anew. */
  function setPace() {
    fallback.everyS = backOff.pollEveryS(Math.max(monitor.socket.recentFailures(), fallback.polls));
    const interval = backOff.pollWaitMs(fallback.everyS, clock.random()) * clock.scale;
    dash_clientside.set_props("shell-fallback", { disabled: false, interval });
    if (!fallback.hasFailed) journal.say("polling", `every ${fallback.everyS} s`);
  }

  /* One poll; what it tells is kept. Resolves to whether the server is back: it answers after it did not. */
  async function poll() {
    fallback.polls += 1;
    const isBack = await catchUp.run().then(() => polled(null), polled);
    if (fallback.isEnabled) setPace();
    return isBack;
  }

  /* Note how a poll or a catch-up ended: with null, or an error. */
  function polled(error) {
    const isBack = !error && fallback.hasFailed;
    fallback.hasFailed = Boolean(error);
    fallback.isSignedOut = error instanceof catchUp.SignedOut;
    if (error) {
      fallback.cause = error.message;
      journal.say("polling", `failed: ${error.message}`, `next poll in ${fallback.everyS} s`);
    } else {
      refresh.now();
    }
    return isBack;
  }

  return { enable, disable, poll, polled, state: fallback };
})();
