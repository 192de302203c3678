/** One build that one region does not have yet. */
export interface DueReplica {
  build: string;
  region: string;
  attempts: number;
  pack: { sha256: string; sizeBytes: number };
  manifest: { sha256: string; sizeBytes: number };
}

/** What the synchronizer reads and writes; `replica-rows.ts` has it on PostgreSQL. */
export interface ReplicaRows {
  /** Replicas of completed builds that are not REPLICATED and whose turn it is, oldest build first. */
  due(): Promise<DueReplica[]>;
  copying(replica: DueReplica): Promise<void>;
  progress(replica: DueReplica, bytesDone: number): Promise<void>;
  replicated(replica: DueReplica): Promise<void>;
  /** FAILED for now: due again after `retryAfterMs`. */
  failed(replica: DueReplica, reason: string, retryAfterMs: number): Promise<void>;
}
