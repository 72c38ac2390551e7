// Drives dist/secure-log-file.wasm and dist/secure-log-sqlite.wasm from Node: a second host beside wasmtime, with another
// implementation of WASI.
//
// jco transpiles the stack; a fresh instance then opens a log in a temporary folder, appends, reads, closes, signs and
// verifies, and a second one continues it. A third is shown a copy of the file with one letter changed. The SQLite stack does
// the same in memory and in a database.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { transpile } from "@bytecodealliance/jco";
import { WASIShim } from "@bytecodealliance/preview2-shim/instantiation";

const FILE_STACK = "secure-log-file.wasm";
const SQLITE_STACK = "secure-log-sqlite.wasm";
const IDENTITY = "checkpoint-ed25519";
// The key protects nothing: the log is deleted below.
const SEED = "07".repeat(32);

const work = await mkdtemp(join(tmpdir(), "secure-log-jco-"));
try {
  await mkdir(join(work, "logs"));
  const file = await prepare(FILE_STACK);
  await write(await file(), "/logs/audit.jsonl");
  await goOn(await file(), "/logs/audit.jsonl");
  await prove(await file(), await file(), "/logs/audit.jsonl");
  await seal(await file(), "/logs/sealed.jsonl");
  await tamper(join(work, "logs", "audit.jsonl"), join(work, "logs", "tampered.jsonl"));
  await findOut(await file());
  const sqlite = await prepare(SQLITE_STACK);
  await write(await sqlite(), ":memory:");
  await write(await sqlite(), "/logs/audit.db");
  await goOn(await sqlite(), "/logs/audit.db");
} finally {
  await rm(work, { recursive: true });
}

async function write({ log, checkpoint, writer }, config) {
  assert.equal(errorOf(() => log.append("door", "opened", "info", "sensor", bytes("early"))).tag, "not-open");
  log.open(config);
  const first = log.append("door", "opened", "info", "sensor", bytes("by Ann"));
  assert.equal(first.seqno, 1n);
  assert.equal(first.entryHash.length, 32);
  log.append("door", "closed", "warning", "sensor", bytes("by Bob"));
  say(`opened and appended to ${config}`);

  const entry = log.read(1n);
  assert.equal(entry.streamId, "door");
  assert.deepEqual(entry.payload, bytes("by Ann"));
  assert.equal(errorOf(() => log.read(99n)).tag, "entry-not-found");
  say("read");

  const segment = log.closeSegment("door");
  assert.deepEqual([segment.seqStart, segment.seqEnd], [1n, 2n]);
  const [signature, key] = checkpoint.signSegment(IDENTITY, segment.segmentId);
  assert.deepEqual([signature.length, key.length], [64, 32]);
  assert.deepEqual(checkpoint.verifySegmentSignature(segment.segmentId), key);
  say("closed and signed");

  assert.equal(checkpoint.verifyCheckpointChain("door"), 1);
  log.verifyChain("door", 1n, 3n);
  const proof = log.buildInclusionProof(2n);
  log.verifyInclusionProof(proof, segment.merkleRoot);
  writer.signHead();
  verifiesWith(writer, 3n);
  say("verified");
}

// A proof leaves one instance and is checked in another, which has no log.
async function prove({ log, tree, writer }, stranger, config) {
  log.open(config);
  const [key, size] = [writer.status().headKey, writer.status().size];
  const proof = tree.proveEntry(2n, undefined);
  const verified = stranger.tree.verifyEntry(proof, [key]);
  assert.deepEqual([verified.entry.seqno, verified.head.size], [2n, size]);
  assert.deepEqual(verified.entry.payload, bytes("by Bob"));
  assert.equal(errorOf(() => stranger.tree.verifyEntry(proof, [])).tag, "unknown-key");
  const head = tree.head();
  assert.equal(stranger.tree.compareHeads(head, head, undefined, [key]).tag, "consistent");
  const { hashes, oldRoot, newRoot } = tree.proveConsistency(3n, undefined);
  stranger.tree.verifyConsistency(hashes, 3n, oldRoot, size, newRoot);
  assert.equal(errorOf(() => stranger.tree.verifyConsistency([], 3n, oldRoot, size, newRoot)).tag, "too-short");
  say("proved an entry and a head to a stranger");
}

