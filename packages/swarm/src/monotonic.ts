/** Milliseconds since the epoch at the start of this process, and never set back or forth while it runs. */
export const monotonicMs = (): number => performance.timeOrigin + performance.now();
