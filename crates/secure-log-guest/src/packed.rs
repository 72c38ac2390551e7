//! Bytes as words, which cross between components several times as fast (wit/store.wit).

// The order of bytes in a word is then that of WebAssembly's memory, and packing is copying.
const _: () = assert!(cfg!(target_endian = "little"), "components have their words least significant byte first");

/// These pieces, one right after the other.
pub fn pack<'b>(pieces: impl Iterator<Item = &'b [u8]> + Clone) -> Vec<u64> {
    let length = pieces.clone().map(<[u8]>::len).sum::<usize>();
    let mut words = vec![0; length.div_ceil(8)];
    let mut rest: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
    for piece in pieces {
        rest.split_off_mut(..piece.len()).expect("there is room for all pieces").copy_from_slice(piece);
    }
    words
}

/// The bytes of these words, so many; nothing when there is a word too much or too little, or anything in what is left of
/// the last one.
pub fn unpack(words: &[u64], length: u64) -> Option<&[u8]> {
    let (bytes, rest) = bytemuck::cast_slice(words).split_at_checked(usize::try_from(length).ok()?)?;
    (rest.len() < 8 && rest.iter().all(|byte| *byte == 0)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        for length in 0..40u8 {
            let bytes: Vec<u8> = (1..=length).collect();
            let words = pack(bytes.chunks(7));
            assert_eq!(words.len(), bytes.len().div_ceil(8));
            assert_eq!(unpack(&words, length.into()), Some(&bytes[..]));
            assert_eq!(unpack(&words, u64::from(length) + 8), None);
            assert_eq!(unpack(&[&words[..], &[0]].concat(), length.into()), None, "a word too much");
            if length > 0 {
                assert_eq!(unpack(&words, u64::from(length) - 1), None, "the last byte is no filler");
            }
        }
        assert_eq!(pack([&[1, 2, 3][..], &[4, 5, 6, 7, 8, 9]].into_iter()), [0x0807_0605_0403_0201, 9]);
    }
}
