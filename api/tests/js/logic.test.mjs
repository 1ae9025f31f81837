// The logic of the dashboard that needs no browser: `node --test`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Activity, Series, totals } from "../../assets/lib/activity.js";
import { ApiError, problemOf, url } from "../../assets/lib/api.js";
import { ago, bytes, duration, eta, percent, rate, sentence } from "../../assets/lib/format.js";
import { untilFound } from "../../assets/lib/pages.js";
import { formatOf, mapOf, preview, records, sniff } from "../../assets/lib/preview.js";
import { CODES, heading, isCalm, wordsOf } from "../../assets/lib/reasons.js";
import { hashOf, parse } from "../../assets/lib/router.js";
import { actionsOf, attention } from "../../assets/lib/states.js";
import { submission } from "../../assets/lib/submission.js";

const NONE = { total: 0, pending: 0, queued: 0, processing: 0, retrying: 0, waiting: 0, succeeded: 0, failed: 0, cancelled: 0 };
const batch = (state, counts = {}, more = {}) => ({ id: state, state, start: "auto", rate_per_s: 0, counts: { ...NONE, ...counts }, ...more });

test("shares never say that all is done before it is", () => {
  assert.equal(percent(0, 0), "0 %");
  assert.equal(percent(999_999, 1_000_000), "> 99.9 %");
  assert.equal(percent(1, 1_000_000), "< 0.1 %");
  assert.equal(percent(398, 1_000), "40 %");
  assert.equal(percent(5, 5), "100 %");
});

test("numbers and times are written for people", () => {
  assert.deepEqual([0, 0.5, 3.25, 1_520.4].map(rate), ["0/s", "30/min", "3.3/s", "1,520/s"]);
  assert.deepEqual([0.2, 61.4, 1_500, 90_000, 4_000_000].map(duration), ["< 1 ms", "61 ms", "1.5 s", "1 min 30 s", "1 h 7 min"]);
  assert.deepEqual([512, 1_536, 123_456_789].map(bytes), ["512 B", "1.5 kB", "123 MB"]);
  const now = Date.parse("2026-11-22T10:00:00Z");
  assert.equal(ago("2026-11-22T09:59:30Z", now), "30 s ago");
  assert.equal(ago("2026-11-22T12:00:00Z", now), "in 2 h");
});

test("an estimate is as exact as it is known", () => {
  assert.equal(eta(null), null);
  assert.equal(eta({ low_s: 35.1, high_s: 43.9 }), "35–44 s");
  assert.equal(eta({ low_s: 19, high_s: 174 }), "1–3 min");
  assert.equal(eta({ low_s: 0.2, high_s: 0.4 }), "about 1 s");
});

test("sentences of the API are shown without requests in them", () => {
  assert.equal(sentence("it starts when somebody says so: POST …/run"), "it starts when somebody says so");
  assert.match(sentence("it starts at 2026-11-23T06:00:00Z; POST …/run starts it now"), /^it starts at \w+ \d+, 2026, [\d:]+\s[AP]M$/);
});

// The test of the API that runs this one says which codes there are.
const TOLD = process.env.FLOTILLA_TEST_REASONS?.split(" ");

test("every reason of the API has words here, and no other", { skip: !TOLD }, () => {
  assert.deepEqual([...CODES].sort(), [...TOLD].sort());
});

