import { z } from 'zod';

const units = { MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;

/** A size such as `512MiB` or `20GiB`, read to bytes. */
export const byteSize = z.string().transform((text, context) => {
  const match = /^(\d+)\s*(MiB|GiB|TiB)$/.exec(text.trim());
  if (match) return Number(match[1]) * units[match[2] as keyof typeof units];
  context.addIssue({ code: 'custom', message: `expected a size such as "512MiB" or "2GiB", found "${text}"` });
  return z.NEVER;
});
