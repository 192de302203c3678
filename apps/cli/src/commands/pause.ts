import type { Command } from 'commander';
import type { OpenSession } from '../session.ts';
import { steeringCommand } from '../steer-deployment.ts';

/** `starling pause`: a deployment stands still until it is resumed. */
export function pauseCommand(open: OpenSession): Command {
  return steeringCommand(open, {
    name: 'pause',
    description: 'hold a deployment: no wave begins, and no machine goes over to it that has not begun to',
    takesReason: true,
    ask: (api, id, reason) => api.deployments.pause.mutate({ id, ...(reason !== undefined && { reason }) }),
    next: (id) => `go on: starling resume ${id}   go back: starling abort ${id}`,
  });
}
