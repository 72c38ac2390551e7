// Runs the npm package of the verifier for crates/secure-log/tests/verify_hosts.rs, which says how they speak.
//
//     host.mjs FOLDER-OF-THE-PACKAGE OPTIONS

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const { verify, verifyChain } = await import(pathToFileURL(resolve(process.argv[2], "index.js")));
const { policy, origin, mac_keys, wrapping_keys, time, chain } = JSON.parse(process.argv[3]);
const wrappingKeys = Object.entries(wrapping_keys).map(([label, key]) => ({ label, key: Buffer.from(key, "hex") }));
const options = { policy, origin, macKeys: mac_keys.map((key) => Buffer.from(key, "hex")), wrappingKeys, time };

console.log(JSON.stringify("ready"));
let held = Buffer.alloc(0);
for await (const chunk of process.stdin) {
  held = Buffer.concat([held, chunk]);
  while (held.length >= 4 && held.length >= 4 + held.readUInt32BE(0)) {
    const end = 4 + held.readUInt32BE(0);
    const bytes = held.subarray(4, end);
    console.log(JSON.stringify(chain ? await judgeChain(bytes) : judged(await verify(bytes, options))));
    held = held.subarray(end);
  }
}

function judged(report) {
  return [report.json, report.text, head(report.continues)];
}

async function judgeChain(bytes) {
  const { verdict, faults, missing, files, json, text } = await verifyChain(filesIn(bytes), options);
  return [
    json, text, verdict, faults.map(({ code, file }) => [code, file]),
    missing.map((gone) => [head(gone.head), gone.before, gone.signed]),
    files.map(({ name, report }) => [name, ...judged(report)]),
  ];
}

function* filesIn(bytes) {
  for (let number = 1; bytes.length > 0; number++) {
    const end = 4 + bytes.readUInt32BE(0);
    yield [`file ${number}`, bytes.subarray(4, end)];
    bytes = bytes.subarray(end);
  }
}

function head(head) {
  return head === undefined ? null : [head.origin, Number(head.size), Buffer.from(head.root).toString("hex")];
}
