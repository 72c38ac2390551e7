//! Payloads of the control entries that the engine writes and reads back (format.md s.2).

use crate::hash::{Hash, KeyId, Suite};

/// First entry of a stream with rules of its own.
pub const CREATED: &str = "secure-log.created";
/// The next entry uses another suite.
pub const SUITE_CHANGED: &str = "secure-log.suite-changed";
/// A segment was closed in this commit.
pub const SEGMENT_CLOSED: &str = "secure-log.segment-closed";
/// Only control entries follow.
pub const DEPRECATED: &str = "secure-log.deprecated";
/// Producers' entries may be gone.
pub const PRUNED: &str = "secure-log.pruned";
/// Data keys were destroyed.
pub const ERASED: &str = "secure-log.erased";
/// Entries were adopted that no signed head attested.
pub const RECOVERED: &str = "secure-log.recovered";
/// This log continues another.
pub const CONTINUED: &str = "secure-log.continued";
/// A key introduces another ([`crate::introduction`]).
pub const KEY: &str = "secure-log.key";
/// The payload encoding of every control entry.
pub const ENCODING: &str = "text";

/// Payload of [`SUITE_CHANGED`].
pub fn encode_suite(suite: Suite) -> String {
    match suite.key_id() {
        Some(id) => format!("{} {id}", suite.name()),
        None => suite.name().into(),
    }
}

/// Reads the payload of [`SUITE_CHANGED`].
pub fn decode_suite(payload: &[u8]) -> Option<Suite> {
    let text = core::str::from_utf8(payload).ok()?;
    match text.split_once(' ') {
        Some((name, id)) => Suite::from_parts(name, Some(KeyId::from_hex(id)?)),
        None => Suite::from_parts(text, None),
    }
}

/// Payload of [`SEGMENT_CLOSED`].
pub fn encode_closed(segment: u64, checkpoint: &Hash) -> String {
    format!("{segment} {checkpoint}")
}

/// Reads the payload of [`SEGMENT_CLOSED`].
pub fn decode_closed(payload: &[u8]) -> Option<(u64, Hash)> {
    let (segment, checkpoint) = core::str::from_utf8(payload).ok()?.split_once(' ')?;
    Some((decode_number(segment)?, Hash::from_hex(checkpoint)?))
}

/// Payload of [`ERASED`].
pub fn encode_erased(keys: &[Hash]) -> String {
    let mut out = String::with_capacity(keys.len() * 65);
    for key in keys {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&key.to_hex());
    }
    out
}

/// Reads the payload of [`ERASED`]: at least one id.
pub fn decode_erased(payload: &[u8]) -> Option<Vec<Hash>> {
    core::str::from_utf8(payload).ok()?.split(' ').map(Hash::from_hex).collect()
}

/// Payload of [`PRUNED`]: what may be gone, and what tells the producers' entries of the stream, gone or not.
pub fn encode_pruned(last: u64, count: u64, root: &Hash) -> String {
    format!("{last} {count} {root}")
}

/// Reads the payload of [`PRUNED`].
pub fn decode_pruned(payload: &[u8]) -> Option<(u64, u64, Hash)> {
    let mut words = core::str::from_utf8(payload).ok()?.split(' ');
    let pruned = (decode_number(words.next()?)?, decode_number(words.next()?)?, Hash::from_hex(words.next()?)?);
    words.next().is_none().then_some(pruned)
}

/// Payload of [`RECOVERED`].
pub fn encode_recovered(first: u64, last: u64) -> String {
    format!("{first} {last}")
}

/// A decimal number from 1 without leading zeros.
pub fn decode_number(text: &str) -> Option<u64> {
    let plain = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back_and_have_one_spelling() {
        for suite in [Suite::Sha256, Suite::Blake3, Suite::HmacSha256(KeyId([7; 8]))] {
            assert_eq!(decode_suite(encode_suite(suite).as_bytes()), Some(suite));
        }
        assert_eq!(decode_suite(b"md5"), None);
        assert_eq!(decode_suite(b"sha-256 0707070707070707"), None);
        let hash = Hash([3; 32]);
        assert_eq!(decode_closed(encode_closed(12, &hash).as_bytes()), Some((12, hash)));
        let pruned = encode_pruned(9, 7, &hash);
        assert_eq!(decode_pruned(pruned.as_bytes()), Some((9, 7, hash)));
        for bad in [pruned.replace("9 ", "09 "), pruned.replace(' ', "  "), format!("{pruned} "), String::new()] {
            assert_eq!(decode_pruned(bad.as_bytes()), None, "{bad}");
        }
        let keys = [hash, Hash([0xab; 32])];
        assert_eq!(decode_erased(encode_erased(&keys).as_bytes()), Some(keys.to_vec()));
        for bad in ["", " ", &encode_erased(&keys).replace(' ', "  "), &encode_erased(&keys).to_uppercase()] {
            assert_eq!(decode_erased(bad.as_bytes()), None, "{bad}");
        }
        for bad in ["012", "+1", "", "0", "-1", "18446744073709551616"] {
            assert_eq!(decode_number(bad), None, "{bad}");
        }
    }
}
