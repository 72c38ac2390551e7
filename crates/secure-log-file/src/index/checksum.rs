//! Notices accidental damage to the index. Against intent it is no use, and need not be: the index is not trusted.

use super::Salt;

/// A checksum of `bytes` at the place `number` of a file of the index with this salt.
pub(super) fn checksum(salt: &Salt, number: u64, bytes: &[u8]) -> u64 {
    let word = |chunk: &[u8]| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    };
    let mut sum = mix(mix(mix(bytes.len() as u64, word(&salt[..8])), word(&salt[8..])), number);
    for chunk in bytes.chunks(8) {
        sum = mix(sum, word(chunk));
    }
    mix(sum, sum >> 32)
}

/// Multiplying by an odd number loses nothing, and turning brings the high bits, which depend on all, to the low ones.
fn mix(sum: u64, word: u64) -> u64 {
    (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_counts() {
        let (salt, bytes) = ([7; 16], [1; 41]);
        let whole = checksum(&salt, 3, &bytes);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(checksum(&salt, 3, &flipped) as u32, whole as u32, "bit {bit}");
        }
        assert_ne!(checksum(&salt, 4, &bytes) as u32, whole as u32);
        assert_ne!(checksum(&[8; 16], 3, &bytes) as u32, whole as u32);
        assert_ne!(checksum(&salt, 0, &[0; 36]) as u32, 0);
    }
}
