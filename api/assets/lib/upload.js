// Sends a file as the body of a request: it streams, and its progress is told.
import { ApiError, problemOf, url } from "./api.js";

/** Answers what the API answers; `onProgress` gets the share that was sent, 0 to 1. */
export function upload(path, { query, type, body, key, signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const failed = (problem) => reject(new ApiError(problem));
    request.open("POST", url(path, query));
    request.setRequestHeader("content-type", type);
    request.setRequestHeader("x-flotilla-actor", "dashboard");
    if (key) request.setRequestHeader("idempotency-key", key);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress?.(event.loaded / event.total);
    request.onload = () => {
      if (request.status >= 300) return failed(problemOf(request.status, request.responseText));
      resolve(JSON.parse(request.responseText));
    };
    request.onerror = () =>
      failed({ status: 0, title: "The upload broke off", detail: "Start again: what arrived the first time is not stored twice." });
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}
