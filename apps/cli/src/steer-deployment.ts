import { Command } from 'commander';
import type { Api } from './client.ts';
import { exitCodes } from './exit-codes.ts';
import { CommandFailure } from './failure.ts';
import { deploymentArgument, reasonOption } from './options.ts';
import type { OpenSession } from './session.ts';
import { oneLine } from './terminal/terminal.ts';

type Answer = Awaited<ReturnType<Api['deployments']['pause']['mutate']>>;

export interface SteeringCommand {
  name: 'pause' | 'resume' | 'promote';
  description: string;
  takesReason: boolean;
  ask: (api: Api, id: number, reason: string | undefined) => Promise<Answer>;
  /** What to do next, once it is done. */
  next: (id: number) => string;
}

/** What pause, resume and promote have in common: they may be said in every state, and say what has come of it. */
export function steeringCommand(open: OpenSession, { name, description, takesReason, ask, next }: SteeringCommand) {
  const command = new Command(name).description(description).addArgument(deploymentArgument());
  if (takesReason) command.addOption(reasonOption());
  return command.action(async (id: number, options: { reason?: string }, self: Command) => {
    const session = open(self);
    const answer = await ask(await session.api(), id, options.reason);
    session.print(answer, () => `Deployment ${id} of ${answer.buildId}: ${oneLine(answer.answer)}.\n`);
    if (answer.done) return session.suggest(next(id));
    throw new CommandFailure({
      message: `Nothing was changed at deployment ${id}: ${oneLine(answer.answer)}.`,
      fix: `See how it stands with: starling deployment ${id}`,
      exitCode: exitCodes.precondition,
    });
  });
}
