// Runs clients of pusher-js and laravel-echo, unchanged, side by side, and says on standard output what they see; told
// what to do on standard input. Both a JSON object a line: {"client", "do", ...} in, {"client", "saw", ...} out.

import readline from 'node:readline';
import Echo from '../servers/node_modules/laravel-echo/dist/echo.js';
import pusherModule from '../servers/node_modules/pusher-js/dist/node/pusher.js';

const Pusher = pusherModule.Pusher || pusherModule;

function membersOf(channel) {
  const members = [];
  channel.members.each((member) => members.push(member));
  return { count: channel.members.count, me: channel.members.me, members };
}

class Client {
  constructor(name) {
    this.name = name;
  }

  say(saw, what) {
    process.stdout.write(JSON.stringify({ client: this.name, saw, at: performance.now(), ...what }) + '\n');
  }

  connect({ key, options }) {
    this.watchConnection(new Pusher(key, options));
  }

  echo({ options }) {
    this.laravel = new Echo({ broadcaster: 'pusher', Pusher, ...options });
    this.watchConnection(this.laravel.connector.pusher);
  }

  watchConnection(pusher) {
    const { connection } = pusher;
    this.pusher = pusher;
    connection.bind('state_change', (change) => this.say('state', { ...change, socket_id: connection.socket_id }));
    connection.bind('error', (error) => this.say('error', { ...(error.data || error.error?.data) }));
    connection.bind('connecting_in', (seconds) => this.say('connecting_in', { seconds }));
    connection.bind('message', (message) => this.say('message', { event: message.event }));
    pusher.user.bind_global((event, data) => this.say('user', { event, data }));
  }

  // ------------------------------------------------------------ pusher-js

  subscribe({ channel: name }) {
    const channel = this.pusher.subscribe(name);
    channel.bind('client-typing', (data, metadata) => this.say('typing', { channel: name, data, metadata }));
    channel.bind_global((event, data) => {
      const isRoll = event === 'pusher:subscription_succeeded' && channel.members;
      this.say('event', { channel: name, event, data: isRoll ? membersOf(channel) : data });
    });
  }

  unsubscribe({ channel }) {
    this.pusher.unsubscribe(channel);
  }

  trigger({ channel, event, data }) {
    this.pusher.channel(channel).trigger(event, data);
  }

  signin() {
    this.pusher.signin();
  }

  ping() {
    this.pusher.connection.connection.ping();
  }

  send({ event, data, channel }) {
    this.pusher.send_event(event, data, channel);
  }

  disconnect() {
    this.pusher.disconnect();
  }

  // ------------------------------------------------------------ laravel-echo

  listen({ kind, channel: name, events }) {
    this.watch(name, kind === 'public' ? this.laravel.channel(name) : this.laravel.private(name), events);
  }

  join({ channel: name, events }) {
    const channel = this.laravel.join(name)
      .here((members) => this.say('here', { channel: name, members }))
      .joining((member) => this.say('joining', { channel: name, member }))
      .leaving((member) => this.say('leaving', { channel: name, member }));
    this.watch(name, channel, events);
    channel.listenForWhisper('typing', (data) => this.say('whisper', { channel: name, data }));
  }

  watch(name, channel, events) {
    for (const event of events || []) channel.listen(event, (data) => this.say('heard', { channel: name, event, data }));
    channel.error((error) => this.say('refused', { channel: name, error }));
    channel.subscribed(() => this.say('subscribed', { channel: name }));
  }

  whisper({ channel, event, data }) {
    this.laravel.join(channel).whisper(event, data);
  }

  leave({ channel }) {
    this.laravel.leave(channel);
  }
}

const clients = new Map();

readline.createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { client: name, do: action, ...what } = JSON.parse(line);
    if (!clients.has(name)) clients.set(name, new Client(name));
    clients.get(name)[action](what);
  })
  .on('close', () => process.exit(0));
