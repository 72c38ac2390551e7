// Verifies audit logs of secure-log: the component secure-log-verifier.wasm, as jco has translated it. The component imports
// nothing: it sees the bytes and the options that it is given, and nothing else of this process.

import { verifier } from "./component/secure-log-verifier.js";

export const { Chain, Verification } = verifier;

/** An option makes no sense. `wrong` says which: policy, trust (its keys together), mac-key, wrapping-key or time. */
export class OptionsError extends Error {
  constructor({ wrong, line, column, message }) {
    super(message);
    this.name = "OptionsError";
    Object.assign(this, { wrong, line, column });
  }
}

/** Begins the verification of one log. */
export function begin(options) {
  return begun(Verification, options);
}

/** Begins the verification of archives, oldest first. The options are those for the first of them. */
export function beginChain(options) {
  return begun(Chain, options);
}

function begun(resource, { policy, origin, macKeys = [], wrappingKeys = [], time } = {}) {
  const seconds = time === undefined ? undefined : BigInt(time);
  try {
    return resource.begin({ policy, origin, macKeys, wrappingKeys, time: seconds });
  } catch (error) {
    throw error.payload === undefined ? error : new OptionsError(error.payload);
  }
}

/** Verifies a log from its bytes: all of them, or an (async) iterable of pieces, such as a file's stream. */
export async function verify(log, { progress, ...options } = {}) {
  const verification = begin(options);
  try {
    await pushAll(verification, log, progress);
    return verification.finish();
  } finally {
    verification[Symbol.dispose]?.();
  }
}

/** Verifies archives, oldest first: pairs of a name for the report and the bytes, as `verify` takes them. */
export async function verifyChain(files, options) {
  const chain = beginChain(options);
  try {
    for await (const [name, file] of files) {
      nextFile(chain, name);
      await pushAll(chain, file);
    }
    return chain.finish();
  } finally {
    chain[Symbol.dispose]?.();
  }
}

function nextFile(chain, name) {
  try {
    chain.nextFile(name);
  } catch (error) {
    throw error.payload === undefined ? error : new RangeError(`a chain has at most ${error.payload} files`);
  }
}

async function pushAll(reading, file, progress) {
  for await (const chunk of file instanceof Uint8Array ? [file] : file) {
    if (!reading.push(chunk)) break;
    progress?.(reading.progress());
  }
}
