import type { WaitingDeployment } from './api.ts';

/** Whether this person's voice is what it waits for. */
export const isMine = ({ asksForApproval, whyNotMine, mine }: WaitingDeployment): boolean =>
  asksForApproval && whyNotMine === null && mine === null;
