//! Sealed payloads, the keys that seal them, and pseudonyms (format.md s.8).
//!
//! Nothing here reads or writes, and no randomness is drawn: nonces and keys are handed in by who has them from a good source
//! ([`crate::providers::Random`]). A nonce MUST never come twice with one key.
//!
//! ```
//! use secure_log::sealed::{DataKey, Place, SealedPayload};
//! use zeroize::Zeroizing;
//!
//! let place = Place { log: &[7; 16], stream: "patients" };
//! let key = DataKey::new(place, Zeroizing::new([1; 32]));
//! let mut payload = Vec::new();
//! key.seal(place, "text", &[2; 24], b"broken arm", &mut payload);
//!
//! let sealed = SealedPayload::decode(&payload)?;
//! assert_eq!(sealed.key, key.id());
//! assert_eq!(*key.open(place, "text", &sealed)?, b"broken arm");
//! // Under another stream it is nothing at all.
//! assert!(key.open(Place { stream: "staff", ..place }, "text", &sealed).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cipher;

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::cbor::{self, DecodeError, Decoder};
use crate::entry::SEALED_SUFFIX;
use crate::hash::Hash;
use crate::providers::{KeyError, UnwrapError, WrapAlgorithm, WrappingKey};
use crate::record::DataKeyRow;
use crate::sealed::cipher::{decrypt, encrypt};

/// Bytes of a data key, and of a key for pseudonyms.
pub const KEY_BYTES: usize = 32;
/// Bytes of the nonce of a sealed payload. Drawn at random, two are the same with a chance of 2^-97 after 2^48 payloads.
pub const NONCE_BYTES: usize = 24;
/// Bytes of the tag at the end of a ciphertext.
pub const TAG_BYTES: usize = 16;
/// So much longer than what was sealed is a sealed payload at most: an array of three, the key's id, the nonce and the tag, with
/// heads of 1, 2, 2 and 5 bytes. In a highly-restricted stream come the event type, the producer and four heads more.
pub const MAX_OVERHEAD_BYTES: usize = 1 + (2 + 32) + (2 + NONCE_BYTES) + 5 + TAG_BYTES;

/// Bytes of a key. They are zeroed when dropped.
pub type Secret = Zeroizing<[u8; KEY_BYTES]>;

/// Where something is sealed: it opens in no other log and in no other stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The log's id.
    pub log: &'a [u8; 16],
    /// The stream.
    pub stream: &'a str,
}

/// What was given does not open, or not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAuthentic;

impl fmt::Display for NotAuthentic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it was not sealed by this key, or not for this log, stream and encoding")
    }
}

impl std::error::Error for NotAuthentic {}

/// A key that seals payloads. It is zeroed when dropped, and printed as its id.
pub struct DataKey {
    id: Hash,
    secret: Secret,
}

impl DataKey {
    /// The key with these bytes.
    pub fn new(place: Place<'_>, secret: Secret) -> DataKey {
        DataKey { id: commitment("secure-log/v1/dek", place, &secret), secret }
    }

    /// What it is called: a commitment to its bytes, so that nobody can show another key under this name.
    pub fn id(&self) -> Hash {
        self.id
    }

    /// Appends the sealed form of `plaintext` to `out`.
    ///
    /// # Panics
    /// Never for less than 256 GiB.
    pub fn seal(
        &self,
        place: Place<'_>,
        encoding: &str,
        nonce: &[u8; NONCE_BYTES],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) {
        self.seal_bound(&self.bound_to(place, encoding), nonce, plaintext, out);
    }

    /// Appends the sealed form of what is sealed in a highly-restricted stream.
    ///
    /// # Panics
    /// Never for less than 256 GiB.
    pub fn seal_restricted(
        &self,
        place: Place<'_>,
        encoding: &str,
        nonce: &[u8; NONCE_BYTES],
        restricted: &Restricted<'_>,
        out: &mut Vec<u8>,
    ) {
        self.seal_restricted_bound(&self.bound_to(place, encoding), nonce, restricted, out);
    }

    /// What binds payloads to a place and an encoding. It is the same for all of them.
    pub(crate) fn bound_to(&self, place: Place<'_>, encoding: &str) -> Bound {
        Bound(associated_data(place, encoding, &self.id))
    }

