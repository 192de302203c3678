import { expect, test } from 'vitest';
import { normalizeServer } from './access.ts';
import { readConfig } from './config.ts';

const linux = { platform: 'linux', homeFolder: '/home/ann', isRoot: false };

test('an empty environment has sensible defaults', () => {
  expect(readConfig({}, linux)).toEqual({
    server: undefined,
    token: undefined,
    localDataFolder: '/home/ann/.local/share/starling',
    userConfigFile: '/home/ann/.config/starling/config.json',
    colour: 'if terminal',
    unicode: false,
    canRedraw: true,
    debug: false,
  });
});

test('NO_COLOR beats FORCE_COLOR, and an empty one says nothing', () => {
  expect(readConfig({ NO_COLOR: '1', FORCE_COLOR: '1' }, linux).colour).toBe('never');
  expect(readConfig({ NO_COLOR: '', FORCE_COLOR: '1' }, linux).colour).toBe('always');
  expect(readConfig({ FORCE_COLOR: '0' }, linux).colour).toBe('if terminal');
  expect(readConfig({ TERM: 'dumb' }, linux)).toMatchObject({ colour: 'never', canRedraw: false });
});

test('symbols beyond ASCII only where the locale has them', () => {
  expect(readConfig({ LANG: 'en_US.UTF-8' }, linux).unicode).toBe(true);
  expect(readConfig({ LANG: 'en_US.UTF-8', LC_ALL: 'C' }, linux).unicode).toBe(false);
  expect(readConfig({}, { ...linux, platform: 'darwin' }).unicode).toBe(true);
});

test('an address of a server loses its last slash and is refused when it is none', () => {
  expect(normalizeServer('http://127.0.0.1:4000/', 'here')).toBe('http://127.0.0.1:4000');
  expect(normalizeServer('https://example.com/starling/', 'here')).toBe('https://example.com/starling');
  for (const wrong of ['localhost:4000', 'ftp://example.com', 'https://ann:secret@example.com', '']) {
    expect(() => normalizeServer(wrong, '--server')).toThrow('--server');
  }
});
