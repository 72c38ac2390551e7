// Compiled, not run: what a program in TypeScript is told of the npm package is what is there.

import { OptionsError, begin, verify, type Report } from "../../dist/npm/index.js";

export async function example(log: Uint8Array): Promise<string> {
  const report: Report = await verify(log, { policy: "quorum none", time: 0, progress: ({ bytes }) => void bytes });
  const verification = begin({ macKeys: [new Uint8Array(32)], wrappingKeys: [{ label: "kek", key: new Uint8Array(32) }] });
  const more: boolean = verification.push(log);
  return report.verdict.tag === "invalid" ? `${report.verdict.val.code} ${more}` : report.json;
}

export function where(error: unknown): number {
  return error instanceof OptionsError ? error.line : 0;
}
