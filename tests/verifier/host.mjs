// Runs the npm package of the verifier for crates/secure-log/tests/verify_hosts.rs, which says how they speak.
//
//     host.mjs FOLDER-OF-THE-PACKAGE OPTIONS

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const { verify } = await import(pathToFileURL(resolve(process.argv[2], "index.js")));
const { policy, origin, mac_keys, wrapping_keys, time } = JSON.parse(process.argv[3]);
const wrappingKeys = Object.entries(wrapping_keys).map(([label, key]) => ({ label, key: Buffer.from(key, "hex") }));
const options = { policy, origin, macKeys: mac_keys.map((key) => Buffer.from(key, "hex")), wrappingKeys, time };

console.log(JSON.stringify("ready"));
let held = Buffer.alloc(0);
for await (const chunk of process.stdin) {
  held = Buffer.concat([held, chunk]);
  while (held.length >= 4 && held.length >= 4 + held.readUInt32BE(0)) {
    const end = 4 + held.readUInt32BE(0);
    const report = await verify(held.subarray(4, end), options);
    console.log(JSON.stringify([report.json, report.text]));
    held = held.subarray(end);
  }
}
