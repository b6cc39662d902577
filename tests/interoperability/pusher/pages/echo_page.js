// A page as a team wrote it for the original system: Laravel Echo over pusher-js, signed in by the session's cookie.

import Echo from '/team/scripts/laravel-echo/dist/echo.js';

window.Echo = new Echo({
  broadcaster: 'pusher',
  key: document.querySelector('meta[name="pusher-key"]').content,
  cluster: 'mt1',
  wsHost: window.location.hostname,
  wsPort: window.location.port,
  wssPort: window.location.port,
  forceTLS: window.location.protocol === 'https:',
  disableStats: true,
  enabledTransports: ['ws', 'wss'],
});

function addLine(list, text) {
  const line = document.createElement('li');
  line.textContent = text;
  document.getElementById(list).append(line);
}

function showReading(list, { reading }) {
  const point = reading.data_point;
  addLine(list, `${point.gateway_id} ${point.group_name} ${point.label}: ${reading.scaled_value} ${point.unit}`);
}

function showStatus(list, { gateway, status_change: change, reason }) {
  addLine(list, `${gateway.id} ${gateway.name}: ${change.previous} -> ${change.current} (${reason})`);
}

function showRefusal(channel, error) {
  addLine('refused', `${channel}: ${error.status}`);
}

let members = [];

function showMembers(now) {
  members = now;
  document.getElementById('members').textContent = members.map((member) => member.name).sort().join(', ');
}

window.Echo.connector.pusher.connection.bind('state_change', ({ current }) => {
  document.getElementById('connection').textContent = current;
});

window.Echo.channel('readings')
  .listen('.reading.new', (event) => showReading('readings', event))
  .error((error) => showRefusal('readings', error));

window.Echo.channel('gateways')
  .listen('.gateway.status-changed', (event) => showStatus('gateways', event))
  .error((error) => showRefusal('gateways', error));

window.Echo.private('gateway.3')
  .listen('.reading.new', (event) => showReading('gateway-3', event))
  .listen('.gateway.status-changed', (event) => showStatus('gateway-3', event))
  .error((error) => showRefusal('gateway.3', error));

window.Echo.private('gateway.4')
  .listen('.reading.new', () => {})
  .error((error) => showRefusal('gateway.4', error));

window.Echo.join('control-room')
  .here((here) => showMembers(here))
  .joining((member) => showMembers([...members, member]))
  .leaving((member) => showMembers(members.filter((other) => other.name !== member.name)));
