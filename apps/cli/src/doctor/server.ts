import { bad, type Finding, good, warn } from '@starling/shared/findings.ts';
import { allows, allProjects, describeGrants } from '@starling/shared/permissions.ts';
import type { Access } from '../access.ts';
import { describeFailure } from '../failure.ts';
import type { Session } from '../session.ts';
import { cliVersion } from '../version.ts';

/** Whether the token is known, versions fit, and, for an administrator, what the server finds in its own parts. */
export async function checkServer(session: Session, access: Access): Promise<Finding[]> {
  const findings: Finding[] = [];
  try {
    const api = await session.api();
    const me = await api.session.whoAmI.query();
    findings.push(good('token', `${me.name} (${describeGrants(me.grants)}), from ${access.from}`));
    findings.push(
      me.version === cliVersion
        ? good('versions', `CLI and server are ${cliVersion}`)
        : warn(
            'versions',
            `The CLI is ${cliVersion}, the server ${me.version}.`,
            'Use the CLI that came with the server.',
          ),
    );
    if (allows(me.grants, 'administer', allProjects)) findings.push(...(await api.doctor.run.query()));
    else findings.push(warn('its parts', 'Only an administrator sees them.', 'Ask one to run: starling doctor'));
  } catch (thrown) {
    const { message, fix } = describeFailure(thrown, access);
    findings.push(bad('token', message, fix ?? 'See the log of the server.'));
  }
  return findings;
}
