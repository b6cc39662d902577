/* Asks the server for the values it computes: on each change of status, and not at all while it is out of reach. */
window.monitor = window.monitor || {};
window.monitor.refresh = (() => {
  const REST_MS = 1000; // changes come in crowds
  let count = 0;
  let timer = null;

  function now() {
    timer = timer || setTimeout(ask, REST_MS * monitor.clock.scale);
  }

  function ask() {
    timer = null;
    count += 1;
    dash_clientside.set_props("shell-changed", { data: count });
  }

  function pause() {
    dash_clientside.set_props("shell-refresh", { disabled: true });
  }

  function resume() {
    dash_clientside.set_props("shell-refresh", { disabled: false });
    now();
  }

  return { now, pause, resume };
})();