// What is sealed opens, shows nothing where it is stored, and is gone when it was erased.
async function seal({ log, sealing, writer }, config) {
  log.open(config);
  log.createStream("ward", "protected", undefined);
  const appended = sealing.appendSealed("ward", "admitted", "info", "desk", bytes("the patient is Ann"), "text");
  const opened = sealing.openPayload(appended.seqno);
  assert.deepEqual([opened.eventType, opened.producer, opened.payloadEncoding], ["admitted", "desk", "text"]);
  assert.deepEqual(opened.payload, bytes("the patient is Ann"));
  const [first, second] = sealing.openPage("ward", 1n, 9n, 9);
  assert.equal(first.content.tag, "err");
  assert.equal(first.content.val.tag, "not-sealed");
  assert.deepEqual(second.content, { tag: "ok", val: opened });
  assert.equal(errorOf(() => log.append("ward", "admitted", "info", "desk", bytes("in clear"))).tag, "stream-protected");
  assert.equal(Buffer.from(log.read(appended.seqno).payload).includes("Ann"), false);
  assert.equal((await readFile(join(work, config), "utf8")).includes("Ann"), false);
  assert.deepEqual(sealing.reseal(undefined, "another-kek"), { keys: 1n, more: false });
  assert.equal(sealing.erase("ward", { tag: "stream" }).keys.length, 1);
  assert.equal(errorOf(() => sealing.openPayload(appended.seqno)).tag, "payload-erased");
  writer.signHead();
  assert.equal(sealing.verifyLogOpening().erasedPayloads, 1n);
  say("sealed, opened, wrapped anew and erased");
}

async function goOn({ log, writer }, config) {
  log.open(config);
  assert.equal(log.head("door"), 3n);
  assert.equal(log.append("door", "opened", "info", "sensor", bytes("by Cem")).seqno, 4n);
  writer.signHead();
  verifiesWith(writer, 4n);
  say("opened again and continued");
}

async function tamper(from, to) {
  const text = await readFile(from, "utf8");
  const changed = text.replace("by Bob", "by Rob");
  assert.notEqual(changed, text);
  await writeFile(to, changed);
}

async function findOut({ log }) {
  const error = errorOf(() => {
    log.open("/logs/tampered.jsonl");
    log.verifyChain("door", 1n, 4n);
  });
  assert.equal(error.tag, "chain-broken");
  assert.equal(error.val.seqno, 2n);
  say("found the letter that was changed, at entry 2");
}

function verifiesWith(writer, size) {
  const report = writer.verifyLog();
  assert.equal(report.size, size);
  assert.equal(report.completeTo, size);
  return report;
}

// Transpiles a stack, and answers a function that makes a fresh instance of it.
async function prepare(stack) {
  const component = await readFile(fileURLToPath(new URL(`../../dist/${stack}`, import.meta.url)));
  const folder = join(work, stack);
  const { files } = await transpile(component, { name: "stack", instantiation: "async" });
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  // The generated module is an ES module by its place below this file.
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  const { instantiate } = await import(pathToFileURL(join(folder, "stack.js")));
  const coreModule = async (name) => WebAssembly.compile(await readFile(join(folder, name)));
  return () => {
    const wasi = new WASIShim({
      sandbox: {
        preopens: { "/logs": join(work, "logs") },
        env: { SECURE_LOG_KEYSTORE_SEED: SEED, SECURE_LOG_KEK_LABEL: "kek" },
        enableNetwork: false,
      },
    });
    return instantiate(coreModule, wasi.getImportObject());
  };
}

// The variant of log-error that a call ends with.
function errorOf(call) {
  try {
    call();
  } catch (error) {
    if (error.payload === undefined) throw error;
    return error.payload;
  }
  assert.fail("the call was expected to fail");
}

function bytes(text) {
  return new TextEncoder().encode(text);
}

function say(what) {
  console.log(`node ${process.version}, jco: ${what}`);
}
