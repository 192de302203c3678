import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type OpenIdOptions, openIdSignIn } from '@starling/server/accounts/openid.ts';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { TestClock } from '@starling/shared/clock.ts';
import { sql } from 'drizzle-orm';
import Provider from 'oidc-provider';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';

const test = useFreshDatabase();
const people: Record<string, { preferred_username: string; name: string; email: string; groups: string[] }> = {
  'subject-ada': { preferred_username: 'ada', name: 'Ada Lovelace', email: 'ada@example.com', groups: ['shop-devs'] },
  'subject-eve': { preferred_username: 'ada', name: 'Another Ada', email: 'eve@example.com', groups: [] },
};

/** A real provider of its own, on a port of its own. */
async function startProvider(port = 0) {
  let http: Server | undefined;
  const server = createServer((request, response) => handler(request, response));
  let handler: (...args: Parameters<ReturnType<Provider['callback']>>) => unknown = () => {};
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  http = server;
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'starling',
        client_secret: 'a client secret of some length',
        redirect_uris: [`${publicUrl}/oidc/callback`],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email'], groups: ['groups'] },
    scopes: ['openid', 'profile', 'email', 'groups'],
    // The claims are wanted in the id token itself.
    conformIdTokenClaims: false,
    findAccount: (_context: unknown, sub: string) => ({
      accountId: sub,
      claims: async () => ({ sub, ...people[sub] }),
    }),
    features: { devInteractions: { enabled: true } },
    pkce: { required: () => true },
    cookies: { keys: ['a key for the cookies of this test'] },
  } as never);
  handler = provider.callback();
  return {
    issuer,
    stop: () =>
      new Promise<void>((resolve) => {
        http?.closeAllConnections();
        http?.close(() => resolve());
      }),
  };
}

let publicUrl = 'http://127.0.0.1:1';
let provider: Awaited<ReturnType<typeof startProvider>>;
let api: TestApi;
const clock = new TestClock(Date.now());
let rolesOfGroups: OpenIdOptions['rolesOfGroups'] = new Map();

beforeAll(async () => {
  await grantToken(test.database, 'root', 'admin', 'admin-token');
  // The address people come back to has to be known before the server listens: it never follows it itself.
  publicUrl = 'http://starling.test';
  provider = await startProvider();
  const options = {
    issuer: provider.issuer,
    clientId: 'starling',
    clientSecret: 'a client secret of some length',
    scopes: 'openid profile email groups',
    groupsClaim: 'groups',
    get rolesOfGroups() {
      return rolesOfGroups;
    },
    publicUrl,
    flowSecret: 'the same on all servers',
  };
  api = await startTestApi(test.database, { openId: openIdSignIn(options, test.database), clock });
});
afterAll(async () => {
  await api?.stop();
  await provider?.stop();
});
beforeEach(() => {
  rolesOfGroups = new Map([['shop-devs', [{ project: 'shop', role: 'deployer' as const }]]]);
});

/** What a browser does: follows redirects, keeps cookies, fills in forms. */
class Browser {
  readonly #cookies = new Map<string, string>();

  async go(url: string, form?: Record<string, string>): Promise<Response> {
    // People reach the server under its public name; here it is at a port of this machine.
    const real = url.replace(publicUrl, api.url);
    const host = new URL(real).host;
    const response = await fetch(real, {
      redirect: 'manual',
      headers: {
        cookie: [...this.#cookies]
          .filter(([key]) => key.startsWith(`${host} `))
          .map(([key, value]) => `${key.split(' ')[1]}=${value}`)
          .join('; '),
      },
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [name, value] = cookie.split(';')[0]!.split(/=(.*)/s);
      this.#cookies.set(`${host} ${name}`, value ?? '');
    }
    return response;
  }

  cookie(name: string): string | undefined {
    return this.#cookies.get(`${new URL(api.url).host} ${name}`);
  }

  forget(name: string): void {
    this.#cookies.delete(`${new URL(api.url).host} ${name}`);
  }
}

const next = (response: Response, from: string) => new URL(response.headers.get('location')!, from).href;

/** Signs in at the provider as `subject` and stops before going back: returns the address to go back to. */
async function throughProvider(browser: Browser, subject: string, returnTo = '/builds'): Promise<string> {
  const start = await browser.go(`${publicUrl}/oidc/start?returnTo=${encodeURIComponent(returnTo)}`);
  expect(start.status).toBe(302);
  let url = next(start, provider.issuer);
  for (let step = 0; step < 12; step += 1) {
    if (url.startsWith(publicUrl)) return url;
    const response = await browser.go(url);
    if (response.status < 300) {
      const page = await response.text();
      const action = /action="([^"]+)"/.exec(page)?.[1];
      const prompt = /name="prompt" value="([^"]+)"/.exec(page)?.[1];
      const form = prompt === 'login' ? { prompt, login: subject, password: 'any' } : { prompt: prompt ?? 'consent' };
      url = next(await browser.go(new URL(action!, url).href, form), url);
      continue;
    }
    url = next(response, url);
  }
  throw new Error(`the provider did not send the browser back; it was at ${url}`);
}

