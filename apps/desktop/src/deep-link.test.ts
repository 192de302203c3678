import { describe, expect, it } from 'vitest';
import { pathOfDeepLink } from './deep-link.ts';

describe('pathOfDeepLink', () => {
  it.each([
    ['starling://overview', '/'],
    ['starling:///', '/'],
    ['starling://projects/hello', '/projects/hello'],
    ['starling:///projects/hello/', '/projects/hello'],
    ['starling://builds/hello@1a2b3c4d5e6f.2', '/builds/hello%401a2b3c4d5e6f.2'],
    ['starling://deployments/42', '/deployments/42'],
    ['starling://deployments', '/deployments'],
    ['starling://machines/eu-west-1.rack_2', '/machines/eu-west-1.rack_2'],
  ])('%s opens %s', (link, path) => expect(pathOfDeepLink(link)).toBe(path));

  it.each([
    'https://projects/hello',
    'starling://projects/..%2F..%2Fetc',
    'starling://deployments/42/abort',
    'starling://deployments/0',
    'starling://sign-in/stl_token',
    'starling://projects',
    'starling://user:secret@projects/hello',
    'starling://builds/%E0%A4%A',
    'javascript:alert(1)',
    'not a link',
    `starling://machines/${'a'.repeat(3_000)}`,
  ])('%s leads nowhere', (link) => expect(pathOfDeepLink(link)).toBeUndefined());

  it('drops what a query says', () => {
    expect(pathOfDeepLink('starling://projects/hello?deploy=1#now')).toBe('/projects/hello');
  });
});
