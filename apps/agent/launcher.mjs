// Starts the agent of this machine, and the next one when Starling has deployed it: the agent is a project like any other
// (STARLING_AGENT_PROJECT), unpacked into slots and committed by the agent that runs. A new one that does not come up is left
// for the one before, which takes the build back and reports it as failed.
//
// This program is meant to stay as it is for years: it imports nothing of Starling, and knows of it only where the journal and
// the `current` link of a project lie, and that an agent says `{ready: true}` to its parent once its hub has welcomed it.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const installed = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const data = process.env.STARLING_AGENT_DATA ?? fail('STARLING_AGENT_DATA is not set');
const project = process.env.STARLING_AGENT_PROJECT ?? fail('STARLING_AGENT_PROJECT is not set');
const readyWithinMs = Number(process.env.STARLING_AGENT_READY_SECONDS ?? 120) * 1_000;
const place = join(data, 'projects', project);
const memoryFile = join(data, 'launcher.json');
const program = 'apps/agent/src/main.ts';
const lookEveryMs = 500;
const longestPauseMs = 30_000;
const stopWithinMs = 60_000;

/** `good`: the slot whose agent was ready last; `left`: the slot, with its deployment, whose agent did not come up. */
let memory = readJson(memoryFile) ?? { good: null, left: null };
let child;
let isStopping = false;

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    isStopping = true;
    child?.kill('SIGTERM');
  });
}

for (let failures = 0; !isStopping; ) {
  const chosen = choose();
  const wasReady = await runOnce(chosen);
  failures = wasReady ? 0 : failures + 1;
  if (!isStopping && failures > 0) await pause(Math.min(longestPauseMs, 500 * 2 ** Math.min(failures, 10)));
}

/** What is to run: the committed slot, unless its agent was left already; else the last good one; else what is installed. */
function choose() {
  const committed = committedSlot();
  if (committed && !(memory.left?.slot === committed.slot && memory.left.deployment === committed.deployment))
    return { ...committed, root: join(place, 'slots', committed.slot) };
  const good = memory.good && join(place, 'slots', memory.good);
  if (good && existsSync(join(good, program))) return { slot: memory.good, root: good };
  return { slot: null, root: installed };
}

/** Where `current` leads, once the agent has committed to it; undefined while it updates, and where there is none. */
function committedSlot() {
  const journal = readJson(join(place, 'journal.json'));
  if (journal?.state !== 'COMMITTED' || !journal.current) return undefined;
  try {
    const slot = basename(readlinkSync(join(place, 'current')));
    return existsSync(join(place, 'slots', slot, program))
      ? { slot, deployment: journal.current.deployment }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Runs an agent until it ends, or until another one is to run; whether it was ready. */
async function runOnce({ slot, deployment, root }) {
  const isNew = slot !== null && slot !== memory.good;
  say(`starting the agent of ${slot ?? 'the installation'}`);
  const { left } = memory;
  const fellBack = left && slot !== left.slot ? JSON.stringify({ slot: left.slot, why: left.why }) : '';
  // A small nursery, few arenas, and large buffers given back at once: an agent is a guest on its machine. What was compiled is
  // kept for the next start.
  child = spawn(process.execPath, ['--max-semi-space-size=2', join(root, program)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {
      MALLOC_ARENA_MAX: '2',
      MALLOC_MMAP_THRESHOLD_: '131072',
      NODE_COMPILE_CACHE: join(data, 'compile-cache'),
      ...process.env,
      STARLING_AGENT_FELL_BACK: fellBack,
    },
  });
  let isReady = false;
  let hasEnded = false;
  const ended = new Promise((resolve) => {
    child.once('error', () => resolve('cannot be started'));
    child.once('exit', (code, signal) => resolve(signal ? `was ended by ${signal}` : `exited with code ${code}`));
  }).then((how) => {
    hasEnded = true;
    return how;
  });
  child.on('message', (message) => {
    if (message?.ready !== true || isReady) return;
    isReady = true;
    say('it is ready');
    if (slot !== null) remember({ ...memory, good: slot });
  });
  const startedAt = process.hrtime.bigint();
  let why = '';
  while (!hasEnded && !isStopping) {
    await Promise.race([ended, pause(lookEveryMs)]);
    const next = committedSlot();
    const ranMs = Number((process.hrtime.bigint() - startedAt) / 1_000_000n);
    if (isNew && !isReady && ranMs > readyWithinMs) why = `was not ready within ${readyWithinMs / 1_000} s`;
    const wants = next && (next.slot !== slot || next.deployment !== deployment) && choose().slot !== slot;
    if (why !== '' || wants) break;
  }
  if (!hasEnded) await stop(ended);
  const how = await ended;
  say(`the agent ${how}`);
  if (isNew && !isReady && !isStopping)
    remember({ ...memory, left: { slot, deployment, why: `the agent of ${slot} ${why === '' ? how : why}` } });
  return isReady;
}

async function stop(ended) {
  const old = child;
  old.kill('SIGTERM');
  const late = setTimeout(() => old.kill('SIGKILL'), stopWithinMs);
  await ended;
  clearTimeout(late);
}

function remember(next) {
  memory = next;
  writeFileSync(`${memoryFile}.tmp`, `${JSON.stringify(memory)}\n`, { mode: 0o600 });
  renameSync(`${memoryFile}.tmp`, memoryFile);
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function say(text) {
  process.stderr.write(`launcher: ${text}\n`);
}

function fail(why) {
  process.stderr.write(`launcher: ${why}\n`);
  process.exit(78);
}