const whoAmI = async (browser: Browser) => {
  const response = await fetch(`${api.url}/api/v1/session.whoAmI`, {
    headers: { cookie: `starling_session=${browser.cookie('starling_session')}` },
  });
  return response.status === 200 ? response.json() : response.status;
};

describe('signing in with OpenID Connect', () => {
  it('makes an account with the roles of its groups, and takes them away when a group is left', async () => {
    const browser = new Browser();
    const back = await browser.go(await throughProvider(browser, 'subject-ada'));
    expect([back.status, back.headers.get('location')]).toEqual([302, '/builds']);
    expect(await whoAmI(browser)).toMatchObject({ name: 'ada', grants: [{ project: 'shop', role: 'deployer' }] });

    await api.as('admin-token').accounts.grant.mutate({ name: 'ada', role: 'viewer' });
    people['subject-ada']!.groups = [];
    const again = new Browser();
    await again.go(await throughProvider(again, 'subject-ada'));
    expect(await whoAmI(again), 'what was granted here stays').toMatchObject({
      grants: [{ project: '*', role: 'viewer' }],
    });
  });

  it('never joins a person to an account of the same name', async () => {
    const browser = new Browser();
    await browser.go(await throughProvider(browser, 'subject-eve'));
    expect(await whoAmI(browser)).toMatchObject({ name: 'ada-2', grants: [] });
  });

  it.each([
    ['another state', (url: URL) => url.searchParams.set('state', 'another')],
    ['another code', (url: URL) => url.searchParams.set('code', 'another')],
    ['no code', (url: URL) => url.searchParams.delete('code')],
  ])('is refused with %s', async (_, change) => {
    const browser = new Browser();
    const url = new URL(await throughProvider(browser, 'subject-ada'));
    change(url);
    const response = await browser.go(url.href);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ message: expect.stringMatching(/^The sign-in was not completed\./) });
    expect(browser.cookie('starling_session')).toBeUndefined();
  });

  it('is refused when the same answer comes twice', async () => {
    const browser = new Browser();
    const url = await throughProvider(browser, 'subject-ada');
    const flow = browser.cookie('starling_openid');
    expect((await browser.go(url)).status).toBe(302);
    const thief = await fetch(url.replace(publicUrl, api.url), {
      redirect: 'manual',
      headers: { cookie: `starling_openid=${flow}` },
    });
    expect(thief.status).toBe(401);
  });

  it('is refused in another browser, with a forged cookie and after ten minutes', async () => {
    const browser = new Browser();
    const url = await throughProvider(browser, 'subject-ada');
    expect((await new Browser().go(url)).status).toBe(401);
    const flow = browser.cookie('starling_openid')!;
    const forged = Buffer.from(
      JSON.stringify({
        ...JSON.parse(Buffer.from(flow.split('.')[0]!, 'base64url').toString()),
        returnTo: '//evil.example',
      }),
    ).toString('base64url');
    const response = await fetch(url.replace(publicUrl, api.url), {
      redirect: 'manual',
      headers: { cookie: `starling_openid=${forged}.${flow.split('.')[1]}` },
    });
    expect(response.status).toBe(401);
    await clock.advance(601_000);
    expect((await browser.go(url)).status).toBe(401);
  });

  it.each(['//evil.example', 'https://evil.example', '/\\evil.example', 'builds'])(
    'never sends people on to %s',
    async (returnTo) => {
      const browser = new Browser();
      const back = await browser.go(await throughProvider(browser, 'subject-ada', returnTo));
      expect(back.headers.get('location')).toBe('/');
    },
  );

  it('shuts a disabled person out', async () => {
    const browser = new Browser();
    await browser.go(await throughProvider(browser, 'subject-eve'));
    await api.as('admin-token').accounts.disable.mutate({ name: 'ada-2' });
    expect(await whoAmI(browser)).toBe(401);
    expect((await browser.go(await throughProvider(browser, 'subject-eve'))).status).toBe(401);
    await api.as('admin-token').accounts.enable.mutate({ name: 'ada-2' });
  });

  it('says when the provider is away, and works again when it is back', async () => {
    const options = {
      issuer: provider.issuer,
      clientId: 'starling',
      clientSecret: 'a client secret of some length',
      scopes: 'openid',
      groupsClaim: 'groups',
      rolesOfGroups,
      publicUrl,
      flowSecret: 'another',
    };
    await provider.stop();
    const port = Number(new URL(provider.issuer).port);
    const other = await startTestApi(test.database, { openId: openIdSignIn(options, test.database) });
    try {
      const start = () => fetch(`${other.url}/oidc/start`, { redirect: 'manual' });
      const away = await start();
      expect(away.status).toBe(503);
      expect(await away.json()).toMatchObject({ fix: 'Try again, or sign in with a password.' });
      provider = await startProvider(port);
      expect((await start()).status).toBe(302);
    } finally {
      await other.stop();
    }
  });

  it('is audited, with the groups’ roles', async () => {
    const rows = await test.database.execute(sql`select action from audit_log where actor = 'ada' order by id`);
    expect(rows.map(({ action }) => action).slice(0, 2)).toEqual(['account.add', 'account.sign-in']);
  });
});
