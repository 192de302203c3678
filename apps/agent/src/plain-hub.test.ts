import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import type { AgentConfig } from './config.ts';
import { Scene } from './testing/scene.ts';

it.each<[string, Partial<AgentConfig>, boolean]>([
  ['in plain HTTP elsewhere', { hubUrl: 'http://hub.invalid:7400' }, true],
  ['in HTTPS', { hubUrl: 'https://hub.invalid:7400' }, false],
  ['on this machine', {}, false],
  ['where swarms have no secret', { hubUrl: 'http://hub.invalid:7400', swarmEncryption: 'off' }, false],
])('an agent that speaks to a hub %s warns of readers: %s', async (_, configChange, isWarned) => {
  const scene = await Scene.open();
  onTestFinished(() => scene.close());
  const said: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void said.push(line) });
  await scene.start({ log, configChange });
  expect(said.some((line) => line.includes('the hub is spoken to in plain HTTP'))).toBe(isWarned);
});
