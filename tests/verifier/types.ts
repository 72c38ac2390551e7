// Compiled, not run: what a program in TypeScript is told of the npm package is what is there.

import { OptionsError, begin, beginChain, verify, verifyChain, type ChainReport, type Report } from "../../dist/npm/index.js";

export async function example(log: Uint8Array): Promise<string> {
  const report: Report = await verify(log, { policy: "quorum none", time: 0, progress: ({ bytes }) => void bytes });
  const verification = begin({ macKeys: [new Uint8Array(32)], wrappingKeys: [{ label: "kek", key: new Uint8Array(32) }] });
  const more: boolean = verification.push(log);
  return report.verdict.tag === "invalid" ? `${report.verdict.val.code} ${more}` : report.json;
}

export async function chain(first: Uint8Array, second: Uint8Array): Promise<bigint | undefined> {
  const found: ChainReport = await verifyChain([["first", first], ["second", [second]]], { policy: "quorum none" });
  const begun = beginChain();
  begun.nextFile("first");
  return begun.push(first) ? found.missing[0]?.head.size : found.files[1].report.continues?.size;
}

export function where(error: unknown): number {
  return error instanceof OptionsError ? error.line : 0;
}
