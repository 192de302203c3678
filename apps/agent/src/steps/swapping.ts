import { attemptOf, type Step } from './step.ts';

/** Points the `current` link to the new slot. */
export const swapping: Step = async ({ slots }, situation) => {
  await slots.makeCurrent(attemptOf(situation));
  return { type: 'SWAPPED' };
};
