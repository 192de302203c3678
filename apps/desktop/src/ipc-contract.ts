import { z } from 'zod';

// What the window may ask of the main process, and what it is told: each channel typed and checked once, here.

export const profileInput = z.object({
  id: z.string().max(64).optional(),
  name: z.string().trim().min(1, 'a name is needed').max(60),
  url: z
    .string()
    .trim()
    .max(500)
    .refine(
      (value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol),
      'the address begins with http:// or https://',
    ),
  production: z.boolean(),
});
export type ProfileInput = z.infer<typeof profileInput>;

/** A server that the console knows. The token is never part of it. */
export interface ServerProfile {
  id: string;
  name: string;
  /** Origin, without a path. */
  url: string;
  /** Marked by a person: everything in it asks twice. */
  production: boolean;
}

export interface ProfileState {
  profiles: ServerProfile[];
  selected: string | null;
  /** Whether tokens outlive the application, or why not. */
  tokens: { kept: true } | { kept: false; because: string };
}

const nothing = z.undefined();

/** The requests, by channel: the payload that main accepts. */
export const requestPayloads = {
  'profiles:read': nothing,
  'profiles:save': profileInput,
  'profiles:remove': z.object({ id: z.string().max(64) }),
  'profiles:select': z.object({ id: z.string().max(64) }),
  'notification:show': z.object({
    title: z.string().max(200),
    body: z.string().max(1_000),
    /** The page that opens when it is clicked. */
    path: z.string().startsWith('/').max(500),
  }),
  'attention:set': z.object({
    /** Calm, something is being deployed, or something needs a person. */
    state: z.enum(['quiet', 'busy', 'failed']),
    text: z.string().max(200),
  }),
  'update:ready': nothing,
  'update:install': nothing,
  'external:open': z.object({ url: z.string().max(2_000) }),
  'clipboard:write': z.object({ text: z.string().max(1_000_000) }),
  'link:take': nothing,
} as const satisfies Record<string, z.ZodType>;

export type RequestChannel = keyof typeof requestPayloads;
export type Attention = z.infer<(typeof requestPayloads)['attention:set']>;
export type RequestPayload<Channel extends RequestChannel> = z.infer<(typeof requestPayloads)[Channel]>;

export interface RequestResults {
  'profiles:read': ProfileState;
  'profiles:save': ProfileState;
  'profiles:remove': ProfileState;
  'profiles:select': ProfileState;
  'notification:show': null;
  'attention:set': null;
  /** The version that waits to be installed; null while there is none. */
  'update:ready': string | null;
  'update:install': null;
  'external:open': null;
  'clipboard:write': null;
  /** The page of a link that came before the window listened. */
  'link:take': string | null;
}

/** What main tells the window, by channel. */
export interface Notices {
  'link:opened': string;
  /** A newer console was downloaded: its version. */
  'update:ready': string;
  'menu:command': 'palette' | 'keys' | 'overview' | 'servers' | 'toggle-sidebar';
}
export type NoticeChannel = keyof Notices;

/** An answer crosses the process border as data: an Error would lose its message's structure on the way. */
export type Answer<Result> = { ok: true; result: Result } | { ok: false; message: string };

/** What the preload script puts on `window.starling`. */
export interface DesktopBridge {
  request<Channel extends RequestChannel>(
    channel: Channel,
    payload: RequestPayload<Channel>,
  ): Promise<Answer<RequestResults[Channel]>>;
  onNotice<Channel extends NoticeChannel>(channel: Channel, listener: (notice: Notices[Channel]) => void): () => void;
}