    pub(crate) fn seal_bound(&self, bound: &Bound, nonce: &[u8; NONCE_BYTES], plaintext: &[u8], out: &mut Vec<u8>) {
        self.seal_with(bound, nonce, plaintext.len(), |out| out.extend_from_slice(plaintext), out);
    }

    pub(crate) fn seal_restricted_bound(
        &self,
        bound: &Bound,
        nonce: &[u8; NONCE_BYTES],
        restricted: &Restricted<'_>,
        out: &mut Vec<u8>,
    ) {
        self.seal_with(bound, nonce, restricted.encoded_len(), |out| restricted.encode_into(out), out);
    }

    /// The plaintext is written where its ciphertext will stand, so that no other copy of it is made.
    fn seal_with(
        &self,
        Bound(associated_data): &Bound,
        nonce: &[u8; NONCE_BYTES],
        length: usize,
        write: impl FnOnce(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        // All at once: a vector that grows leaves what it held behind.
        out.reserve(length + MAX_OVERHEAD_BYTES);
        cbor::put_array(out, 3);
        cbor::put_bytes(out, &self.id.0);
        cbor::put_bytes(out, nonce);
        cbor::put_bytes_head(out, length + TAG_BYTES);
        let start = out.len();
        write(out);
        debug_assert_eq!(out.len() - start, length);
        let tag = encrypt(&self.secret, nonce, associated_data, &mut out[start..]);
        out.extend_from_slice(&tag);
    }

    /// Opens a payload that was sealed here with this inner encoding.
    pub fn open(
        &self,
        place: Place<'_>,
        encoding: &str,
        sealed: &SealedPayload<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        if sealed.key != self.id {
            return Err(NotAuthentic);
        }
        let (ciphertext, tag) = sealed.ciphertext.split_last_chunk::<TAG_BYTES>().ok_or(NotAuthentic)?;
        let mut opened = Zeroizing::new(ciphertext.to_vec());
        let Bound(associated_data) = self.bound_to(place, encoding);
        decrypt(&self.secret, sealed.nonce, &associated_data, &mut opened, tag)?;
        Ok(opened)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.id)
    }
}

/// Where and as what payloads are sealed: their associated data.
pub(crate) struct Bound(Vec<u8>);

/// A key that makes pseudonyms. It is zeroed when dropped, and printed as its id.
pub struct PseudonymKey {
    id: Hash,
    secret: Secret,
}

impl PseudonymKey {
    /// The key with these bytes.
    pub fn new(place: Place<'_>, secret: Secret) -> PseudonymKey {
        PseudonymKey { id: commitment("secure-log/v1/pk", place, &secret), secret }
    }

    /// What it is called: a commitment to its bytes.
    pub fn id(&self) -> Hash {
        self.id
    }

    /// What stands for a value.
    pub fn pseudonym(&self, place: Place<'_>, of: PseudonymOf, value: &str) -> String {
        let mut message = Zeroizing::new(Vec::with_capacity(128 + value.len()));
        cbor::put_array(&mut message, 5);
        cbor::put_text(&mut message, "secure-log/v1/min");
        cbor::put_bytes(&mut message, place.log);
        cbor::put_text(&mut message, place.stream);
        cbor::put_text(&mut message, of.as_str());
        cbor::put_text(&mut message, value);
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_slice()).expect("HMAC takes keys of any length");
        mac.update(&message);
        format!("{PSEUDONYM_PREFIX}{}", const_hex::encode(&mac.finalize().into_bytes()[..16]))
    }

    /// Whether this pseudonym stands for this value.
    pub fn stands_for(&self, place: Place<'_>, of: PseudonymOf, value: &str, pseudonym: &str) -> bool {
        self.pseudonym(place, of, value).as_bytes().ct_eq(pseudonym.as_bytes()).into()
    }
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PseudonymKey({})", self.id)
    }
}

/// Which field of an entry a pseudonym stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PseudonymOf {
    /// The event type.
    EventType,
    /// The producer.
    Producer,
}

impl PseudonymOf {
    /// The name in the format.
    pub fn as_str(self) -> &'static str {
        match self {
            PseudonymOf::EventType => "event-type",
            PseudonymOf::Producer => "producer",
        }
    }
}

const PSEUDONYM_PREFIX: &str = "min:";

