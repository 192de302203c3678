import { sql } from 'drizzle-orm';

const share = `(d.reach -> m.region ->> 'fraction')::float8`;

/** `positionInWave` of `packages/shared/src/version-key.ts`. */
const position = `(('x' || encode(substring(sha256(convert_to(d.salt || chr(10) || m.id, 'UTF8')) from 1 for 6), 'hex'))::bit(48)::bigint
  / 281474976710656.0::float8)`;

/**
 * Whether the waves of a deployment `d` that have begun reach a machine `m`: `isInWave` of
 * `packages/shared/src/version-key.ts` said where the rows are, so that counting a fleet does not read it out. A test holds
 * the two together.
 */
export const isReached = sql.raw(`(case
  when d.reach is null or jsonb_typeof(d.reach) = 'null' then true
  when not d.reach ? m.region then false
  when ${share} >= 1 then true
  else (${share} > 0 and ${position} < ${share})
    or exists (select from jsonb_array_elements(coalesce(d.reach -> m.region -> 'selectors', '[]')) s
      where s <> '{}' and m.labels @> s)
  end)`);
