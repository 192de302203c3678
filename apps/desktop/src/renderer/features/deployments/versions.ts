import type { Version } from '../../lib/api.ts';

/** Why a version cannot be rolled back (or forward) to; null when it can. */
export function whyNotPickable(
  version: Pick<Version, 'current' | 'notDeployableBecause' | 'quarantined'>,
): string | null {
  if (version.current) return 'This is what runs now.';
  if (version.quarantined !== null) return `It is in quarantine: ${version.quarantined}`;
  return version.notDeployableBecause;
}

/** The version that is offered first: the last good one, else the newest that can be chosen. */
export function firstChoice(
  versions: readonly Pick<Version, 'id' | 'current' | 'lastGood' | 'notDeployableBecause' | 'quarantined'>[],
): string | null {
  const pickable = versions.filter((version) => whyNotPickable(version) === null);
  return (pickable.find((version) => version.lastGood) ?? pickable[0])?.id ?? null;
}

/** Whether a version is meant by what was typed: part of its SHA, subject or author. */
export function matchesVersion(
  version: Pick<Version, 'id' | 'commitSha' | 'commitSubject' | 'commitAuthor'>,
  query: string,
): boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const text = `${version.id} ${version.commitSha} ${version.commitSubject} ${version.commitAuthor}`.toLowerCase();
  return words.every((word) => text.includes(word));
}