/// Whether a text has the form of a pseudonym: `min:` and 16 bytes in hexadecimal.
pub fn is_pseudonym(text: &str) -> bool {
    text.strip_prefix(PSEUDONYM_PREFIX)
        .is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// What is sealed in a highly-restricted stream.
#[derive(Clone, Copy)]
pub struct Restricted<'a> {
    /// What happened.
    pub event: &'a str,
    /// Who reported it.
    pub producer: &'a str,
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> Restricted<'a> {
    fn encode_into(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, 3);
        cbor::put_text(out, self.event);
        cbor::put_text(out, self.producer);
        cbor::put_bytes(out, self.payload);
    }

    fn encoded_len(&self) -> usize {
        let item = |len: usize| cbor::head_len(len) + len;
        1 + item(self.event.len()) + item(self.producer.len()) + item(self.payload.len())
    }

    /// Reads what was opened.
    pub fn decode(opened: &'a [u8]) -> Result<Restricted<'a>, DecodeError> {
        let mut d = Decoder::new(opened);
        d.array(3)?;
        let restricted = Restricted { event: d.text()?, producer: d.text()?, payload: d.bytes()? };
        d.end()?;
        Ok(restricted)
    }
}

impl fmt::Debug for Restricted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Restricted(..)")
    }
}

/// The payload of an entry as it is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedPayload<'a> {
    /// The id of the data key.
    pub key: Hash,
    /// The nonce.
    pub nonce: &'a [u8; NONCE_BYTES],
    /// The ciphertext and the tag.
    pub ciphertext: &'a [u8],
}

