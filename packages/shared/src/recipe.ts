import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { byteSize } from './byte-size.ts';
import { durationBetween } from './durations.ts';
import { StarlingError } from './errors.ts';
import { type Hooks, lifecycleEvents, type ProgramLimits, userName } from './lifecycle.ts';
import { artifactPath, type RunSpec } from './manifest.ts';
import { rolloutSettings, type WrittenRolloutSettings } from './rollout-plan.ts';

// `starling.yml`: how a project is built and run, kept in its repository beside the code it describes.

const second = 1_000;
const minute = 60 * second;
const environment = z
  .record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'an environment variable is letters, digits and underscores'),
    z.coerce.string(),
  )
  .default({});
const command = z.string().trim().min(1, 'must not be empty').max(8192);
const checkTimeout = durationBetween(10, 5 * minute).default(2 * second);

const health = z
  .strictObject({
    /** Asks this path on the program's port; 200 to 399 is healthy. */
    http: z.string().startsWith('/', 'must be a path that begins with "/"').optional(),
    /** Connects to the program's port. */
    tcp: z.literal(true).optional(),
    /** Exit code 0 is healthy. Runs in the slot with the program's environment. */
    command: command.optional(),
    timeout: checkTimeout,
    interval: durationBetween(50, 5 * minute).default(second),
    minHealthyTime: durationBetween(0, 60 * minute).default(10 * second),
    healthyDeadline: durationBetween(second, 60 * minute).default(5 * minute),
  })
  .refine((value) => [value.http, value.tcp, value.command].filter((way) => way !== undefined).length === 1, {
    message: 'needs exactly one of "http", "tcp" and "command"',
  });

/** A command alone is a command with the usual time. */
const writtenHook = z
  .preprocess(
    (value) => (typeof value === 'string' ? { command: value } : value),
    z.strictObject({ command, timeout: durationBetween(10, 60 * minute).default(5 * minute) }),
  )
  .transform((hook) => ({ command: hook.command, timeoutMs: hook.timeout }));
const limits = z.strictObject({
  memory: byteSize.optional(),
  files: z.number().int().min(16).max(1_048_576).optional(),
  processes: z.number().int().min(1).max(1_000_000).optional(),
});

const recipeFile = z
  .strictObject({
    version: z.literal(1, 'must be 1'),
    build: z.strictObject({
      command,
      artifact: z
        .string()
        .trim()
        .transform((path) => path.replace(/^\.\//, '').replace(/\/+$/, ''))
        .pipe(artifactPath.or(z.literal('.'))),
      timeout: durationBetween(second, 6 * 60 * minute).default(15 * minute),
      environment,
    }),
    run: z
      .strictObject({
        command,
        environment,
        port: z.union([z.literal('auto'), z.number().int().min(1).max(65535)]).optional(),
        stopGrace: durationBetween(0, 10 * minute).default(10 * second),
        user: userName.optional(),
        limits: limits.optional(),
      })
      .optional(),
    hooks: z
      .strictObject(Object.fromEntries(lifecycleEvents.map((event) => [event, writtenHook.optional()])))
      .optional(),
    health: health.optional(),
    rollout: rolloutSettings.optional(),
  })
  .refine((file) => !((file.health?.http || file.health?.tcp) && file.run?.port === undefined), {
    path: ['run', 'port'],
    message: 'is needed for an http or tcp health check; "auto" lets each machine choose a free port',
  });

/** A validated `starling.yml`. Durations are in milliseconds. */
export interface Recipe {
  build: { command: string; artifact: string; timeoutMs: number; environment: Record<string, string> };
  run: RunSpec;
  /** How its builds reach the machines, as written; null when the file does not say. */
  rollout: WrittenRolloutSettings | null;
}

/** Reads `starling.yml`. Throws INVALID_INPUT with the line and the field of the first few defects. */
export function parseRecipe(text: string, fileName = 'starling.yml'): Recipe {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const syntaxError = document.errors[0];
  if (syntaxError) {
    const { line, col } = lines.linePos(syntaxError.pos[0]);
    throw new StarlingError('INVALID_INPUT', `${fileName}, line ${line}, column ${col}: ${syntaxError.message}`, {
      field: fileName,
      fix: 'Correct the YAML at that line and commit it.',
    });
  }
  const written = document.toJS({ maxAliasCount: 50 }) ?? {};
  const parsed = recipeFile.safeParse(written);
  if (!parsed.success) {
    const defects = parsed.error.issues.slice(0, 5).map((issue) => {
      const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
      const path = [...issue.path, ...(unknown ? [unknown] : [])] as (string | number)[];
      const message = unknown ? 'is not a field Starling knows' : issue.message;
      return {
        field: path.join('.') || fileName,
        text: `${fileName}, line ${lineOf(path)}: ${path.join('.') || 'the file'}: ${message}`,
      };
    });
    throw new StarlingError('INVALID_INPUT', defects.map(({ text }) => text).join('\n'), {
      field: defects[0]?.field ?? fileName,
      fix: `Correct ${fileName} and commit it; docs/reference/starling-yml.md lists every field.`,
    });
  }
  return { ...toRecipe(parsed.data), rollout: (written.rollout as WrittenRolloutSettings | undefined) ?? null };

  /** The line of the node at `path`, or of the nearest parent that is there. */
  function lineOf(path: (string | number)[]): number {
    for (let length = path.length; length > 0; length -= 1) {
      const keys = path.slice(0, length);
      const parent = keys.length === 1 ? document.contents : document.getIn(keys.slice(0, -1), true);
      const pair = (
        parent as { items?: { key?: { value?: unknown; range?: [number, number, number] } }[] } | undefined
      )?.items?.find((item) => item.key?.value === keys.at(-1));
      if (pair?.key?.range) return lines.linePos(pair.key.range[0]).line;
    }
    return 1;
  }
}

function toRecipe(file: z.infer<typeof recipeFile>): Omit<Recipe, 'rollout'> {
  const { health: check, run } = file;
  return {
    build: {
      command: file.build.command,
      artifact: file.build.artifact,
      timeoutMs: file.build.timeout,
      environment: file.build.environment,
    },
    run: {
      command: run?.command ?? null,
      environment: run?.environment ?? {},
      port: run?.port ?? null,
      stopGraceMs: run?.stopGrace ?? 10 * second,
      health: !check
        ? { type: 'none' }
        : check.http !== undefined
          ? { type: 'http', path: check.http, timeoutMs: check.timeout }
          : check.tcp
            ? { type: 'tcp', timeoutMs: check.timeout }
            : { type: 'command', command: check.command as string, timeoutMs: check.timeout },
      healthIntervalMs: check?.interval ?? second,
      minHealthyTimeMs: check?.minHealthyTime ?? 10 * second,
      healthyDeadlineMs: check?.healthyDeadline ?? 5 * minute,
      ...(file.hooks && Object.keys(file.hooks).length > 0 ? { hooks: file.hooks as Hooks } : {}),
      ...(run?.user === undefined ? {} : { user: run.user }),
      ...(run?.limits === undefined ? {} : { limits: limitsOf(run.limits) }),
    },
  };
}

function limitsOf({ memory, files, processes }: z.infer<typeof limits>): ProgramLimits {
  return {
    ...(memory === undefined ? {} : { memoryBytes: memory }),
    ...(files === undefined ? {} : { openFiles: files }),
    ...(processes === undefined ? {} : { processes }),
  };
}
