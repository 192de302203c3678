import { describe, expect, it } from 'vitest';
import { diskError } from './disk-error.ts';

describe('diskError', () => {
  it('names the folder and what to do when a disk is full', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    expect(diskError(full, '/data/eu')).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/\/data\/eu: no space is left/),
      fix: expect.stringMatching(/Free space/),
    });
  });

  it('leaves other errors alone', () => {
    const other = new Error('else');
    expect(diskError(other, '/data')).toBe(other);
  });
});
