import { messageOf, StarlingError } from '@starling/shared/errors.ts';

/** The gRPC status codes that etcd's gateway puts into its answers, as far as we tell them apart. */
export const grpc = {
  invalidArgument: 3,
  permissionDenied: 7,
  failedPrecondition: 9,
  outOfRange: 11,
  unauthenticated: 16,
};
/** Codes after which another endpoint would say the same. */
const final = [...Object.values(grpc), 5, 8, 12];

/** What an etcd answered instead of doing what it was asked. */
export class EtcdRefusal extends Error {
  readonly grpcCode: number;

  constructor(message: string, grpcCode: number) {
    super(message);
    this.name = 'EtcdRefusal';
    this.grpcCode = grpcCode;
  }

  /** The token is not (or no longer) known: asking for a new one mends it. */
  get wantsNewToken(): boolean {
    return this.grpcCode === grpc.unauthenticated || /invalid auth token|auth store is old/.test(this.message);
  }

  get isCompacted(): boolean {
    return this.grpcCode === grpc.outOfRange && this.message.includes('compacted');
  }
}

/** Whether another endpoint, or the same one a moment later, may answer. */
export const mayPass = (thrown: unknown): boolean =>
  !(thrown instanceof EtcdRefusal) || !final.includes(thrown.grpcCode);

/** What a failed request means to a person: UNAVAILABLE naming the region, the endpoint and what to look at. */
export function etcdError(thrown: unknown, region: string, endpoint: string): StarlingError {
  if (thrown instanceof StarlingError) return thrown;
  const who = `the etcd of ${region} at ${endpoint}`;
  const unavailable = (why: string, fix: string) =>
    new StarlingError('UNAVAILABLE', `${who} ${why}`, { field: 'STARLING_VERSION_KEYS', fix, cause: thrown });
  if (!(thrown instanceof EtcdRefusal)) {
    return unavailable(
      `does not answer: ${causeOf(thrown)}`,
      'Check that the cluster runs, has a leader, and can be reached from here under this address.',
    );
  }
  if (/user|auth|permission|password/.test(thrown.message)) {
    return unavailable(
      `refused access: ${thrown.message}`,
      'Check STARLING_ETCD_USER and STARLING_ETCD_PASSWORD_FILE, and that the user may read and write the keys below "starling/".',
    );
  }
  return unavailable(`refused the request: ${thrown.message}`, 'See what etcd and its log say about its health.');
}

/** `fetch` says only "fetch failed"; what happened is in the causes. */
function causeOf(thrown: unknown): string {
  const { name, cause } = (thrown ?? {}) as { name?: string; cause?: unknown };
  if (name === 'TimeoutError' || name === 'AbortError') return 'no answer in time';
  if (cause instanceof AggregateError && cause.errors.length > 0) return messageOf(cause.errors[0]);
  return messageOf(cause ?? thrown);
}
