// Where the console shows what a command is about; its renderer has these routes.

export function consoleAddress(server: string, path: readonly (string | number)[] = []): string {
  return `${server}/${path.map((part) => encodeURIComponent(String(part)).replaceAll('%40', '@')).join('/')}`;
}
