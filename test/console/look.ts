import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

export const sizes = { large: { width: 1440, height: 900 }, small: { width: 1024, height: 700 } };
const results = fileURLToPath(new URL('../results/', import.meta.url));
const documents = fileURLToPath(new URL('../../docs/', import.meta.url));
/** Set to take the pictures of docs/console.md anew: STARLING_SCREENSHOTS=1 npm test -- --project console */
const forDocuments = process.env.STARLING_SCREENSHOTS === '1';

/**
 * Looks at a page in both themes and sizes, and leaves pictures in `test/results/`; nothing axe knows of may be wrong with it,
 * and no part of it may be wider than the window.
 */
export function looker(page: Page): (name: string) => Promise<void> {
  mkdirSync(results, { recursive: true });
  return async (name) => {
    for (const theme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme: theme });
      await page.evaluate(
        'Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => {})))',
      );
      for (const [size, viewport] of Object.entries(sizes)) {
        await page.setViewportSize(viewport);
        await page.screenshot({ path: join(results, `${name}-${theme}-${size}.png`) });
        const wider = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
        expect(wider, `${name} is wider than a ${size} window`).toBeLessThanOrEqual(0);
        if (forDocuments && size === 'large') await pictureForDocuments(page, `${name}-${theme}`);
      }
      const { violations } = await new AxeBuilder({ page })
        .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
        .analyze();
      expect(
        violations.map(
          ({ id, nodes }) => `${name} ${theme}: ${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`,
        ),
      ).toEqual([]);
    }
    await page.setViewportSize(sizes.large);
  };
}

/** The pictures that the document shows, small enough to be kept with it: as WebP, which the browser itself makes. */
async function pictureForDocuments(page: Page, name: string): Promise<void> {
  const picture = `images/console/${name}.webp`;
  if (!readFileSync(join(documents, 'console.md'), 'utf8').includes(picture)) return;
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 70 });
  await session.detach();
  mkdirSync(join(documents, 'images/console'), { recursive: true });
  writeFileSync(join(documents, picture), Buffer.from(data, 'base64'));
}
