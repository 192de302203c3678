import { z } from 'zod';
import { readJsonFile, writeJsonFile } from './json-file.ts';

export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

const stored = z.object({
  bounds: z
    .object({ x: z.number(), y: z.number(), width: z.number().min(400), height: z.number().min(300) })
    .nullable(),
  maximized: z.boolean(),
});
export type WindowState = z.infer<typeof stored>;

export const readWindowState = (path: string) =>
  readJsonFile<WindowState>(path, stored, { bounds: null, maximized: false });
export const writeWindowState = (path: string, state: WindowState) => writeJsonFile(path, state);

const preferred = { width: 1_440, height: 900 };
const visibleAtLeast = 120;

/**
 * Where to open the window: where it was, unless no display shows enough of it any more; then in its usual size, in the
 * middle (no x and y). Displays are given by their work areas.
 */
export function openingBounds(saved: Rectangle | null, displays: readonly Rectangle[]): Partial<Rectangle> {
  const isVisible = saved && displays.some((display) => overlap(saved, display) >= visibleAtLeast);
  if (isVisible) return saved;
  const main = displays[0] ?? { x: 0, y: 0, ...preferred };
  return { width: Math.min(preferred.width, main.width), height: Math.min(preferred.height, main.height) };
}

/** The shorter side of what two rectangles share; 0 when they do not meet. */
function overlap(a: Rectangle, b: Rectangle): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return Math.max(0, Math.min(width, height));
}
