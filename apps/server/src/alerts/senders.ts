import type { AlertTarget } from '@starling/shared/alerts.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { createTransport, type Transporter } from 'nodemailer';
import { postSigned } from '../lib/post-signed.ts';

/** What is said of one alert through one channel. */
export interface AlertMessage {
  /** The same at every try: a receiver that has it may throw a repetition away. */
  deliveryId: string;
  kind: string;
  project: string | null;
  title: string;
  text: string;
  /** The page that shows it; a path alone when this Starling does not know its own address. */
  url: string;
  raisedAt: Date;
  over: boolean;
}

export interface SendOptions {
  nowMs: number;
  signal: AbortSignal;
}

/** Sends, or throws with the reason why it did not arrive. */
export type Send = (target: AlertTarget, message: AlertMessage, options: SendOptions) => Promise<void>;

export interface MailServer {
  /** `smtp://user@host:587` or `smtps://…`. */
  url: string;
  password: string | undefined;
  from: string;
}

/** Sends through webhooks, Slack-shaped webhooks and, where there is a mail server, by e-mail. */
export function alertSender(mail: MailServer | undefined): Send {
  const transport = mail && openMail(mail);
  return async (target, message, options) => {
    switch (target.type) {
      case 'webhook':
        return post(target.url, target.secret, asJson(message), message, options);
      case 'slack':
        return post(target.url, undefined, asSlack(message), message, options);
      case 'email':
        if (!mail || !transport) {
          throw new StarlingError('PRECONDITION_FAILED', 'this Starling has no mail server', {
            fix: 'Set STARLING_SMTP_URL and STARLING_MAIL_FROM on the control servers.',
          });
        }
        await sendMail(transport, mail, target.to, message);
    }
  };
}

/** Signs in at the mail server and sends nothing. Throws when it does not let us. */
export async function verifyMail(mail: MailServer): Promise<void> {
  await openMail(mail).verify();
}

async function post(
  url: string,
  secret: string | undefined,
  body: unknown,
  { deliveryId }: AlertMessage,
  { nowMs, signal }: SendOptions,
): Promise<void> {
  const { status, text } = await postSigned({ url, secret, body, deliveryId, nowMs, signal });
  if (status >= 200 && status < 300) return;
  const said = text.trim().split('\n')[0]?.slice(0, 200);
  throw new StarlingError('UNAVAILABLE', `${new URL(url).host} answered ${status}${said ? `: ${said}` : ''}`);
}

function asJson({ deliveryId, raisedAt, ...rest }: AlertMessage) {
  return { id: deliveryId, ...rest, raisedAt: raisedAt.toISOString() };
}

/** What Slack, Mattermost, Rocket.Chat and Teams' compatible webhooks take. `<`, `>` and `&` are Slack's own marks. */
function asSlack({ title, text, url, project }: AlertMessage) {
  const plain = (value: string) => value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const link = url.startsWith('http') ? `<${url}|${plain(title)}>` : plain(title);
  return {
    text: plain(project ? `[${project}] ${title}` : title),
    blocks: [{ type: 'section', text: { type: 'mrkdwn', text: `*${link}*\n${plain(text)}`.slice(0, 2_900) } }],
  };
}

function openMail({ url, password }: MailServer): Transporter {
  const parsed = new URL(url);
  const secure = parsed.protocol === 'smtps:';
  const user = decodeURIComponent(parsed.username);
  return createTransport({
    host: parsed.hostname,
    port: Number(parsed.port) || (secure ? 465 : 587),
    secure,
    ...(user ? { auth: { user, pass: password ?? decodeURIComponent(parsed.password) } } : {}),
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 20_000,
  });
}

async function sendMail(transport: Transporter, { from }: MailServer, to: string[], message: AlertMessage) {
  const { title, text, url, deliveryId, project, kind } = message;
  try {
    await transport.sendMail({
      from,
      to,
      subject: project ? `[${project}] ${title}` : title,
      text: `${text}\n\n${url}\n`,
      // The same at every try, so that a mailbox shows a repetition once.
      messageId: `<${deliveryId}@starling>`,
      headers: { 'X-Starling-Alert': kind, 'Auto-Submitted': 'auto-generated' },
    });
  } catch (thrown) {
    throw new StarlingError('UNAVAILABLE', `the mail server refused: ${(thrown as Error).message}`, { cause: thrown });
  }
}
