//! The token's own file: what it is called, its wrapped object key, and which objects it has.
//!
//! All of it but the count of tries stands under a MAC of the object key, so that after a login nothing of it can have
//! been changed by somebody without a PIN: no object left out, none brought back, none swapped.

use hmac::{Hmac, KeyInit, Mac as _};
use secure_log::cbor::{DecodeError, Decoder, put_array, put_bytes, put_text, put_uint};
use secure_log::hash::Hash;
use secure_log_pkcs11::Rv;
use sha2::Sha256;

use crate::attempts::Attempts;
use crate::pins::{Cost, Secret};

const MAGIC: &str = "secure-log/v1/token";
const SERIAL_BYTES: usize = 8;
/// number(8) || private(1) || hash(32)
const ENTRY_BYTES: usize = 8 + 1 + 32;

/// A thousand objects take 41 KB.
pub(crate) const MAX_OBJECTS: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) serial: [u8; SERIAL_BYTES],
    pub(crate) label: String,
    pub(crate) cost: Cost,
    /// The object key under the security officer's PIN, and under the user's, who may not be there yet.
    pub(crate) so: Vec<u8>,
    pub(crate) user: Option<Vec<u8>>,
    /// The number of the next object. Numbers are never used again.
    pub(crate) next: u64,
    /// An object whose file may still be there though it was destroyed.
    pub(crate) leftover: Option<u64>,
    pub(crate) objects: Vec<Entry>,
    /// Of all of the above, by the object key.
    pub(crate) mac: [u8; 32],
    pub(crate) attempts: Attempts,
}

/// An object of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    /// Whether only the user sees it.
    pub(crate) private: bool,
    /// Of its file.
    pub(crate) hash: Hash,
}

impl Header {
    /// Puts the MAC on what the header says now.
    pub(crate) fn authenticate(&mut self, object_key: &Secret) {
        self.mac = self.expected_mac(object_key).finalize().into_bytes().into();
    }

    /// Whether somebody who had the object key wrote this.
    pub(crate) fn is_authentic(&self, object_key: &Secret) -> bool {
        self.expected_mac(object_key).verify_slice(&self.mac).is_ok()
    }

    /// What a wrapped object key is bound to.
    pub(crate) fn role(&self, user: secure_log_pkcs11::UserType) -> Vec<u8> {
        let name = match user {
            secure_log_pkcs11::UserType::So => "so",
            secure_log_pkcs11::UserType::User => "user",
        };
        [MAGIC.as_bytes(), b"\n", name.as_bytes(), b"\n", &self.serial].concat()
    }

    /// What the file of an object is bound to.
    pub(crate) fn object_data(&self, number: u64) -> Vec<u8> {
        [MAGIC.as_bytes(), b"\nobject\n", &self.serial, &number.to_be_bytes()].concat()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_array(&mut out, 3);
        put_bytes(&mut out, &self.body());
        put_bytes(&mut out, &self.mac);
        self.attempts.put(&mut out);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Header, Rv> {
        decode(bytes).ok_or(Rv::DeviceError)
    }

    fn body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_array(&mut out, 10);
        put_text(&mut out, MAGIC);
        put_bytes(&mut out, &self.serial);
        put_text(&mut out, &self.label);
        put_uint(&mut out, self.cost.memory_kib.into());
        put_uint(&mut out, self.cost.passes.into());
        put_bytes(&mut out, &self.so);
        put_bytes(&mut out, self.user.as_deref().unwrap_or_default());
        put_uint(&mut out, self.next);
        // Numbers begin with 1, so that 0 is none.
        put_uint(&mut out, self.leftover.unwrap_or(0));
        let mut objects = Vec::with_capacity(self.objects.len() * ENTRY_BYTES);
        for entry in &self.objects {
            objects.extend_from_slice(&entry.number.to_be_bytes());
            objects.push(entry.private.into());
            objects.extend_from_slice(&entry.hash.0);
        }
        put_bytes(&mut out, &objects);
        out
    }

