//! How many wrong PINs there were.
//!
//! A try is counted durably before the PIN is looked at, in two places: in a file of its own, and then in the header. Both
//! carry the number of the try. Whoever copies back one of them without the other leaves numbers that no crash can
//! leave, and then the user's PIN is locked until the security officer sets it again. Whoever copies back both, or
//! knows what to write, is not noticed: no folder of files can tell. Such a person has the wrapped keys anyway, and is
//! slowed down by Argon2id alone.

use secure_log::cbor::{Decoder, put_array, put_bytes, put_text, put_uint};

/// Wrong PINs in a row that lock a PIN.
pub const RETRY_LIMIT: u64 = 10;

const MAGIC: &str = "secure-log/v1/token-attempts";

/// The count as it stands in one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// Goes up with every change, and never down.
    pub(crate) number: u64,
    pub(crate) user_failures: u64,
    pub(crate) so_failures: u64,
}

impl Attempts {
    /// The count that holds, of what stands in the header and in the file.
    pub(crate) fn of_both(header: Attempts, file: Option<Attempts>) -> Attempts {
        let Some(file) = file else { return header.tampered() };
        // A crash leaves the file one ahead of the header.
        match file.number.checked_sub(header.number) {
            Some(0) if file == header => header,
            Some(1) => file,
            Some(0) | None => header.tampered(),
            Some(_) => file.tampered(),
        }
    }

    fn tampered(self) -> Attempts {
        Attempts { user_failures: RETRY_LIMIT, ..self }
    }

    /// The count after another change of this.
    pub(crate) fn next(self, change: impl FnOnce(&mut Attempts)) -> Attempts {
        let mut next = Attempts { number: self.number.saturating_add(1), ..self };
        change(&mut next);
        next
    }

    pub(crate) fn encode_file(&self, serial: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_array(&mut out, 3);
        put_text(&mut out, MAGIC);
        put_bytes(&mut out, serial);
        self.put(&mut out);
        out
    }

    /// Reads the file. What is no such file of this token is as good as none.
    pub(crate) fn decode_file(bytes: &[u8], serial: &[u8]) -> Option<Attempts> {
        let mut decoder = Decoder::new(bytes);
        decoder.array(3).ok()?;
        (decoder.text().ok()? == MAGIC && decoder.bytes().ok()? == serial).then_some(())?;
        let attempts = Attempts::take(&mut decoder)?;
        decoder.end().ok()?;
        Some(attempts)
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_array(out, 3);
        put_uint(out, self.number);
        put_uint(out, self.user_failures);
        put_uint(out, self.so_failures);
    }

    pub(crate) fn take(decoder: &mut Decoder<'_>) -> Option<Attempts> {
        decoder.array(3).ok()?;
        let (number, user_failures) = (decoder.uint().ok()?, decoder.uint().ok()?);
        Some(Attempts { number, user_failures, so_failures: decoder.uint().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u64, user_failures: u64) -> Attempts {
        Attempts { number, user_failures, so_failures: 0 }
    }

    #[test]
    fn what_a_crash_leaves_is_taken_and_what_a_copy_leaves_locks() {
        assert_eq!(Attempts::of_both(at(5, 1), Some(at(5, 1))), at(5, 1));
        assert_eq!(Attempts::of_both(at(5, 1), Some(at(6, 2))), at(6, 2));
        let older_file = Attempts::of_both(at(9, 5), Some(at(4, 0)));
        let older_header = Attempts::of_both(at(4, 0), Some(at(9, 5)));
        let edited = Attempts::of_both(at(5, 1), Some(at(5, 0)));
        for tampered in [older_file, older_header, edited, Attempts::of_both(at(5, 1), None)] {
            assert_eq!(tampered.user_failures, RETRY_LIMIT);
        }
        assert_eq!((older_file.number, older_header.number), (9, 9));
    }

    #[test]
    fn the_file_is_of_one_token() {
        let bytes = at(7, 3).encode_file(b"serial");
        assert_eq!(Attempts::decode_file(&bytes, b"serial"), Some(at(7, 3)));
        assert_eq!(Attempts::decode_file(&bytes, b"another"), None);
        for length in 0..bytes.len() {
            assert_eq!(Attempts::decode_file(&bytes[..length], b"serial"), None);
        }
    }
}
