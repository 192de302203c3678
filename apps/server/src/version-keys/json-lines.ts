/**
 * The lines of a stream, without their ends; a last line that was cut off is not given out, as half of a JSON text
 * means nothing. Throws when a line is longer than `maxLineBytes`: whoever sends it must not fill our memory.
 */
export async function* linesOf(stream: AsyncIterable<Uint8Array>, maxLineBytes: number): AsyncGenerator<string> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      const line = Buffer.concat([...pieces, chunk.subarray(start, end)]);
      if (line.length > maxLineBytes) throw tooLong(maxLineBytes);
      pieces = [];
      size = 0;
      start = end + 1;
      if (line.length > 0) yield line.toString('utf8');
    }
    size += chunk.length - start;
    if (size > maxLineBytes) throw tooLong(maxLineBytes);
    if (start < chunk.length) pieces.push(chunk.subarray(start));
  }
}

/** All of a stream as text. Throws when it is longer than `maxBytes`. */
export async function boundedText(stream: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
    pieces.push(chunk);
  }
  return Buffer.concat(pieces).toString('utf8');
}

const tooLong = (maxLineBytes: number) => new Error(`a line of the answer is longer than ${maxLineBytes} bytes`);
