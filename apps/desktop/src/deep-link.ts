/**
 * Where a `starling://` link leads within the console, or undefined for anything else. A link only ever navigates:
 * what it names is a page, never an action, and no query it carries reaches one.
 */
export function pathOfDeepLink(link: string): string | undefined {
  if (link.length > 2_000) return undefined;
  let url: URL;
  try {
    url = new URL(link);
  } catch {
    return undefined;
  }
  if (url.protocol !== 'starling:' || url.username !== '' || url.password !== '' || url.port !== '') return undefined;
  const page = url.hostname || url.pathname.split('/')[1] || '';
  const rest = url.hostname ? url.pathname : `/${url.pathname.split('/').slice(2).join('/')}`;
  let id: string;
  try {
    id = decodeURIComponent(rest.replace(/^\/+|\/+$/g, ''));
  } catch {
    return undefined;
  }
  if (page === '' || page === 'overview') return id === '' ? '/' : undefined;
  const pattern = pages[page];
  if (!pattern) return undefined;
  if (id === '') return page === 'projects' || page === 'jobs' ? undefined : `/${page}`;
  return pattern.test(id) ? `/${page}/${encodeURIComponent(id)}` : undefined;
}

const pages: Record<string, RegExp> = {
  projects: /^[a-z][a-z0-9-]{0,62}$/,
  builds: /^[a-z][a-z0-9-]{0,62}@[0-9a-f]{12}(\.\d{1,6})?$/,
  jobs: /^[1-9]\d{0,15}$/,
  deployments: /^[1-9]\d{0,15}$/,
  machines: /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
};
