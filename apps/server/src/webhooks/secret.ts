import { createHmac } from 'node:crypto';

// Each project has a webhook secret of its own, so that whoever runs one repository cannot start builds of another. They
// are not stored but derived from one master secret, which only control has, in a file: nothing in the database or a copy
// of it lets anyone in, there is no list of secrets to guard and to back up, and a secret can be shown again to an
// administrator who sets up a second hook. Raising the project's generation makes its secret another one.

/** In the form of the Standard Webhooks specification; all of it, as text, is the key for GitHub and plain git. */
export function webhookSecret(masterSecret: string, project: string, generation: number): string {
  const bytes = createHmac('sha256', masterSecret).update(`starling webhook\n${project}\n${generation}`).digest();
  return `whsec_${bytes.toString('base64')}`;
}