impl<'a> SealedPayload<'a> {
    /// Reads a payload strictly. It is not opened: what it claims is proven by opening it.
    pub fn decode(payload: &'a [u8]) -> Result<SealedPayload<'a>, DecodeError> {
        let mut d = Decoder::new(payload);
        d.array(3)?;
        let key = Hash::try_from(d.bytes_exactly(32)?).map_err(|_| DecodeError::Unexpected)?;
        let nonce = d.bytes_exactly(NONCE_BYTES)?.try_into().map_err(|_| DecodeError::Unexpected)?;
        let ciphertext = d.bytes()?;
        d.end()?;
        if ciphertext.len() < TAG_BYTES {
            Err(DecodeError::Unexpected)
        } else {
            Ok(SealedPayload { key, nonce, ciphertext })
        }
    }
}

/// The inner encoding of a payload that is sealed in a way that is known here.
pub fn inner_encoding(encoding: &str) -> Option<&str> {
    encoding.strip_suffix(SEALED_SUFFIX)
}

/// A key that was unwrapped. Its id says which of the two it is, whatever its line says.
#[derive(Debug)]
pub enum StreamKey {
    /// It seals payloads.
    Data(DataKey),
    /// It makes pseudonyms.
    Pseudonym(PseudonymKey),
}

/// Wraps a key of a stream: its line, but for where it is first used.
pub fn wrap(
    place: Place<'_>,
    (id, secret): (Hash, &Secret),
    (kek, label): (&dyn WrappingKey, &str),
    created: &str,
) -> Result<DataKeyRow, KeyError> {
    let wrapped = kek.wrap(secret.as_slice(), &wrap_associated_data(place, &id, label))?;
    Ok(DataKeyRow {
        id,
        stream: place.stream.into(),
        first: 0,
        kek: label.into(),
        alg: kek.algorithm().as_str().into(),
        wrapped,
        created: created.into(),
    })
}

/// Unwraps the key of a line. [`UnwrapError::NotAuthentic`] is also the answer for a key that is not the one that the line names,
/// and for one that the line says was wrapped otherwise than this key wraps.
pub fn unwrap(place: Place<'_>, row: &DataKeyRow, kek: &dyn WrappingKey) -> Result<StreamKey, UnwrapError> {
    identify(place, row, unwrap_bytes(place, row, kek)?)
}

fn identify(place: Place<'_>, row: &DataKeyRow, secret: Secret) -> Result<StreamKey, UnwrapError> {
    let key = DataKey::new(place, secret.clone());
    if key.id == row.id {
        return Ok(StreamKey::Data(key));
    }
    let key = PseudonymKey::new(place, secret);
    if key.id == row.id { Ok(StreamKey::Pseudonym(key)) } else { Err(UnwrapError::NotAuthentic) }
}

/// Unwraps the bytes of the key of a line, to be wrapped by another key. What is not the key that the line names is not
/// unwrapped: wrapped anew, it would look like it.
pub fn unwrap_secret(place: Place<'_>, row: &DataKeyRow, kek: &dyn WrappingKey) -> Result<Secret, UnwrapError> {
    let secret = unwrap_bytes(place, row, kek)?;
    identify(place, row, secret.clone())?;
    Ok(secret)
}

fn unwrap_bytes(place: Place<'_>, row: &DataKeyRow, kek: &dyn WrappingKey) -> Result<Secret, UnwrapError> {
    if row.alg.parse::<WrapAlgorithm>() != Ok(kek.algorithm()) {
        return Err(UnwrapError::NotAuthentic);
    }
    let bytes = kek.unwrap(&row.wrapped, &wrap_associated_data(place, &row.id, &row.kek))?;
    let mut secret = Secret::default();
    if bytes.len() != KEY_BYTES {
        return Err(UnwrapError::NotAuthentic);
    }
    secret.copy_from_slice(&bytes);
    Ok(secret)
}

fn commitment(tag: &str, place: Place<'_>, secret: &Secret) -> Hash {
    let mut bytes = Zeroizing::new(Vec::with_capacity(128 + place.stream.len()));
    cbor::put_array(&mut bytes, 4);
    cbor::put_text(&mut bytes, tag);
    cbor::put_bytes(&mut bytes, place.log);
    cbor::put_text(&mut bytes, place.stream);
    cbor::put_bytes(&mut bytes, secret.as_slice());
    Hash::sha256(&bytes)
}

fn associated_data(place: Place<'_>, encoding: &str, key: &Hash) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + place.stream.len() + encoding.len());
    cbor::put_array(&mut out, 5);
    cbor::put_text(&mut out, "secure-log/v1/sealed");
    cbor::put_bytes(&mut out, place.log);
    cbor::put_text(&mut out, place.stream);
    cbor::put_text(&mut out, encoding);
    cbor::put_bytes(&mut out, &key.0);
    out
}

fn wrap_associated_data(place: Place<'_>, key: &Hash, label: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + place.stream.len() + label.len());
    cbor::put_array(&mut out, 5);
    cbor::put_text(&mut out, "secure-log/v1/kek");
    cbor::put_bytes(&mut out, place.log);
    cbor::put_text(&mut out, place.stream);
    cbor::put_bytes(&mut out, &key.0);
    cbor::put_text(&mut out, label);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place { log: &[3; 16], stream: "a" };

    fn key(byte: u8) -> DataKey {
        DataKey::new(PLACE, Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_sealed_payload_has_one_form() {
        for length in [0, 1, 7, 8, 300, 70_000] {
            let mut payload = Vec::new();
            key(1).seal(PLACE, "text", &[0; 24], &vec![7; length], &mut payload);
            let sealed = SealedPayload::decode(&payload).unwrap();
            assert_eq!((sealed.key, sealed.ciphertext.len()), (key(1).id(), length + TAG_BYTES));
            assert!(payload.len() <= length + MAX_OVERHEAD_BYTES);
            assert_eq!(*key(1).open(PLACE, "text", &sealed).unwrap(), vec![7; length]);
        }
        let mut good = Vec::new();
        key(1).seal(PLACE, "text", &[0; 24], b"", &mut good);
        assert!(SealedPayload::decode(&good[..good.len() - 1]).is_err());
        assert!(SealedPayload::decode(&[&good[..], &[0]].concat()).is_err());
        let mut short = good[..good.len() - 17].to_vec();
        cbor::put_bytes(&mut short, &[0; 15]);
        assert!(SealedPayload::decode(&short).is_err(), "no room for a tag");
    }

    #[test]
    fn what_is_opened_is_what_project_wycheproof_opens() {
        let Some(folder) = std::env::var_os("SECURE_LOG_PUBLIC_VECTORS") else {
            eprintln!("NOT RUN: SECURE_LOG_PUBLIC_VECTORS does not say where the vectors of Project Wycheproof are");
            return;
        };
        let file = std::path::Path::new(&folder).join("wycheproof/xchacha20_poly1305_test.json");
        let vectors: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let (mut valid, mut invalid) = (0, 0);
        for case in
            vectors["testGroups"].as_array().unwrap().iter().flat_map(|group| group["tests"].as_array().unwrap())
        {
            let bytes = |name: &str| const_hex::decode(case[name].as_str().unwrap()).unwrap();
            let (Ok(nonce), Ok(key), Ok(tag)) =
                (bytes("iv").try_into(), <[u8; 32]>::try_from(bytes("key")), bytes("tag").try_into())
            else {
                // A nonce of another length has no place in the format.
                assert_eq!(case["result"], "invalid", "{case}");
                continue;
            };
            let (key, aad, mut text) = (Zeroizing::new(key), bytes("aad"), bytes("ct"));
            let opened = decrypt(&key, &nonce, &aad, &mut text, &tag);
            match case["result"].as_str().unwrap() {
                "valid" => {
                    assert_eq!((opened, &text), (Ok(()), &bytes("msg")), "{case}");
                    assert_eq!((encrypt(&key, &nonce, &aad, &mut text), text), (tag, bytes("ct")), "{case}");
                    valid += 1;
                }
                _ => {
                    assert_eq!(opened, Err(NotAuthentic), "{case}");
                    invalid += 1;
                }
            }
        }
        assert!(valid > 100 && invalid > 50, "{valid} {invalid}");
    }

    #[test]
    fn row_20_it_opens_at_its_place_with_its_key_and_encoding_and_nowhere_else() {
        let mut payload = Vec::new();
        key(1).seal(PLACE, "text", &[9; 24], b"secret", &mut payload);
        let sealed = SealedPayload::decode(&payload).unwrap();
        let (other_log, other_stream) = (Place { log: &[4; 16], ..PLACE }, Place { stream: "b", ..PLACE });
        let same_bytes = |place| DataKey::new(place, Zeroizing::new([1; 32]));
        for (refused, why) in [
            (key(1).open(PLACE, "text2", &sealed), "encoding"),
            (key(1).open(other_log, "text", &sealed), "log"),
            (key(1).open(other_stream, "text", &sealed), "stream"),
            (same_bytes(other_stream).open(other_stream, "text", &sealed), "the same bytes in another stream"),
            (same_bytes(other_log).open(other_log, "text", &sealed), "the same bytes in another log"),
            (key(2).open(PLACE, "text", &sealed), "key"),
            (key(2).open(PLACE, "text", &SealedPayload { key: key(2).id(), ..sealed }), "key that is named"),
            (key(1).open(PLACE, "text", &SealedPayload { key: key(2).id(), ..sealed }), "key that is not named"),
        ] {
            assert_eq!(refused, Err(NotAuthentic), "{why}");
        }
        for bit in 0..payload.len() * 8 {
            let mut flipped = payload.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let opened = SealedPayload::decode(&flipped).map(|sealed| key(1).open(PLACE, "text", &sealed));
            assert!(matches!(opened, Err(_) | Ok(Err(NotAuthentic))), "bit {bit}");
        }
    }

    #[test]
    fn what_is_restricted_comes_back() {
        let restricted = Restricted { event: "e", producer: "", payload: &[5; 400] };
        let mut payload = Vec::new();
        key(1).seal_restricted(PLACE, "text", &[9; 24], &restricted, &mut payload);
        let opened = key(1).open(PLACE, "text", &SealedPayload::decode(&payload).unwrap()).unwrap();
        let back = Restricted::decode(&opened).unwrap();
        assert_eq!((back.event, back.producer, back.payload), ("e", "", &[5; 400][..]));
        assert!(Restricted::decode(&opened[..opened.len() - 1]).is_err());
    }

    #[test]
    fn nothing_printed_shows_a_key_or_what_was_sealed() {
        let place = Place { log: &[0; 16], stream: "s" };
        let (data, pseudonyms) =
            (DataKey::new(place, Zeroizing::new([0x41; 32])), PseudonymKey::new(place, Zeroizing::new([0x41; 32])));
        let restricted = Restricted { event: "AAAA", producer: "AAAA", payload: b"AAAA" };
        let shown = format!("{data:?} {pseudonyms:?} {restricted:?}");
        assert_eq!(shown, format!("DataKey({}) PseudonymKey({}) Restricted(..)", data.id(), pseudonyms.id()));
        assert_ne!(data.id(), pseudonyms.id(), "the same bytes are two keys");
    }
}
