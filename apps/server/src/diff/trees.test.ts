import { expect, it } from 'vitest';
import { diffTrees } from './trees.ts';

const digestOf = (letter: string) => letter.repeat(64);
/** Files such as `a:3`, in path order; chunks such as `x:5`, which tile their contents. */
function tree(files: string, chunks: string) {
  const pairs = (text: string) => text.split(' ').map((pair) => pair.split(':') as [string, string]);
  return {
    entries: pairs(files).map(([path, size]) => {
      const [bytes, flag] = size.split('!');
      return { type: 'file' as const, path, executable: flag === 'x', sizeBytes: Number(bytes) };
    }),
    chunks: pairs(chunks).map(([letter, length]) => ({
      digest: digestOf(letter),
      length: Number(length),
      pack: 0,
      offset: 0,
      encodedLength: Number(length),
    })),
  };
}
const shown = (before: ReturnType<typeof tree>, after: ReturnType<typeof tree>) =>
  diffTrees(before, after, 100).files.map(({ path, change }) => `${path} ${change}`);

it('the same chunks at the same places are the same files', () => {
  const one = tree('a:3 b:4', 'x:5 y:2');
  expect(diffTrees(one, one, 100)).toMatchObject({ files: [], counts: { same: 2 }, bytesNew: 0, bytesAfter: 7 });
});

it('says what came, went and changed, with sizes and bytes', () => {
  const before = tree('a:4 b:4 c:4', 'x:4 y:4 z:4');
  const after = tree('a:4 b:5 d:4!x', 'x:4 w:5 z:4');
  expect(diffTrees(before, after, 100)).toEqual({
    files: [
      { path: 'b', change: 'changed', sizeBefore: 4, sizeAfter: 5 },
      { path: 'c', change: 'removed', sizeBefore: 4, sizeAfter: null },
      { path: 'd', change: 'added', sizeBefore: null, sizeAfter: 4 },
    ],
    counts: { added: 1, removed: 1, changed: 1, unsure: 0, same: 1 },
    bytesBefore: 12,
    bytesAfter: 13,
    bytesNew: 5,
  });
});

it.each([
  ['a chunk of its own differs', 'a:4 b:4', 'x:4 y:4', 'x:4 w:4', ['b changed']],
  ['one that it shares differs: it may have been the neighbour', 'a:2 b:2', 'x:4', 'w:4', ['a unsure', 'b unsure']],
  ['one inside it differs, those at its ends are shared', 'a:6 b:6', 'x:4 y:2 z:6', 'x:4 w:2 z:6', ['a changed']],
  ['only its mode differs', 'a:4', 'x:4', 'x:4', []],
  ['empty files', 'a:0 b:4', 'x:4', 'x:4', []],
])('%s', (_, files, before, after, expected) => {
  expect(shown(tree(files, before), tree(files, after))).toEqual(expected);
});

it('a mode is a change, and lists are bounded while counts are not', () => {
  expect(shown(tree('a:4', 'x:4'), tree('a:4!x', 'x:4'))).toEqual(['a changed']);
  const many = tree('a:1 b:1 c:1', 'x:3');
  expect(diffTrees(tree('z:3', 'x:3'), many, 2)).toMatchObject({ counts: { added: 3, removed: 1 }, files: [{}, {}] });
});

it('links and folders are compared by what they are', () => {
  const entries = [
    { type: 'directory' as const, path: 'd' },
    { type: 'link' as const, path: 'l', target: 'a' },
  ];
  const before = { entries, chunks: [] };
  const after = { entries: [entries[0]!, { type: 'link' as const, path: 'l', target: 'b' }], chunks: [] };
  expect(diffTrees(before, after, 9).files).toMatchObject([{ path: 'l', change: 'changed', sizeAfter: 0 }]);
});
