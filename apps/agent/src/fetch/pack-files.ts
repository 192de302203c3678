import { recordEndings } from '@starling/swarm/piece-record.ts';
import { noteEnding } from './fetched-ranges.ts';

// What lies in the folder of the packs: of each pack a file named by its SHA-256 with what came by the swarm, and beside it
// files that begin with the same name.

/** Small parts that came straight from the hub. */
const rangesEnding = '.ranges';
const rangesEndings = [rangesEnding, `${rangesEnding}${noteEnding}`];
const endings = ['', ...recordEndings, ...rangesEndings];

/** Where small parts of a pack are that came straight from the hub; the pack's own file is at `path`. */
export const rangesPathOf = (path: string): string => `${path}${rangesEnding}`;

/** The files with what came straight from the hub of the pack at `path`, whether they are there or not. */
export const rangesFilesOf = (path: string): string[] => rangesEndings.map((ending) => `${path}${ending}`);

/** All files of the pack at `path`, whether they are there or not. */
export const packFilesOf = (path: string): string[] => endings.map((ending) => `${path}${ending}`);

/** The pack that a file belongs to, by the file's name. */
export function packOfFile(name: string): string {
  const longestFirst = endings.toSorted((a, b) => b.length - a.length);
  const ending = longestFirst.find((candidate) => name.endsWith(candidate)) ?? '';
  return name.slice(0, name.length - ending.length);
}
