import type { Command } from 'commander';
import type { OpenSession } from '../session.ts';
import { steeringCommand } from '../steer-deployment.ts';

/** `starling resume`: on again after a pause, or after a halt. */
export function resumeCommand(open: OpenSession): Command {
  return steeringCommand(open, {
    name: 'resume',
    description: 'go on with a deployment that was paused, or halted: what had failed by then does not halt it again',
    takesReason: true,
    ask: (api, id, reason) => api.deployments.resume.mutate({ id, ...(reason !== undefined && { reason }) }),
    next: (id) => `follow it: starling deployment ${id} --wait`,
  });
}
