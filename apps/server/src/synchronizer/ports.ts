/** One build that one region does not have yet. */
export interface DueReplica {
  build: string;
  region: string;
  attempts: number;
  /** All that its manifest names. */
  packs: NamedPack[];
  manifest: { sha256: string; sizeBytes: number };
}

export interface NamedPack {
  sha256: string;
  sizeBytes: number;
  /** A build that names it is REPLICATED in this region, so it was copied and checked there before. */
  isChecked: boolean;
}

/** What the synchronizer reads and writes; `replica-rows.ts` has it on PostgreSQL. */
export interface ReplicaRows {
  /** Replicas of completed builds that are not REPLICATED and whose turn it is, oldest build first. */
  due(): Promise<DueReplica[]>;
  /** It begins; `bytesTotal` is what the region lacks. */
  copying(replica: DueReplica, bytesTotal: number): Promise<void>;
  progress(replica: DueReplica, bytesDone: number): Promise<void>;
  replicated(replica: DueReplica): Promise<void>;
  /** FAILED for now: due again after `retryAfterMs`. */
  failed(replica: DueReplica, reason: string, retryAfterMs: number): Promise<void>;
}
