//! The part of RFC 8949 s.4.2.1 that the format uses: arrays of unsigned integers, byte strings and text.

use core::fmt;

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;

/// Appends an unsigned integer in its shortest form.
pub fn put_uint(out: &mut Vec<u8>, value: u64) {
    put_head(out, UINT, value);
}

/// Appends a byte string.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_head(out, BYTES, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends the head of a byte string of so many bytes, which the caller appends next.
pub fn put_bytes_head(out: &mut Vec<u8>, length: usize) {
    put_head(out, BYTES, length as u64);
}

/// How many bytes the head of an item of this length takes.
pub fn head_len(length: usize) -> usize {
    match length as u64 {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// Appends a text string.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends the head of an array of `count` items, which the caller appends next.
pub fn put_array(out: &mut Vec<u8>, count: u64) {
    put_head(out, ARRAY, count);
}

#[inline(always)]
fn put_head(out: &mut Vec<u8>, major: u8, value: u64) {
    let major = major << 5;
    if value < 24 {
        out.push(major | value as u8);
    } else if let Ok(v) = u8::try_from(value) {
        out.extend_from_slice(&[major | 24, v]);
    } else if let Ok(v) = u16::try_from(value) {
        let [a, b] = v.to_be_bytes();
        out.extend_from_slice(&[major | 25, a, b]);
    } else if let Ok(v) = u32::try_from(value) {
        out.push(major | 26);
        out.extend_from_slice(&v.to_be_bytes());
    } else {
        out.push(major | 27);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Why bytes are not the canonical form of what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end too early.
    Truncated,
    /// Bytes follow the last item.
    TrailingBytes,
    /// An item of another kind, or of another length, than the one that stands here.
    Unexpected,
    /// An integer or a length that is not in its shortest form, or a form that the format does not use.
    NotCanonical,
    /// Text that is not UTF-8.
    NotUtf8,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecodeError::Truncated => "the bytes end too early",
            DecodeError::TrailingBytes => "bytes follow the last item",
            DecodeError::Unexpected => "an item of another kind or length stands here",
            DecodeError::NotCanonical => "not in the one canonical form",
            DecodeError::NotUtf8 => "text that is not UTF-8",
        })
    }
}

impl std::error::Error for DecodeError {}

/// Reads items one after the other. Nothing is allocated: what it returns borrows from the input, so a
/// length that the input does not hold costs nothing.
#[derive(Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Starts at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { rest: bytes }
    }

    /// The head of an array of exactly `count` items.
    pub fn array(&mut self, count: u64) -> Result<(), DecodeError> {
        if self.head(ARRAY)? == count { Ok(()) } else { Err(DecodeError::Unexpected) }
    }

    /// An unsigned integer.
    pub fn uint(&mut self) -> Result<u64, DecodeError> {
        self.head(UINT)
    }

    /// A byte string.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.head(BYTES)?;
        self.take(length)
    }

    /// A byte string of exactly `length` bytes.
    pub fn bytes_exactly(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let bytes = self.bytes()?;
        if bytes.len() == length { Ok(bytes) } else { Err(DecodeError::Unexpected) }
    }

    /// A text string.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        let length = self.head(TEXT)?;
        core::str::from_utf8(self.take(length)?).map_err(|_| DecodeError::NotUtf8)
    }

    /// Nothing follows.
    pub fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }

    #[inline]
    fn head(&mut self, major: u8) -> Result<u64, DecodeError> {
        let (&first, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
        if first >> 5 != major {
            return Err(DecodeError::Unexpected);
        }
        self.rest = rest;
        let size = match first & 31 {
            small @ 0..24 => return Ok(u64::from(small)),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return Err(DecodeError::NotCanonical),
        };
        let value = self.take(size)?.iter().fold(0, |v, &b| v << 8 | u64::from(b));
        let shortest = match size {
            1 => value >= 24,
            2 => value > 0xff,
            4 => value > 0xffff,
            _ => value > 0xffff_ffff,
        };
        if shortest { Ok(value) } else { Err(DecodeError::NotCanonical) }
    }

    #[inline]
    fn take(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) =
            usize::try_from(length).ok().and_then(|n| self.rest.split_at_checked(n)).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_spelling() {
        for value in [0, 23, 24, 255, 256, 65535, 65536, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let mut out = Vec::new();
            put_uint(&mut out, value);
            assert_eq!(Decoder::new(&out).uint(), Ok(value));
        }
        for long in [&[0x18, 23][..], &[0x19, 0, 255], &[0x1a, 0, 0, 255, 255], &[0x1b, 0, 0, 0, 0, 255, 255, 255, 255]]
        {
            assert_eq!(Decoder::new(long).uint(), Err(DecodeError::NotCanonical), "{long:?}");
        }
        assert_eq!(Decoder::new(&[0x1f]).uint(), Err(DecodeError::NotCanonical));
    }

    #[test]
    fn a_length_is_never_trusted() {
        let huge = [0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Decoder::new(&huge).bytes(), Err(DecodeError::Truncated));
        assert_eq!(Decoder::new(&[0x62, 0xff, 0xfe]).text(), Err(DecodeError::NotUtf8));
    }
}
