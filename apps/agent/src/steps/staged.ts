import { attemptOf, type Step } from './step.ts';

/** The last moment at which nothing has been touched: the slot is looked at once more before the old program ends. */
export const staged: Step = async ({ slots }, situation) => {
  await slots.needManifest(attemptOf(situation));
  return { type: 'CLEARED' };
};
