const MiB = 1024 * 1024;
const maxParts = 10_000;

export interface Part {
  /** From 1, as S3 numbers them. */
  number: number;
  start: number;
  /** Exclusive. */
  end: number;
}

/** How a blob is cut: equal parts but for the last, as small as wanted but never more than the 10,000 S3 takes. */
export function partsOf(sizeBytes: number, wantedPartBytes: number): Part[] {
  const least = Math.ceil(sizeBytes / maxParts / MiB) * MiB;
  const partBytes = Math.max(wantedPartBytes, least);
  return Array.from({ length: Math.ceil(sizeBytes / partBytes) }, (_, index) => ({
    number: index + 1,
    start: index * partBytes,
    end: Math.min(sizeBytes, (index + 1) * partBytes),
  }));
}

export interface StoredPart {
  number: number;
  sizeBytes: number;
  etag: string;
}

/**
 * Which parts of an unfinished upload can be kept; undefined when it was cut another way, so that nothing of it can.
 * Its first part tells how it was cut: without one, a part of the right number and size could be of another place.
 */
export function keptParts(parts: readonly Part[], stored: readonly StoredPart[]): Map<number, StoredPart> | undefined {
  const byNumber = new Map(stored.map((part) => [part.number, part]));
  if (!byNumber.has(1)) return undefined;
  const sizes = new Map(parts.map(({ number, start, end }) => [number, end - start]));
  return stored.every((part) => sizes.get(part.number) === part.sizeBytes && part.etag !== '') ? byNumber : undefined;
}
