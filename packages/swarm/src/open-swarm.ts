import { randomBytes } from 'node:crypto';
import type { AddressInfo, Server, Socket } from 'node:net';
import { StarlingError } from '@starling/shared/errors.ts';
import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import { fileError } from './file-error.ts';
import { type DoorEvents, greet } from './lane-door.ts';
import { LaneExchange } from './lane-exchange.ts';
import type { PackShape } from './lane-frames.ts';
import type { LaneKeys, LaneOffer } from './lane-keys.ts';
import { defaultLaneLimits, type LaneLimits } from './lane-limits.ts';
import { acceptSealed } from './lane-tls.ts';
import { type Look, PackFile } from './pack-file.ts';
import { PackMembership } from './pack-membership.ts';
import { PieceBook } from './piece-book.ts';
import { PieceBuffers } from './piece-buffers.ts';
import { PieceChecker } from './piece-checker.ts';
import { piecesIn } from './piece-ranges.ts';
import { StockEngine } from './stock-engine.ts';
import type { JoinOptions, Membership, Swarm, SwarmOptions } from './swarm.ts';
import { cannotListen, listenForLanes } from './swarm-port.ts';
import type { RateLine } from './token-bucket.ts';
import { checkTorrent, pieceDigests } from './torrent-info.ts';
import { Uplink } from './uplink.ts';

const closeTimeoutMs = 5_000;

/** Opens the swarm's port. Rejects with UNAVAILABLE when it is taken, or when the address is not of this machine. */
export async function openSwarm(options: SwarmOptions, limits: Partial<LaneLimits> = {}): Promise<Swarm> {
  try {
    const stock = options.encryption?.mode === 'required' ? undefined : await StockEngine.listen(options);
    const server = stock?.server ?? (await listenForLanes(options));
    return new OpenSwarm(server, stock, options, { ...defaultLaneLimits, ...limits });
  } catch (thrown) {
    throw cannotListen(options, thrown as Error);
  }
}

