// Where the page is: `#/path?query`. The space is in it, so that a link shows what its sender saw.

/** Pure: what a hash says. */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) };
}

/** Pure: a hash. Members without a value are left out, and so is the default space. */
export function hashOf(path, query = {}) {
  const given = Object.entries(query).filter(
    ([name, value]) => value !== null && value !== undefined && value !== "" && !(name === "space" && value === "default"),
  );
  const text = new URLSearchParams(given).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

export const here = () => parse(location.hash);
export const spaceOf = (route) => route.query.get("space") || "default";

/** A link to `path` in the same space. */
export const link = (path, query = {}) => hashOf(path, { space: spaceOf(here()), ...query });

export function go(path, query) {
  location.hash = link(path, query);
}

/** Changes parts of the query without a new entry in the history. */
export function refine(changes) {
  const { path, query } = here();
  history.replaceState(null, "", hashOf(path, { ...Object.fromEntries(query), ...changes }));
  dispatchEvent(new HashChangeEvent("hashchange"));
}
