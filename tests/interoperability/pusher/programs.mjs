// Runs the Pusher HTTP library of npm, unchanged: calls what it is told to and says what came of it; as client.mjs does.

import readline from 'node:readline';
import Pusher from '../servers/node_modules/pusher/lib/pusher.js';

const programs = new Map();

async function answerOf(result) {
  const answer = await result;
  return answer && answer.text ? { status: answer.status, body: JSON.parse(await answer.text()) } : answer;
}

readline.createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const { client, do: action, words } = JSON.parse(line);
    const say = (what) => process.stdout.write(JSON.stringify({ client, saw: action, ...what }) + '\n');
    if (action === 'open') {
      programs.set(client, new Pusher(words[0]));
      return;
    }
    try {
      say({ answer: await answerOf(programs.get(client)[action](...words)) });
    } catch (error) {
      say({ error: { status: error.status, body: error.body, message: error.message } });
    }
  })
  .on('close', () => process.exit(0));
