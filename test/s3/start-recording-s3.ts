import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface RecordedRequest {
  /** For example `PUT /bucket/key?partNumber=1&uploadId=u`. */
  line: string;
  headers: Record<string, string>;
}

export interface RecordingS3 {
  endpoint: string;
  requests: RecordedRequest[];
  /** The status and code that the next requests are answered with, one after another, instead of being carried out. */
  failures: { status: number; code: string }[];
  /** What it says it encrypted with; what it was asked for when undefined. */
  claims: string | undefined;
  /** An upload in parts that someone began without encryption, with its first part; until it is completed. */
  unfinished: { key: string; first: Buffer } | undefined;
  objects: Map<string, Buffer>;
  stop(): Promise<void>;
}

/**
 * As much of S3 as an upload needs, to see what is asked of it and to let it fail at will: no real server tells. It checks
 * the MD5 of what it is sent, as they all do. That a real server takes our requests is shown elsewhere.
 */
export async function startRecordingS3(): Promise<RecordingS3> {
  const recording: Omit<RecordingS3, 'endpoint' | 'stop'> = {
    requests: [],
    failures: [],
    claims: undefined,
    unfinished: undefined,
    objects: new Map(),
  };
  const uploads = new Map<string, Map<number, Buffer>>();
  /** Of uploads by their id, and of objects by their key. */
  const encryptionOf = new Map<string, string>();

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await buffer(request);
    const url = new URL(request.url ?? '/', 'http://s3');
    const { method = '' } = request;
    recording.requests.push({
      line: `${method} ${url.pathname}${url.search}`,
      headers: request.headers as Record<string, string>,
    });
    const answer = (status: number, xml = '', headers: Record<string, string> = {}) =>
      response.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(xml);
    const refuse = (status: number, code: string) =>
      answer(status, `<Error><Code>${code}</Code><Message>as told</Message></Error>`);
    const failure = recording.failures.shift();
    if (failure) return refuse(failure.status, failure.code);
    const md5 = createHash('md5').update(body).digest();
    const expected = request.headers['content-md5'];
    if (expected !== undefined && expected !== md5.toString('base64')) return refuse(400, 'BadDigest');

    const key = url.pathname;
    const uploadId = url.searchParams.get('uploadId');
    const encrypted = (asked: string | undefined): Record<string, string> => {
      const said = recording.claims ?? asked;
      return said ? { 'x-amz-server-side-encryption': said } : {};
    };
    const asked = request.headers['x-amz-server-side-encryption'] as string | undefined;
    if (method === 'HEAD') {
      const found = recording.objects.get(key);
      if (!found) return answer(404);
      return answer(200, '', { 'content-length': String(found.length), ...encrypted(encryptionOf.get(key)) });
    }
    if (method === 'DELETE') {
      if (uploadId) uploads.delete(uploadId);
      else recording.objects.delete(key);
      return answer(204);
    }
    if (method === 'GET' && url.searchParams.has('uploads')) {
      const { unfinished } = recording;
      if (!unfinished) return answer(200, '<ListMultipartUploadsResult/>');
      uploads.set('left', new Map([[1, unfinished.first]]));
      const left = `<Upload><Key>${unfinished.key.split('/').slice(2).join('/')}</Key><UploadId>left</UploadId></Upload>`;
      return answer(200, `<ListMultipartUploadsResult>${left}</ListMultipartUploadsResult>`);
    }
    if (method === 'GET' && uploadId) {
      const listed = [...(uploads.get(uploadId) ?? [])].map(
        ([number, part]) =>
          `<Part><PartNumber>${number}</PartNumber><Size>${part.length}</Size><ETag>"e"</ETag></Part>`,
      );
      return answer(200, `<ListPartsResult>${listed.join('')}</ListPartsResult>`);
    }
    if (method === 'POST' && url.searchParams.has('uploads')) {
      const id = `u${uploads.size + 1}`;
      uploads.set(id, new Map());
      if (asked) encryptionOf.set(id, asked);
      const xml = `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`;
      return answer(200, xml, encrypted(asked));
    }
    const parts = uploadId ? uploads.get(uploadId) : undefined;
    if (method === 'PUT') {
      if (parts) parts.set(Number(url.searchParams.get('partNumber')), body);
      else recording.objects.set(key, body);
      return answer(200, '', { etag: `"${md5.toString('hex')}"`, ...encrypted(asked) });
    }
    if (method === 'POST' && parts && uploadId) {
      const inOrder = [...parts].sort(([a], [b]) => a - b).map(([, part]) => part);
      recording.objects.set(key, Buffer.concat(inOrder));
      uploads.delete(uploadId);
      recording.unfinished = undefined;
      const how = encryptionOf.get(uploadId);
      if (how) encryptionOf.set(key, how);
      const xml = '<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>';
      return answer(200, xml);
    }
    return refuse(501, 'NotImplemented');
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((thrown: unknown) => response.destroy(thrown as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(recording, {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
