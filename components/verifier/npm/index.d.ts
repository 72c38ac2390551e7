import type { ChainReport, Options, Progress, Report, WrappingKey, WrongOption } from "./component/interfaces/secure-log-verify-verifier.js";
import { Chain, Verification } from "./component/interfaces/secure-log-verify-verifier.js";

export type * from "./component/interfaces/secure-log-verify-verifier.js";
export { Chain, Verification };

/** An option makes no sense. `wrong` says which: policy, trust (its keys together), mac-key, wrapping-key or time. */
export declare class OptionsError extends Error {
  readonly wrong: WrongOption;
  /** Of the policy, from 1; 0 for the text as a whole, and for the other options. */
  readonly line: number;
  readonly column: number;
}

/** What a verification trusts. Without a policy nobody is trusted, and no log is more than incomplete. */
export interface VerifyOptions {
  policy?: string;
  origin?: string;
  macKeys?: Uint8Array[];
  /** With these every sealed payload is opened. */
  wrappingKeys?: WrappingKey[];
  /** Seconds since 1970; written into the report. */
  time?: number | bigint;
}

/** Begins the verification of one log. */
export declare function begin(options?: VerifyOptions): Verification;

/** Verifies a log from its bytes: all of them, or an (async) iterable of pieces, such as a file's stream. */
export declare function verify(
  log: Bytes,
  options?: VerifyOptions & { progress?: (now: Progress) => void },
): Promise<Report>;

export type Bytes = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Begins the verification of archives, oldest first. The options are those for the first of them. */
export declare function beginChain(options?: VerifyOptions): Chain;

/** Verifies archives, oldest first: pairs of a name for the report and the bytes. A RangeError for more than a chain may have. */
export declare function verifyChain(
  files: Iterable<[string, Bytes]> | AsyncIterable<[string, Bytes]>,
  options?: VerifyOptions,
): Promise<ChainReport>;
