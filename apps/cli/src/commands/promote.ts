import type { Command } from 'commander';
import type { OpenSession } from '../session.ts';
import { steeringCommand } from '../steer-deployment.ts';

/** `starling promote`: the next wave now. */
export function promoteCommand(open: OpenSession): Command {
  return steeringCommand(open, {
    name: 'promote',
    description: 'begin the next wave of a deployment now, without waiting for the one before it',
    takesReason: false,
    ask: async (api, id) => {
      // Named, so that it promotes the wave that was looked at, and not one that began in between.
      const { wave } = await api.deployments.get.query({ id });
      return api.deployments.promote.mutate({ id, wave });
    },
    next: (id) => `follow it: starling deployment ${id} --wait`,
  });
}
