/* Dash dispatches hundreds of actions while a page opens, most of which change nothing that is drawn, and each has every
   component look at the whole state again. Who subscribes to the store once it is Dash's is told at once when the
   layout has changed, of the rest once when the current task is done, and never of nothing. */
window.monitor = window.monitor || {};
window.monitor.dispatches = (() => {
  const stores = (window.dash_stores = window.dash_stores || []);

  /* The listener, told of what matters only. */
  function sparing(store, listener) {
    let told = store.getState();
    let isWaiting = false;

    function tell() {
      isWaiting = false;
      if (store.getState() === told) return;
      told = store.getState();
      listener();
    }

    return () => {
      const state = store.getState();
      if (state.layout !== told.layout) return tell();
      if (state === told || isWaiting) return undefined;
      isWaiting = true;
      return queueMicrotask(tell);
    };
  }

  function slowDown(store) {
    const { subscribe } = store;
    store.subscribe = (listener) => subscribe(sparing(store, listener));
    return store;
  }

  stores.push = (...more) => Array.prototype.push.apply(stores, more.map(slowDown));
  return { sparing };
})();
