import { expect, it } from 'vitest';
import { tokenInFragment } from './sign-in.ts';

it('takes the token of a sign-in link and of nothing else', () => {
  expect(tokenInFragment('#sign-in=stl_abc-_123')).toBe('stl_abc-_123');
  expect(tokenInFragment('#sign-in=')).toBeNull();
  expect(tokenInFragment('#other=stl_abc')).toBeNull();
  expect(tokenInFragment('')).toBeNull();
  expect(tokenInFragment(`#sign-in=${'a'.repeat(600)}`)).toBeNull();
});
