import { statfs } from 'node:fs/promises';
import { homedir } from 'node:os';
import { formatBytes } from '@starling/shared/durations.ts';
import { type Finding, good, warn } from '@starling/shared/findings.ts';
import type { Config } from '../config.ts';

const fewestFreeBytes = 100 * 1024 * 1024;
const oldestNode = 20;

/** The Node that runs this, and room on the disk. */
export async function checkThisMachine(_config: Config): Promise<Finding[]> {
  const node = process.versions.node;
  const findings = [
    Number(node.split('.')[0]) < oldestNode
      ? warn('Node', `This is Node ${node}.`, `Install Node ${oldestNode} or later.`)
      : good('Node', node),
  ];
  const free = await statfs(homedir()).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => undefined,
  );
  if (free === undefined) return findings;
  findings.push(
    free < fewestFreeBytes
      ? warn('disk', `Only ${formatBytes(free)} are free in ${homedir()}.`, 'Make room.')
      : good('disk', `${formatBytes(free)} free in ${homedir()}`),
  );
  return findings;
}
