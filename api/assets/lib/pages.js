// Pages of lists that the API looks through a stretch at a time.

/** Requests that one look takes at most: a person gets an answer, and may look further. */
const STRETCHES = 50;

/** Reads on from `cursor` until there is something to show, or nothing is left. `entries` is the name of the list. */
export async function untilFound(read, cursor, entries) {
  let page = await read(cursor);
  for (let stretches = 1; page[entries].length === 0 && page.next_cursor && stretches < STRETCHES; stretches += 1) {
    page = await read(page.next_cursor);
  }
  return page;
}