    fn expected_mac(&self, object_key: &Secret) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(object_key.as_slice()).expect("HMAC takes keys of any length");
        mac.update(MAGIC.as_bytes());
        mac.update(b"\nheader\n");
        mac.update(&self.body());
        mac
    }
}

fn decode(bytes: &[u8]) -> Option<Header> {
    let mut outer = Decoder::new(bytes);
    outer.array(3).ok()?;
    let body = outer.bytes().ok()?;
    let mac = outer.bytes().ok()?.try_into().ok()?;
    let attempts = Attempts::take(&mut outer)?;
    outer.end().ok()?;

    let mut inner = Decoder::new(body);
    inner.array(10).ok()?;
    (inner.text().ok()? == MAGIC).then_some(())?;
    let serial = inner.bytes().ok()?.try_into().ok()?;
    let label = inner.text().ok()?.to_owned();
    let cost = Cost { memory_kib: small(inner.uint())?, passes: small(inner.uint())? };
    (cost.memory_kib <= Cost::MAX.memory_kib && cost.passes <= Cost::MAX.passes).then_some(())?;
    let so = inner.bytes().ok()?.to_vec();
    let user = Some(inner.bytes().ok()?.to_vec()).filter(|wrapped| !wrapped.is_empty());
    let next = inner.uint().ok()?;
    let leftover = Some(inner.uint().ok()?).filter(|number| *number != 0);
    let (objects, rest) = inner.bytes().ok()?.as_chunks::<ENTRY_BYTES>();
    (rest.is_empty() && objects.len() <= MAX_OBJECTS).then_some(())?;
    let objects = objects.iter().map(entry).collect::<Option<Vec<Entry>>>()?;
    inner.end().ok()?;
    Some(Header { serial, label, cost, so, user, next, leftover, objects, mac, attempts })
}

fn entry(bytes: &[u8; ENTRY_BYTES]) -> Option<Entry> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    let (private, hash) = rest.split_first()?;
    let private = match private {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(Entry { number: u64::from_be_bytes(*number), private, hash: Hash(hash.try_into().ok()?) })
}

fn small(number: Result<u64, DecodeError>) -> Option<u32> {
    number.ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn header() -> Header {
        let mut header = Header {
            serial: [1; SERIAL_BYTES],
            label: "a token".into(),
            cost: Cost::DEFAULT,
            so: vec![2; 88],
            user: Some(vec![3; 88]),
            next: 9,
            leftover: Some(4),
            objects: vec![Entry { number: 7, private: true, hash: Hash([5; 32]) }],
            mac: [0; 32],
            attempts: Attempts { number: 6, user_failures: 1, so_failures: 0 },
        };
        header.authenticate(&Zeroizing::new([9; 32]));
        header
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Header::decode(&header().encode()), Ok(header()));
        let no_user = Header { user: None, leftover: None, objects: vec![], ..header() };
        assert_eq!(Header::decode(&no_user.encode()), Ok(no_user));
    }

    #[test]
    fn every_changed_bit_is_refused_or_not_authentic_or_the_count() {
        let (bytes, key) = (header().encode(), Zeroizing::new([9; 32]));
        assert!(header().is_authentic(&key));
        assert!(!header().is_authentic(&Zeroizing::new([8; 32])));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = Header::decode(&flipped) {
                let count_alone = Header { attempts: header().attempts, ..read.clone() } == header();
                assert!(count_alone || !read.is_authentic(&key), "bit {bit}");
            }
        }
        for length in 0..bytes.len() {
            assert_eq!(Header::decode(&bytes[..length]), Err(Rv::DeviceError), "length {length}");
        }
    }

    #[test]
    fn a_cost_that_would_hang_the_reader_is_refused() {
        let dear = Header { cost: Cost { memory_kib: u32::MAX, passes: 1 }, ..header() };
        assert_eq!(Header::decode(&dear.encode()), Err(Rv::DeviceError));
    }
}
