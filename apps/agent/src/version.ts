/** The agent's own version, as `hello` and the `version` subcommand tell it; the same as in package.json. */
export const agentVersion = '0.1.0';
