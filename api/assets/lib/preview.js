// The beginning of a file, as the API would read it. Pure; the API decides, this only shows.

export const PREVIEW_BYTES = 65_536;
const ROWS = 8;
const DELIMITERS = { comma: ",", semicolon: ";", tab: "\t", pipe: "|" };

export const FORMATS = {
  csv: "CSV",
  tsv: "TSV",
  ndjson: "NDJSON, a value per line",
  array: "JSON, an array of items",
  request: "JSON, options and items",
};

export const TYPES = {
  csv: "text/csv",
  tsv: "text/tab-separated-values",
  ndjson: "application/x-ndjson",
  array: "application/json",
  request: "application/json",
};

/** The format of a file by its name and by how it begins. */
export function formatOf(name, text) {
  const ending = name.toLowerCase().split(".").pop();
  if (["ndjson", "jsonl"].includes(ending)) return "ndjson";
  if (["tsv", "tab"].includes(ending)) return "tsv";
  const first = text.trimStart()[0];
  if (first === "[" && ending !== "csv") return "array";
  if (first === "{" && ending !== "csv") return isJson(text.trimStart().split(/\r?\n/)[0]) && !/"items"\s*:/.test(text) ? "ndjson" : "request";
  return "csv";
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The delimiter that the first record has most of, outside of quotes; of two, the first of these. */
export function sniff(text) {
  const line = text.replace(/"[^"]*"/g, "").split(/\r\n|\n|\r/).find(Boolean) || "";
  const found = Object.entries(DELIMITERS).map(([name, character]) => [name, line.split(character).length - 1]);
  const best = found.reduce((one, other) => (other[1] > one[1] ? other : one));
  return best[1] > 0 ? best[0] : "comma";
}

/** The first records of a table. `whole` is false where the text was cut: then the last record may be half of one. */
export function records(text, delimiter, whole = true) {
  const separator = DELIMITERS[delimiter] || delimiter;
  const rows = [];
  let row = [];
  let field = "";
  let quoted = false;
  const endField = () => {
    row.push(field);
    field = "";
  };
  const endRow = () => {
    endField();
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  };
  for (let at = text.charCodeAt(0) === 0xfeff ? 1 : 0; at < text.length && rows.length <= ROWS; at += 1) {
    const character = text[at];
    if (quoted) {
      if (character !== '"') field += character;
      else if (text[at + 1] === '"') {
        field += '"';
        at += 1;
      } else quoted = false;
    } else if (character === '"' && field === "") quoted = true;
    else if (character === separator) endField();
    else if (character === "\n" || character === "\r") endRow();
    else field += character;
  }
  if (whole && rows.length <= ROWS && (field || row.length)) endRow();
  return rows;
}

/** `{columns, rows, note}` of the beginning of a file. */
export function preview(text, format, delimiter, whole) {
  if (format === "csv" || format === "tsv") {
    const [columns = [], ...rows] = records(text, format === "tsv" ? "tab" : delimiter || sniff(text), whole);
    return { columns, rows: rows.slice(0, ROWS), note: null };
  }
  const { items, note } = format === "ndjson" ? lines(text, whole) : document(text, format, whole);
  const shown = items.slice(0, ROWS);
  const isTable = shown.every((item) => item && typeof item === "object" && !Array.isArray(item));
  const columns = isTable ? [...new Set(shown.flatMap(Object.keys))].slice(0, 12) : ["item"];
  const cell = (value) => (typeof value === "string" ? value : (JSON.stringify(value) ?? ""));
  return { columns, rows: shown.map((item) => (isTable ? columns.map((name) => cell(item[name])) : [cell(item)])), note };
}

function lines(text, whole) {
  const all = text.split(/\r?\n/).filter((line) => line.trim());
  if (!whole) all.pop();
  const items = [];
  for (const line of all.slice(0, ROWS)) {
    if (!isJson(line)) return { items, note: `Line ${items.length + 1} is not JSON` };
    items.push(JSON.parse(line));
  }
  return { items, note: null };
}

function document(text, format, whole) {
  if (!whole) return { items: [], note: "The beginning of a long JSON document is not shown; Check reads all of it" };
  if (!isJson(text)) return { items: [], note: "This is not JSON" };
  const value = JSON.parse(text);
  const items = format === "array" ? value : value.items;
  return Array.isArray(items) ? { items, note: null } : { items: [], note: "There is no array of items in it" };
}

/** What `map` says: columns with another name than their own. */
export function mapOf(columns, names) {
  const renamed = columns.map((column, place) => [names[place]?.trim(), column]).filter(([name, column]) => name && name !== column);
  return renamed.length ? JSON.stringify(Object.fromEntries(renamed)) : undefined;
}
