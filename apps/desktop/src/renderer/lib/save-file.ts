/** Offers text as a file, in a browser and in the window alike. */
export function saveFile(name: string, type: string, parts: readonly string[]): void {
  const url = URL.createObjectURL(new Blob([...parts], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The download has its own hold on the data by the time this runs.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** One line of CSV as RFC 4180 has it. A cell that a spreadsheet would take for a formula is kept from being one. */
export function csvLine(cells: readonly (string | number | null | undefined)[]): string {
  const quoted = cells.map((cell) => {
    const text = cell === null || cell === undefined ? '' : String(cell);
    const safe = typeof cell === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  });
  return `${quoted.join(',')}\r\n`;
}
