/** The cursor of the next page: of the last row of a full page, null when there is none. */
export function nextAfter<Row, Cursor>(
  rows: readonly Row[],
  limit: number,
  cursorOf: (row: Row) => Cursor,
): Cursor | null {
  const last = rows.at(-1);
  return rows.length === limit && last !== undefined ? cursorOf(last) : null;
}
