// Bare sockets, and pusher-js, for a test to open, use and look at.

window.sockets = {
  open(path, server = window.location.origin.replace('http', 'ws')) {
    const socket = new WebSocket(server + path);
    const seen = { socket, messages: [], close: null };
    socket.onmessage = (message) => seen.messages.push(message.data);
    socket.onclose = ({ code, reason, wasClean }) => { seen.close = { code, reason, wasClean }; };
    return seen;
  },

  connect(key, options) {
    const pusher = new Pusher(key, {
      cluster: 'mt1',
      wsHost: window.location.hostname,
      wsPort: window.location.port,
      forceTLS: false,
      enabledTransports: ['ws'],
      ...options,
    });
    const seen = { pusher, states: [], errors: [] };
    const note = (what) => seen.states.push({ ...what, at: performance.now() });
    pusher.connection.bind('state_change', ({ current }) => note({ state: current }));
    pusher.connection.bind('connecting_in', () => note({ state: 'closed' }));
    pusher.connection.bind('error', (error) => seen.errors.push((error.data || error.error?.data)?.code));
    return seen;
  },
};
