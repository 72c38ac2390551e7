//! What a service lets one caller do, and all of them together.

use crate::rate::Rate;

/// Bytes of the path and the query of a request.
pub const MAX_TARGET_BYTES: usize = 16 << 10;
/// Bytes of all headers, for whoever reads them.
pub const MAX_HEADER_BYTES: usize = 32 << 10;
/// Bytes of a body that says which log is made, or which key signs.
pub const MAX_SMALL_BODY_BYTES: usize = 4 << 10;
/// Bytes of an idempotency key.
pub const MAX_KEY_BYTES: usize = 255;
/// Topics of one tail.
pub const MAX_TOPICS: usize = 16;

/// The limits that an operator chooses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of a body of records. A payload of 16 MiB takes 22 MiB in base64.
    pub max_body_bytes: usize,
    /// How many requests a token may make.
    pub rate: Rate,
    /// Requests of one log that are carried out at a time.
    pub per_log: u64,
    /// Tails at a time.
    pub tails: u64,
    /// Exports at a time.
    pub exports: u64,
    /// Logs that are open at a time.
    pub open_logs: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_body_bytes: 24 << 20,
            rate: Rate { per_second: 10_000, burst: 20_000 },
            per_log: 512,
            tails: 2_000,
            exports: 16,
            open_logs: 256,
        }
    }
}
