// The verifier that imports nothing in Node, as a part of the benchmark: node.mjs FOLDER-OF-THE-PACKAGE. It speaks as
// `secure_log_bench_shared::serve` does, and verifies the log that SECURE_LOG_BENCH_LOG names.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { verify } = await import(pathToFileURL(resolve(process.argv[2], "index.js")));
const log = process.env.SECURE_LOG_BENCH_LOG;

for await (const request of createInterface({ input: process.stdin })) {
  if (request.startsWith("verifier ")) {
    const policy = readFileSync(log.replace(/\.[^.]*$/, ".policy"), "utf8");
    const bytes = readFileSync(log);
    const pieces = function* () {
      for (let at = 0; at < bytes.length; at += 1 << 18) yield bytes.subarray(at, at + (1 << 18));
    };
    const began = process.hrtime.bigint();
    const report = await verify(pieces(), { policy });
    const seconds = Number(process.hrtime.bigint() - began) / 1e9;
    if (report.verdict.tag !== "valid") throw new Error(report.json);
    console.log(["verify-jsonl", "node", report.entries, seconds].join("\t"));
  }
  console.log();
}
