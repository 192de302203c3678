import { StarlingError } from '@starling/shared/errors.ts';
import { settingsOf } from '@starling/shared/project-settings.ts';
import { projectName } from '@starling/shared/words.ts';
import { eq } from 'drizzle-orm';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { projects } from '../../../../drizzle/schema/index.ts';
import { checkRequest, type WebhookRequest, type WebhookSource, webhookSources } from '../webhooks/check.ts';
import type { WebhookEvent } from '../webhooks/event.ts';
import { readGitHubEvent } from '../webhooks/github.ts';
import { readGitLabEvent } from '../webhooks/gitlab.ts';
import { readPlainGitEvent } from '../webhooks/plain-git.ts';
import { receiveDelivery } from '../webhooks/receive.ts';
import { webhookSecret } from '../webhooks/secret.ts';
import type { ApiDependencies } from './context.ts';

/** GitHub sends up to 25 MB, but a push or merge of such a size says nothing more about what to build. */
const mostBodyBytes = 5 * 1024 * 1024;

/**
 * `POST /webhooks/<github|gitlab|git>/<project>`: events of repositories, signed with the project's secret. Whoever does
 * not have it learns nothing, not even whether the project is there.
 */
export async function registerWebhookRoutes(server: FastifyInstance, dependencies: ApiDependencies): Promise<void> {
  await server.register(async (scope) => {
    // Signatures are over the bytes as they came, whatever type they claim to be.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: mostBodyBytes }, (_request, body, done) =>
      done(null, body),
    );
    for (const source of webhookSources) {
      scope.post<{ Params: { project: string } }>(`/webhooks/${source}/:project`, (request, reply) =>
        receive(source, request.params.project, request, reply, dependencies),
      );
    }
  });
}

async function receive(
  source: WebhookSource,
  project: string,
  { headers, body, id: requestId }: FastifyRequest,
  reply: FastifyReply,
  { database, webhookSecret: masterSecret, clock, limits, log }: ApiDependencies,
): Promise<unknown> {
  const answer = (status: number, message: string, more: Record<string, unknown> = {}) =>
    source === 'git'
      ? // Shown to who pushed, as git passes on what a hook prints.
        reply.code(status).type('text/plain; charset=utf-8').send(`Starling: ${message}\n`)
      : reply.code(status).send({ message, ...more });
  const unknown = () => answer(401, 'No webhook is accepted here with this signature.');
  if (masterSecret === undefined || !projectName.safeParse(project).success) return unknown();
  const [row] = await database.select({ settings: projects.settings }).from(projects).where(eq(projects.name, project));
  const secret = webhookSecret(masterSecret, project, settingsOf(row?.settings).webhooks.generation);
  const request: WebhookRequest = { source, headers, body: Buffer.isBuffer(body) ? body : Buffer.alloc(0) };
  const checked = checkRequest(request, secret, clock.now());
  if (!checked.accepted) {
    log.warn({ requestId, source, project: row ? project : undefined }, `a webhook was refused: ${checked.why}`);
    return unknown();
  }
  let event: WebhookEvent;
  try {
    event = readRequest(request);
  } catch (thrown) {
    if (thrown instanceof StarlingError) return answer(400, thrown.message);
    throw thrown;
  }
  const delivery = { source, project, deliveryId: checked.deliveryId, requestId };
  const done = await receiveDelivery(database, delivery, event, limits);
  if (!done) return unknown();
  log.info({ requestId, source, project, jobs: done.jobs }, `webhook ${event.name}: ${done.outcome}`);
  return answer(200, done.outcome, { delivery: delivery.deliveryId, jobs: done.jobs, repeated: done.repeated });
}

function readRequest({ source, headers, body }: WebhookRequest): WebhookEvent {
  if (source === 'git') return readPlainGitEvent(body.toString('utf8'));
  const isForm = String(headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded');
  const text = isForm ? (new URLSearchParams(body.toString('utf8')).get('payload') ?? '') : body.toString('utf8');
  let payload: unknown;
  try {
    payload = JSON.parse(text);
  } catch {
    throw new StarlingError('INVALID_INPUT', 'the body is not JSON');
  }
  return source === 'github'
    ? readGitHubEvent(String(headers['x-github-event'] ?? ''), payload)
    : readGitLabEvent(payload);
}
