// The HTTP API, and nothing else: every view reads and changes things through here.

/** An answer that is no success: a problem document (RFC 9457), or no answer at all. */
export class ApiError extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    this.name = "ApiError";
    this.problem = problem;
    this.status = problem.status;
    this.type = (problem.type || "").replace("/problems/", "");
  }
}

const UNREACHABLE = { status: 0, title: "No answer", detail: "The server can't be reached. This page goes on trying." };

/** `path` with those members of `query` that have a value. */
export function url(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given).toString();
  return text ? `${path}?${text}` : path;
}

/** The problem in the text of an answer. */
export function problemOf(status, text) {
  try {
    const problem = JSON.parse(text);
    if (problem.title) return { status, ...problem };
  } catch {
    // Something between here and the API answered, in words of its own.
  }
  return { status, title: `The server answered ${status}`, detail: text.slice(0, 300) };
}

export async function request(method, path, { query, body, signal } = {}) {
  const headers = { accept: "application/json", "x-flotilla-actor": "dashboard" };
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(url(path, query), { method, headers, signal, body: body && JSON.stringify(body), cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(UNREACHABLE);
  }
  const text = await answer.text();
  if (!answer.ok) throw new ApiError(problemOf(answer.status, text));
  return text ? JSON.parse(text) : null;
}

/** The API as one space sees it. */
export function apiOf(space) {
  const get = (path, query, signal) => request("GET", `/v1${path}`, { query: { space, ...query }, signal });
  const post = (path, body) => request("POST", `/v1${path}`, { query: { space }, body });
  const batch = (id) => `/batches/${encodeURIComponent(id)}`;
  return {
    space,
    batches: (query, signal) => get("/batches", query, signal),
    batch: (id, signal) => get(batch(id), {}, signal),
    part: (id, part, query, signal) => get(`${batch(id)}/${part}`, query, signal),
    act: (id, action, body) => post(`${batch(id)}/${action}`, body),
    change: (id, body) => request("PATCH", `/v1${batch(id)}`, { query: { space }, body }),
    remove: (id, force) => request("DELETE", `/v1${batch(id)}`, { query: { space, force: force || undefined } }),
    deadLetters: (query, signal) => get("/dead-letters", query, signal),
    deadGroups: (query, signal) => get("/dead-letters/groups", query, signal),
    deadLetter: (id, index, signal) => get(`/dead-letters/${encodeURIComponent(id)}/${index}`, {}, signal),
    decide: (action, body) => post(`/dead-letters/${action}`, body),
    workers: (signal) => get("/workers", {}, signal),
    tell: (worker, order) => post(`/workers/${encodeURIComponent(worker)}/${order}`),
    jobTypes: (signal) => request("GET", "/v1/job-types", { signal }),
    href: (path, query) => url(`/v1${path}`, { space, ...query }),
  };
}
