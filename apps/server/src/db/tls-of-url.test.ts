import { describe, expect, it } from 'vitest';
import { takeTls } from './tls-of-url.ts';

const taken = (query: string) => {
  const url = new URL(`postgres://starling@db.example/starling${query}`);
  return { tls: takeTls(url, 'DATABASE_URL'), left: url.search };
};

describe('takeTls', () => {
  it('takes what it knows out of the URL, and leaves the rest', () => {
    expect(taken('?sslmode=verify-full&host=/run')).toMatchObject({
      tls: { rejectUnauthorized: true },
      left: '?host=%2Frun',
    });
  });

  it.each([
    ['', false],
    ['?sslmode=disable', false],
    ['?sslmode=prefer', 'prefer'],
    ['?sslmode=require', { rejectUnauthorized: false }],
    ['?sslmode=verify-ca', { rejectUnauthorized: true }],
    ['?sslrootcert=system', { rejectUnauthorized: true }],
  ])('%s', (query, expected) => {
    const { tls } = taken(query);
    if (typeof expected === 'object') expect(tls).toMatchObject(expected);
    else expect(tls).toBe(expected);
  });

  it.each([
    ['?sslmode=on', /sslmode is "on"/],
    ['?sslmode=require&sslrootcert=/nowhere.pem', /sslrootcert cannot be read/],
    ['?sslmode=require&sslcert=/a', /belong together/],
  ])('refuses %s', (query, message) => {
    expect(() => taken(query)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', field: 'DATABASE_URL' }));
    expect(() => taken(query)).toThrow(message);
  });
});
