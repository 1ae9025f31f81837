// A file and a form, as a request that creates a batch. Pure.
import { mapOf, TYPES } from "./preview.js";

const given = (options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== null && value !== ""));

/** `{query, type, body}`. With JSON, options belong into the body: in front of the items, which are not read here. */
export function submission({ space, file, format, options, delimiter, columns, names, onInvalid, dryRun }) {
  const query = { space, on_invalid: onInvalid === "skip" ? "skip" : undefined, dry_run: dryRun ? "true" : undefined };
  const type = TYPES[format];
  if (format === "request") return { query, type, body: file };
  if (format === "array") {
    const head = JSON.stringify(given(options)).replace(/\}$/, ',"items":');
    return { query, type, body: new Blob([head, file, "}"], { type }) };
  }
  const table = format === "csv" || format === "tsv";
  return {
    query: {
      ...query,
      ...given(options),
      delimiter: format === "csv" && delimiter ? delimiter : undefined,
      map: table ? mapOf(columns, names) : undefined,
    },
    type,
    body: file,
  };
}
