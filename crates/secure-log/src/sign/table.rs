//! Multiples of an Ed25519 key, with which its signatures are checked in two thirds of the time.
//!
//! RFC 8032 s.5.1.7 asks whether `R = sB - kA`. What can be computed of A beforehand is kept from signature to signature, which
//! `curve25519-dalek` offers, and the verdict is the same for every signature: the point that is computed is the same one,
//! whatever component of small order an attacker put into it
//! (docs/decisions/0080-signatures-are-checked-with-tables-of-their-keys.md).

use core::fmt;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint, VartimeEdwardsPrecomputation};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity as _, VartimePrecomputedMultiscalarMul as _};
use ed25519_dalek::Signature;
use sha2::{Digest as _, Sha512};

/// Multiples of B and -A, 20 KiB. How long a product takes says which it was, and none here is secret.
pub(super) struct KeyTable {
    key: [u8; 32],
    multiples: VartimeEdwardsPrecomputation,
}

impl KeyTable {
    /// The table of a key that was read before and so is a point, and none of small order.
    pub(super) fn new(key: [u8; 32]) -> Option<KeyTable> {
        let point = CompressedEdwardsY(key).decompress()?;
        Some(KeyTable { key, multiples: VartimeEdwardsPrecomputation::new([ED25519_BASEPOINT_POINT, -point]) })
    }

    /// Whether the key made each of these signatures of these messages, by the rules of `verify_strict`.
    pub(super) fn made<'s>(&self, signed: impl ExactSizeIterator<Item = (&'s [u8], &'s Signature)>) -> Vec<bool> {
        let mut points = Vec::with_capacity(signed.len());
        let mut named = Vec::with_capacity(signed.len());
        for (message, signature) in signed {
            points.push(self.point_of(message, signature).unwrap_or_else(EdwardsPoint::identity));
            named.push(signature.r_bytes());
        }
        // Spelling a point takes a division, and many of them together take one. A signature whose s is not in its one
        // spelling got the identity, which is refused as any other point of small order.
        let spelled = EdwardsPoint::compress_batch_alloc(&points);
        let same = |(spelled, named): (&CompressedEdwardsY, &&[u8; 32])| spelled.as_bytes() == *named;
        let same = spelled.iter().zip(&named).map(same);
        points.iter().zip(same).map(|(point, same)| same && !point.is_small_order()).collect()
    }

    /// The point that R has to be.
    fn point_of(&self, message: &[u8], signature: &Signature) -> Option<EdwardsPoint> {
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(*signature.s_bytes()))?;
        let hash = Sha512::new().chain_update(signature.r_bytes()).chain_update(self.key).chain_update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        Some(self.multiples.vartime_multiscalar_mul([s, k]))
    }
}

impl fmt::Debug for KeyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyTable").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

    use super::*;

    /// A signature whose R is `r` times the base point and the torsion point, by the key `a` times the base point and the
    /// torsion point: what an attacker makes who knows `a`.
    fn crafted(a: u64, key_torsion: usize, r: u64, torsion: usize, message: &[u8]) -> (VerifyingKey, Signature) {
        let (a, r) = (Scalar::from(a), Scalar::from(r));
        let key = (ED25519_BASEPOINT_POINT * a + EIGHT_TORSION[key_torsion]).compress().to_bytes();
        let named = (ED25519_BASEPOINT_POINT * r + EIGHT_TORSION[torsion]).compress().to_bytes();
        let hash = Sha512::new().chain_update(named).chain_update(key).chain_update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let signature = Signature::from_components(named, (r + k * a).to_bytes());
        (VerifyingKey::from_bytes(&key).unwrap(), signature)
    }

    fn same_verdict(key: &VerifyingKey, signed: &[(Vec<u8>, Signature)]) -> usize {
        let table = KeyTable::new(key.to_bytes()).unwrap();
        let made = table.made(signed.iter().map(|(message, signature)| (&message[..], signature)));
        for ((message, signature), made) in signed.iter().zip(&made) {
            assert_eq!(*made, key.verify_strict(message, signature).is_ok(), "{signature:?} of {message:?}");
        }
        made.into_iter().filter(|made| *made).count()
    }

    #[test]
    fn components_of_small_order_are_judged_as_one_by_one() {
        let mut accepted = 0;
        for key_torsion in 0..8 {
            for torsion in 0..8 {
                for r in [0, 1, 77] {
                    // The hash decides whether the torsions cancel each other: of many messages some do.
                    let signed: Vec<_> = (0..24u8).map(|n| crafted(1234, key_torsion, r, torsion, &[n])).collect();
                    let key = signed[0].0;
                    let signed: Vec<_> = (0..).zip(&signed).map(|(n, (_, signature))| (vec![n], *signature)).collect();
                    accepted += same_verdict(&key, &signed);
                }
            }
        }
        assert!(accepted > 100, "{accepted} accepted: nothing was cancelled");
    }

    #[test]
    fn damaged_signatures_are_judged_as_one_by_one() {
        let secret = SigningKey::from_bytes(&[7; 32]);
        let good: Vec<_> = (0..4u8).map(|n| (vec![n; usize::from(n)], secret.sign(&vec![n; usize::from(n)]))).collect();
        assert_eq!(same_verdict(&secret.verifying_key(), &good), good.len());
        let mut bad = Vec::new();
        for (message, signature) in &good {
            for bit in 0..512 {
                let mut bytes = signature.to_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                bad.push((message.clone(), Signature::from_bytes(&bytes)));
            }
        }
        // The order of the group more than s, which is not its one spelling.
        let mut bytes = good[1].1.to_bytes();
        let order = (-Scalar::ONE).to_bytes();
        let mut carry = 1;
        for (byte, more) in bytes[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(more) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        bad.push((good[1].0.clone(), Signature::from_bytes(&bytes)));
        // Points in spellings of their own: y = 1 as the identity, as p + 1, and with the sign of zero.
        for (first, last) in [(1, 0), (0xee, 0x7f), (1, 0x80)] {
            let mut named = [if last == 0x7f { 0xff } else { 0 }; 32];
            (named[0], named[31]) = (first, last);
            bad.push((vec![], Signature::from_components(named, [0; 32])));
        }
        assert_eq!(same_verdict(&secret.verifying_key(), &bad), 0);
    }
}
