// Verifies audit logs of secure-log: the component secure-log-verifier.wasm, as jco has translated it. The component imports
// nothing: it sees the bytes and the options that it is given, and nothing else of this process.

import { verifier } from "./component/secure-log-verifier.js";

export const { Verification } = verifier;

/** An option makes no sense. `wrong` says which: policy, trust (its keys together), mac-key, wrapping-key or time. */
export class OptionsError extends Error {
  constructor({ wrong, line, column, message }) {
    super(message);
    this.name = "OptionsError";
    Object.assign(this, { wrong, line, column });
  }
}

/** Begins the verification of one log. */
export function begin({ policy, origin, macKeys = [], wrappingKeys = [], time } = {}) {
  const seconds = time === undefined ? undefined : BigInt(time);
  try {
    return Verification.begin({ policy, origin, macKeys, wrappingKeys, time: seconds });
  } catch (error) {
    throw error.payload === undefined ? error : new OptionsError(error.payload);
  }
}

/** Verifies a log from its bytes: all of them, or an (async) iterable of pieces, such as a file's stream. */
export async function verify(log, { progress, ...options } = {}) {
  const verification = begin(options);
  try {
    for await (const chunk of log instanceof Uint8Array ? [log] : log) {
      if (!verification.push(chunk)) break;
      progress?.(verification.progress());
    }
    return verification.finish();
  } finally {
    verification[Symbol.dispose]?.();
  }
}
