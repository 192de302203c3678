import { registerHooks } from 'node:module';

/**
 * From now on, `drizzle-orm` is loaded as CommonJS. Its ES modules export everything of each other in circles; linking them
 * takes V8 half a second and 200 MB, which it gives back late or never. Call it before anything that imports drizzle is.
 */
export function loadLighterModules(): void {
  registerHooks({
    resolve: (specifier, context, next) =>
      /^drizzle-orm(\/|$)/.test(specifier)
        ? next(specifier, { ...context, conditions: ['node', 'require'] })
        : next(specifier, context),
  });
}
