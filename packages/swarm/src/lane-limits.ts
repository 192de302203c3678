const KiB = 1024;
const MiB = 1024 * KiB;

/** What lanes may take and how long they wait; tests shorten the waits. */
export interface LaneLimits {
  /** Pieces that are being received, checked or written, over all packs of a process. */
  receiveBudgetBytes: number;
  /** Bytes in one frame of a piece: what is read from disk at once, twice for each piece that is being sent. */
  chunkBytes: number;
  /** Pieces that may be on their way at the same time, however long they take. */
  sendingAtOnce: number;
  /** When pieces arrive within this time, more of them may be on their way, up to so many bytes. */
  quickMs: number;
  windowBytes: number;
  /** A piece that takes longer, and longer than is usual, does not count among them: a slow member holds up nobody. */
  slowAfterMs: number;
  /** Beyond them, places kept for those who have nothing yet. */
  newcomersAtOnce: number;
  /** Pieces on their way at the same time, the slow ones too. */
  maxSending: number;
  /** Who waits for its turn for longer goes before those who want what nobody was given. */
  turnPatienceMs: number;
  /** How much to ask one source for in advance: what it sends in this time, but never fewer than three pieces. */
  askAheadMs: number;
  /** And never more bytes. */
  askAheadBytes: number;
  /** How long a piece that a source has sent to another is waited for from there. */
  comingMs: number;
  /** How long a source with every piece is spared what it has just sent and others can give by now. */
  sparedMs: number;
  /** A source that was asked for nothing for so long is asked for what it promised to others too. */
  impatientAfterMs: number;
  /** How long news may wait for more of them, to go in one packet. */
  newsMs: number;
  /** The same for those that change nothing at once. */
  idleNewsMs: number;
  /** After so long without anything to ask anyone for, sources outside the rack are asked for what neighbours were to bring. */
  neighbourMs: number;
  pingEveryMs: number;
  /** A lane on which nothing was heard for so long is dead. */
  quietAfterMs: number;
  /** A source that was asked and sent no byte of a piece for so long is let go. */
  stalledAfterMs: number;
  helloTimeoutMs: number;
  /** How long a member that sent bad bytes is not connected to again. */
  distrustMs: number;
  /** How long a member is not called again with which no key was common. */
  unprovenMs: number;
  /** How long a member that answered no lane is only spoken to as a stock client. */
  stockMs: number;
  tickMs: number;
}

export const defaultLaneLimits: LaneLimits = {
  receiveBudgetBytes: 40 * MiB,
  chunkBytes: 512 * KiB,
  sendingAtOnce: 16,
  quickMs: 150,
  windowBytes: 32 * MiB,
  slowAfterMs: 1_000,
  newcomersAtOnce: 2,
  maxSending: 64,
  turnPatienceMs: 20_000,
  askAheadMs: 200,
  askAheadBytes: 2 * MiB,
  comingMs: 3_000,
  sparedMs: 15_000,
  impatientAfterMs: 6_000,
  newsMs: 20,
  idleNewsMs: 250,
  neighbourMs: 2_500,
  pingEveryMs: 2_000,
  quietAfterMs: 8_000,
  stalledAfterMs: 60_000,
  helloTimeoutMs: 5_000,
  distrustMs: 600_000,
  unprovenMs: 60_000,
  stockMs: 60_000,
  tickMs: 250,
};
