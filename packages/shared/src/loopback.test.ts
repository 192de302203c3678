import { expect, it } from 'vitest';
import { isReadableOnTheWay } from './loopback.ts';

it.each([
  ['http://hub.example.org:7400', true],
  ['http://10.0.0.7', true],
  ['http://127.example.org', true],
  ['http://[fe80::1]:7400', true],
  ['https://hub.example.org:7400', false],
  ['http://127.0.0.1:7400', false],
  ['http://127.1.2.3', false],
  ['http://[::1]:7400', false],
  ['http://LOCALHOST:7400', false],
])('what is said to %s can be read on the way: %s', (url, isReadable) => {
  expect(isReadableOnTheWay(url)).toBe(isReadable);
});
