//! Bytes, as base64 text.

use core::fmt;
use std::borrow::Cow;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use secure_log::hash::Hash;
use secure_log::index::IndexKey;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Any bytes, in the standard alphabet with padding.
#[derive(Debug)]
pub(crate) struct Binary<'a>(pub(crate) Cow<'a, [u8]>);

impl<'a> From<&'a [u8]> for Binary<'a> {
    fn from(bytes: &'a [u8]) -> Binary<'a> {
        Binary(Cow::Borrowed(bytes))
    }
}

impl Serialize for Binary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(&self.0, &STANDARD))
    }
}

impl<'de> Deserialize<'de> for Binary<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<'a>(PhantomData<&'a ()>);

        impl<'a> Visitor<'_> for Text<'a> {
            type Value = Binary<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes as base64 text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Binary<'a>, E> {
                let bytes = STANDARD.decode(text).map_err(|error| E::custom(format!("no base64 text: {error}")))?;
                Ok(Binary(Cow::Owned(bytes)))
            }
        }

        deserializer.deserialize_str(Text(PhantomData))
    }
}

/// A hash of 32 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest(pub(crate) Hash);

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Binary::from(self.0.as_bytes().as_slice()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Binary::deserialize(deserializer)?.0;
        match bytes.as_ref().try_into() {
            Ok(hash) => Ok(Digest(hash)),
            Err(_) => Err(D::Error::custom(format!("{} bytes stand where a hash of 32 belongs", bytes.len()))),
        }
    }
}

/// A key of the index: 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key(pub(crate) IndexKey);

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Binary::from(self.0.0.as_slice()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Binary::deserialize(deserializer)?.0;
        match bytes.as_ref().try_into() {
            Ok(key) => Ok(Key(IndexKey(key))),
            Err(_) => Err(D::Error::custom(format!("{} bytes stand where a key of 16 belongs", bytes.len()))),
        }
    }
}

/// Hashes one right after the other.
#[derive(Debug)]
pub(crate) struct Digests(pub(crate) Vec<Hash>);

impl Serialize for Digests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|hash| hash.0).collect();
        Binary(Cow::Owned(bytes)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Digests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Binary::deserialize(deserializer)?.0;
        let (hashes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(D::Error::custom(format!("{} bytes are not hashes of 32 each", bytes.len())));
        }
        Ok(Digests(hashes.iter().map(|hash| Hash(*hash)).collect()))
    }
}