class OpenSwarm implements Swarm {
  readonly address: SwarmPeer;
  /** This member's name to others, anew with each start. */
  readonly #member = randomBytes(16).toString('hex');
  readonly #server: Server;
  /** Undefined where stock clients are not spoken to. */
  readonly #stock: StockEngine | undefined;
  readonly #options: SwarmOptions;
  readonly #limits: LaneLimits;
  readonly #memberships = new Map<string, PackMembership | undefined>();
  readonly #incoming = new Set<Socket>();
  readonly #buffers: PieceBuffers;
  readonly #checker = new PieceChecker();
  readonly #uplink: Uplink;
  readonly #receiving: RateLine | undefined;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(server: Server, stock: StockEngine | undefined, options: SwarmOptions, limits: LaneLimits) {
    this.#server = server;
    this.#stock = stock;
    this.#options = options;
    this.#limits = limits;
    this.#buffers = new PieceBuffers(limits.receiveBudgetBytes);
    this.#uplink = new Uplink(limits, options.sending?.line());
    this.#receiving = options.receiving?.line();
    this.address = { host: options.host, port: (server.address() as AddressInfo).port };
    const onError = (error: Error) => {
      for (const membership of this.#memberships.values()) membership?.fail(error);
    };
    // WebTorrent hears the errors of its server itself.
    if (stock) stock.onError(onError);
    else server.on('error', onError);
    server.on('connection', (socket: Socket) => this.#accept(socket));
  }

  async join(pack: Pack, filePath: string, { ranges, project }: JoinOptions = {}): Promise<Membership> {
    const defect = checkTorrent(pack);
    if (defect) {
      throw new StarlingError('INVALID_INPUT', `pack ${pack.sha256}: the torrent ${defect}`, {
        field: 'pack.torrent',
        fix: 'Build the commit again; a manifest whose torrent does not fit its pack cannot be fetched.',
      });
    }
    const { infoHash, pieceLength } = pack.torrent;
    const pieceCount = Math.ceil(pack.sizeBytes / pieceLength);
    const shape = { sizeBytes: pack.sizeBytes, pieceLength, pieceCount };
    const wanted = ranges && piecesIn(ranges, shape);
    if (this.#closing.signal.aborted) throw new StarlingError('UNAVAILABLE', 'the swarm is closed');
    if (this.#memberships.has(infoHash)) throw new StarlingError('CONFLICT', `already in the swarm ${infoHash}`);
    this.#memberships.set(infoHash, undefined);
    try {
      const file = await PackFile.open(filePath, pack.sizeBytes, pieceLength).catch((error: unknown) => {
        throw fileError(filePath, error);
      });
      const membership = await this.#joinWith(pack, file, shape, wanted, project).catch(async (error: unknown) => {
        await file.closed().catch(() => undefined);
        throw error;
      });
      return membership;
    } catch (thrown) {
      this.#memberships.delete(infoHash);
      throw thrown;
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #joinWith(
    pack: Pack,
    file: PackFile,
    shape: PackShape,
    wanted: Uint8Array | undefined,
    project: string | undefined,
  ): Promise<Membership> {
    const { infoHash } = pack.torrent;
    const digests = pieceDigests(pack);
    const look: Look = (place) => this.#checker.look(place);
    const has = await file.scan(infoHash, digests, look, this.#closing.signal).catch((error: unknown) => {
      throw fileError(file.path, error);
    });
    if (this.#closing.signal.aborted) throw new StarlingError('UNAVAILABLE', 'the swarm is closed');
    const book = new PieceBook(shape, has, wanted);
    if (!book.isComplete) this.#checker.warm();
    const mayConnect = () => this.#connectionCount() < this.#options.maxConnections;
    const onError = (error: Error) => membership.fail(error);
    const stock = this.#stock?.join({ self: this.address, pack, file, book, mayConnect, onError });
    const lanes = new LaneExchange({
      ...{ infoHash, member: this.#member, self: this.address, book, file, digests, mayConnect },
      ...{ buffers: this.#buffers, checker: this.#checker, uplink: this.#uplink, limits: this.#limits },
      receiving: this.#receiving,
      offers: () => this.#offers(project, infoHash),
      onUnproven: (peer) => this.#options.onUnproven?.({ ...peer, hasCalled: false }),
      onStockPeers: (peers) => stock?.setPeers(peers),
      onBadPeer: (peer, piece) => this.#options.onBadPeer?.({ peer, infoHash, piece }),
      onFileError: onError,
    });
    const onLeave = () => this.#onLeave(infoHash);
    const membership = new PackMembership({ infoHash, book, file, lanes, buffers: this.#buffers, stock, onLeave });
    this.#memberships.set(infoHash, membership);
    book.onMark(() => this.#restWhenFetched());
    await stock?.ready();
    this.#restWhenFetched();
    return membership;
  }

  get #speaksClear(): boolean {
    return this.#stock !== undefined;
  }

  /** The keys that lanes are encrypted by, or undefined where none is. */
  get #keys(): LaneKeys | undefined {
    const { mode, keys } = this.#options.encryption ?? {};
    return mode === 'off' ? undefined : keys;
  }

  #offers(project: string | undefined, infoHash: string): (LaneOffer | undefined)[] {
    const sealed = project === undefined ? [] : (this.#keys?.offersFor(project, infoHash) ?? []);
    return this.#speaksClear ? [...sealed, undefined] : sealed;
  }

  #onLeave(infoHash: string): void {
    this.#memberships.delete(infoHash);
    if (this.#memberships.size > 0) return;
    this.#buffers.clear();
    this.#uplink.clear();
  }

  /** What comes next, putting a tree together, takes memory too: buffers and threads of pieces are let go at once. */
  #restWhenFetched(): void {
    // One that is joining reads its file with the threads.
    for (const membership of this.#memberships.values()) if (!membership?.isComplete) return;
    this.#buffers.clear();
    this.#checker.rest();
  }

  /** Those that were opened here count from the first attempt, those that came from the first packet. */
  #connectionCount(): number {
    let outgoing = this.#stock?.callCount ?? 0;
    for (const membership of this.#memberships.values()) outgoing += membership?.lanes.callCount ?? 0;
    return this.#incoming.size + outgoing;
  }

  /** WebTorrent limits only the connections it opens itself. */
  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    // A few more are listened to, so that those that speak lanes are told that there is no room.
    const listenedTo = this.#options.maxConnections + 16;
    if (this.#closing.signal.aborted || this.#connectionCount() >= listenedTo) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    this.#incoming.add(socket);
    socket.once('close', () => this.#incoming.delete(socket));
    const isFull = () => this.#closing.signal.aborted || this.#connectionCount() > this.#options.maxConnections;
    const { helloTimeoutMs } = this.#limits;
    const clear: Omit<DoorEvents, 'onSealed'> = {
      refuse: ({ infoHash, member, pieceCount }) => {
        if (member === this.#member) return 'self';
        const lanes = this.#memberships.get(infoHash)?.lanes;
        if (!lanes || lanes.pieceCount !== pieceCount) return 'unknownPack';
        return isFull() ? 'full' : undefined;
      },
      onLane: (calling, { infoHash, member }, head) =>
        this.#memberships.get(infoHash)?.lanes.accept(calling, head, member),
      onOther: (calling) => (isFull() || !this.#stock ? calling.destroy() : this.#stock.take(calling)),
    };
    const { onUnproven } = this.#options;
    const keys = this.#keys;
    if (!keys) {
      greet(socket, helloTimeoutMs, clear);
      return;
    }
    const { remoteAddress: host = '', remotePort: port = 0 } = socket;
    const unproven = () => onUnproven?.({ host, port, hasCalled: true });
    const onSealed = (calling: Socket) =>
      acceptSealed(calling, keys, helloTimeoutMs, {
        onUnproven: unproven,
        onOpen: (sealed, infoHash) =>
          greet(sealed, helloTimeoutMs, {
            refuse: (hello) => (hello.infoHash === infoHash ? clear.refuse(hello) : 'unknownPack'),
            onLane: clear.onLane,
            onOther: (other) => other.destroy(),
          }),
      });
    const refuseClear = (calling: Socket) => {
      unproven();
      calling.destroy();
    };
    greet(socket, helloTimeoutMs, {
      ...(this.#speaksClear
        ? clear
        : { refuse: () => undefined, onLane: (calling) => refuseClear(calling), onOther: refuseClear }),
      onSealed,
    });
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    // The server goes first and WebTorrent last: a handshake that arrives when it has already let go of its server
    // would end the process with an unhandled rejection.
    const serverClosed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.all([...this.#memberships.values()].map((membership) => membership?.leave()));
    for (const socket of this.#incoming) socket.destroy();
    await within(closeTimeoutMs, serverClosed);
    await this.#checker.close();
    if (this.#stock) await within(closeTimeoutMs, this.#stock.close());
  }
}

async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}
