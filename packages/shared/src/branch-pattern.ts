/**
 * Whether a branch is meant by a name or pattern: `*` stands for anything but a slash, `**` for anything. So `release/*`
 * means `release/2` and not `release/2/fix`. Takes time in proportion to both lengths, whatever the pattern.
 */
export function matchesBranch(pattern: string, branch: string): boolean {
  // reached[i]: whether the part of the pattern that was read so far can stand for the first i characters.
  let reached = Array.from({ length: branch.length + 1 }, (_, i) => i === 0);
  for (let at = 0; at < pattern.length; at += 1) {
    const isStar = pattern[at] === '*';
    const isDouble = isStar && pattern[at + 1] === '*';
    if (isDouble) at += 1;
    const next = Array.from({ length: branch.length + 1 }, () => false);
    for (let i = 0; i <= branch.length; i += 1) {
      if (isStar) {
        const longer = i > 0 && next[i - 1] === true && (isDouble || branch[i - 1] !== '/');
        next[i] = reached[i] === true || longer;
      } else if (i > 0) {
        next[i] = reached[i - 1] === true && branch[i - 1] === pattern[at];
      }
    }
    reached = next;
  }
  return reached[branch.length] === true;
}