test("a reason says what can be done about it, right there", () => {
  const one = batch("processing", {}, { id: "a" });
  const headlines = CODES.map((code) => wordsOf(code).headline);
  assert.equal(new Set(headlines).size, CODES.length, "two reasons with the same headline can't be told apart");
  for (const code of CODES) {
    const { icon, act, limit, to } = wordsOf(code);
    assert.ok(icon && [act, limit, to].filter(Boolean).length <= 1, code);
    if (act) assert.ok(["seal", "resume", "run"].includes(act), code);
    if (to) assert.match(hashOf(to.path(one), to.query), /^#\/(workers|job-types|batches\?state=processing|batches\/a\/items(\?state=(waiting|retrying|queued))?)$/);
  }
  assert.deepEqual(CODES.filter(isCalm), ["ready", "queued", "running"]);
});

test("a reason that this page does not know is told in the words of the API", () => {
  assert.deepEqual(wordsOf("solar_flare"), { headline: "solar flare", icon: "warn" });
  assert.equal(isCalm("solar_flare"), false);
  assert.deepEqual([heading(batch("processing")), heading(batch("paused"))], ["What its items wait for", "Why it does not move"]);
});

test("the space and the place are in the hash", () => {
  const { path, query } = parse("#/batches/a%2Fb?space=acme&state=failed");
  assert.deepEqual([path, query.get("space")], [["batches", "a/b"], "acme"]);
  assert.equal(hashOf(["batches", "a/b"], { space: "acme", state: "", q: "x y" }), "#/batches/a%2Fb?space=acme&q=x+y");
  assert.equal(hashOf([], { space: "default" }), "#/");
});

test("problems are shown as the API says them, and others too", () => {
  assert.equal(problemOf(409, '{"title": "No", "detail": "it is open"}').detail, "it is open");
  assert.equal(problemOf(502, "<html>").title, "The server answered 502");
  assert.equal(new ApiError({ type: "/problems/conflict", title: "No", status: 409 }).type, "conflict");
  assert.equal(url("/v1/batches", { state: "", cursor: null, limit: 5 }), "/v1/batches?limit=5");
});

test("what can be done follows from the state", () => {
  assert.deepEqual(actionsOf(batch("processing", { failed: 1 })), ["pause", "retry", "cancel"]);
  assert.deepEqual(actionsOf(batch("completed", { failed: 1 }, { expired: ["inputs"] })), []);
  assert.deepEqual(actionsOf(batch("pending", {}, { start: "manual" })), ["run", "pause", "cancel"]);
  assert.deepEqual(actionsOf(batch("open", {}, { job_type: "echo" })), ["seal", "cancel"]);
  assert.deepEqual(actionsOf(batch("open", {}, { job_type: "" })), ["cancel"]);
  assert.equal(attention(batch("paused", {}, { paused: { reason: "canary" } })), "needs a decision");
  assert.equal(attention(batch("processing", { succeeded: 90, failed: 10, processing: 1 })), "failing");
  assert.equal(attention(batch("processing", { succeeded: 90, processing: 1 })), null);
});

test("what was seen is summed up, and forgotten after its end", () => {
  const activity = new Activity();
  activity.replace([batch("processing", { pending: 5, processing: 2 }, { id: "a", rate_per_s: 3 })]);
  assert.deepEqual(totals(activity.list()), { throughput: 3, running: 2, backlog: 5, failures: 0 });
  assert.equal(totals([batch("paused", {}, { rate_per_s: 7 })]).throughput, 0);
  assert.equal(activity.hear({ ...batch("completed"), id: "a" }), true);
  assert.deepEqual(activity.list(), []);
  const series = new Series();
  for (let second = 0; second < 700; second += 1) series.add(second, { n: second });
  assert.deepEqual([series.of("n")[0].length, series.of("n")[1][0]], [600, 100]);
});

test("the first rows of a table are read as RFC 4180 says", () => {
  assert.deepEqual(records('a,b\r\n"x, ""y""\n2",3\r\n\r\n4,"half', "comma", false), [["a", "b"], ['x, "y"\n2', "3"]]);
  assert.deepEqual(records("\ufeffa;b\r1;2", "semicolon"), [["a", "b"], ["1", "2"]]);
  assert.equal(sniff('"a,b,c";d;e\n'), "semicolon");
  assert.equal(sniff("name\nx\n"), "comma");
  assert.deepEqual(preview("a\tb\n1\t2\n", "tsv", "", true), { columns: ["a", "b"], rows: [["1", "2"]], note: null });
});

test("formats are told by name and beginning", () => {
  const told = [["x.csv", "[1,2"], ["x.jsonl", ""], ["x.json", " [1]"], ["x.json", '{"n": 1}\n{"n": 2}'], ["x.json", '{"items": [']].map(([name, text]) => formatOf(name, text));
  assert.deepEqual(told, ["csv", "ndjson", "array", "ndjson", "request"]);
  assert.deepEqual(preview('{"n": 1}\n{"n": {"m": 2}}\n{"n', "ndjson", "", false), { columns: ["n"], rows: [["1"], ['{"m":2}']], note: null });
  assert.equal(preview("[1, 2", "array", "", false).rows.length, 0);
});

test("a form becomes a request that streams its file", async () => {
  const file = new Blob(['[{"n": 1}]']);
  const options = { job_type: "echo", name: "", concurrency: 4 };
  const array = submission({ space: "s", file, format: "array", options, columns: [], names: [], dryRun: true });
  assert.deepEqual(JSON.parse(await array.body.text()), { job_type: "echo", concurrency: 4, items: [{ n: 1 }] });
  assert.deepEqual(array.query, { space: "s", on_invalid: undefined, dry_run: "true" });
  const table = submission({ space: "s", file, format: "csv", delimiter: "pipe", options, columns: ["A", "B"], names: ["a", "B"], onInvalid: "skip" });
  assert.equal(table.body, file);
  assert.equal(url("", table.query), "?space=s&on_invalid=skip&job_type=echo&concurrency=4&delimiter=pipe&map=%7B%22a%22%3A%22A%22%7D");
  assert.equal(mapOf(["A"], []), undefined);
});

test("a look through a long list goes on until it finds something", async () => {
  const pages = { null: { items: [], next_cursor: "a" }, a: { items: [], next_cursor: "b" }, b: { items: [7], next_cursor: "c" }, z: { items: [], next_cursor: null } };
  const asked = [];
  const read = async (cursor) => (asked.push(cursor), pages[cursor]);
  assert.deepEqual(await untilFound(read, null, "items"), pages.b);
  assert.deepEqual(asked, [null, "a", "b"]);
  assert.deepEqual(await untilFound(read, "z", "items"), pages.z);
  let endless = 0;
  await untilFound(async () => ({ items: [], next_cursor: String((endless += 1)) }), null, "items");
  assert.equal(endless, 50);
});
