import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AuditEnd, type AuditLink, checkLink, emptyChain, hashOfLink } from './audit-chain.ts';

type Content = Omit<AuditLink, 'id' | 'hash' | 'previousHash'>;

const content: fc.Arbitrary<Content> = fc.record({
  at: fc
    .date({ min: new Date('2020-01-01'), max: new Date('2040-01-01'), noInvalidDate: true })
    .map((date) => date.toISOString()),
  actor: fc.string(),
  action: fc.string(),
  project: fc.option(fc.string()),
  target: fc.string({ unit: 'grapheme' }),
  details: fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<Record<string, unknown>>,
  requestId: fc.option(fc.uuid()),
});

function chainOf(contents: readonly Content[]): AuditLink[] {
  let before: AuditEnd = emptyChain;
  return contents.map((each) => {
    const link = { ...each, id: before.id + 1, previousHash: before.hash };
    const sealed = { ...link, hash: hashOfLink(link) };
    before = sealed;
    return sealed;
  });
}

/** The first row at which a chain is seen not to fit, and where it ends. */
function walk(links: readonly AuditLink[]): { broken: number | null; end: AuditEnd } {
  let end: AuditEnd = emptyChain;
  for (const link of links) {
    const defect = checkLink(end, link);
    if (defect) return { broken: defect.id, end };
    end = link;
  }
  return { broken: null, end };
}

const chains = fc.array(content, { minLength: 2, maxLength: 12 }).map(chainOf);
const withPlace = chains.chain((links) => fc.tuple(fc.constant(links), fc.nat(links.length - 1)));

describe('a chain', () => {
  it('fits as it was written, and after a way through JSON in whatever order its keys come back', () => {
    fc.assert(
      fc.property(chains, (links) => {
        const again = links.map((link) => {
          const turned = Object.fromEntries(Object.entries(link).reverse());
          return JSON.parse(JSON.stringify(turned)) as AuditLink;
        });
        expect(walk(again)).toEqual({ broken: null, end: expect.objectContaining({ hash: links.at(-1)!.hash }) });
      }),
    );
  });

  it('gives away a row whose content was changed, at that row', () => {
    fc.assert(
      fc.property(withPlace, fc.constantFrom('at', 'actor', 'action', 'target'), ([links, place], field) => {
        const changed = links.map((link, index) => (index === place ? { ...link, [field]: `${link[field]}x` } : link));
        expect(walk(changed).broken).toBe(place + 1);
      }),
    );
  });

  it('gives away a row that was changed and sealed again, at the next one or at its end', () => {
    fc.assert(
      fc.property(withPlace, ([links, place]) => {
        const forged = links.map((link, index) => {
          if (index !== place) return link;
          const other = { ...link, actor: `${link.actor}x` };
          return { ...other, hash: hashOfLink(other) };
        });
        const { broken, end } = walk(forged);
        if (place === links.length - 1) expect(end.hash).not.toBe(links.at(-1)!.hash);
        else expect(broken).toBe(place + 2);
      }),
    );
  });

  it('gives away a row that was removed, at its place or by where it ends', () => {
    fc.assert(
      fc.property(withPlace, ([links, place]) => {
        const { broken, end } = walk(links.filter((_, index) => index !== place));
        if (place === links.length - 1) expect(end.id).toBe(links.length - 1);
        else expect(broken).toBe(place + 1);
      }),
    );
  });

  it('gives away a row that was put in between, whatever number it was given', () => {
    fc.assert(
      fc.property(withPlace, content, ([links, place], extra) => {
        const [before, after] = [links.slice(0, place + 1), links.slice(place + 1)];
        const last = before.at(-1)!;
        const link = { ...extra, id: last.id + 1, previousHash: last.hash };
        const inserted = { ...link, hash: hashOfLink(link) };
        const renumbered = after.map((each) => ({ ...each, id: each.id + 1 }));
        for (const rest of [after, renumbered]) {
          const { broken } = walk([...before, inserted, ...rest]);
          if (rest.length > 0) expect(broken).not.toBeNull();
        }
      }),
    );
  });

  it('gives away two rows that changed places', () => {
    fc.assert(
      fc.property(withPlace, ([links, place]) => {
        fc.pre(place < links.length - 1);
        const swapped = links.with(place, links[place + 1]!).with(place + 1, links[place]!);
        expect(walk(swapped).broken).toBe(place + 1);
        const renumbered = swapped.map((link, index) => ({ ...link, id: index + 1 }));
        expect(walk(renumbered).broken).toBe(place + 1);
      }),
    );
  });
});
