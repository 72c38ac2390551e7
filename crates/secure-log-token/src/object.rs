//! Objects: attributes that may be seen, and a secret that may not.

use secure_log::cbor::{Decoder, put_array, put_bytes, put_text, put_uint};
use secure_log_pkcs11::{Attribute, AttributeType, KeyType, ObjectClass};
use zeroize::Zeroizing;

const MAGIC: &str = "secure-log/v1/token-object";

#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) attributes: Vec<Attribute>,
    /// The private or the secret key; empty for public keys.
    pub(crate) secret: Zeroizing<Vec<u8>>,
}

impl Object {
    /// Whether it has every attribute of the template, with this value.
    pub(crate) fn matches(&self, template: &[Attribute]) -> bool {
        template.iter().all(|wanted| self.attributes.contains(wanted))
    }

    /// An attribute as it is shown. Of secrets only a key of a session that may be extracted has a value.
    pub(crate) fn shown(&self, kind: AttributeType) -> Option<Attribute> {
        if kind == AttributeType::Value {
            return self.is_extractable().then(|| Attribute::Value(self.secret.to_vec()));
        }
        self.attributes.iter().find(|attribute| attribute.kind() == kind).cloned()
    }

    /// Whether this is so: `has(Attribute::Sign(true))`.
    pub(crate) fn has(&self, attribute: Attribute) -> bool {
        self.attributes.contains(&attribute)
    }

    pub(crate) fn is_private(&self) -> bool {
        self.has(Attribute::Private(true))
    }

    pub(crate) fn is_extractable(&self) -> bool {
        self.has(Attribute::Extractable(true)) && self.has(Attribute::Sensitive(false))
    }

    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Room for all of it at once: growing would leave parts of the secret behind.
        let mut out = Zeroizing::new(Vec::with_capacity(self.secret.len() + 4096));
        put_array(&mut out, 4);
        put_text(&mut out, MAGIC);
        put_uint(&mut out, self.attributes.len() as u64);
        let mut attributes = Vec::new();
        for attribute in &self.attributes {
            put_attribute(&mut attributes, attribute);
        }
        put_bytes(&mut out, &attributes);
        put_bytes(&mut out, &self.secret);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Object> {
        let mut outer = Decoder::new(bytes);
        outer.array(4).ok()?;
        (outer.text().ok()? == MAGIC).then_some(())?;
        let count = outer.uint().ok()?;
        let mut inner = Decoder::new(outer.bytes().ok()?);
        let attributes = (0..count).map(|_| take_attribute(&mut inner)).collect::<Option<Vec<Attribute>>>()?;
        inner.end().ok()?;
        let secret = Zeroizing::new(outer.bytes().ok()?.to_vec());
        outer.end().ok()?;
        Some(Object { attributes, secret })
    }
}

fn put_attribute(out: &mut Vec<u8>, attribute: &Attribute) {
    put_array(out, 2);
    let kind = attribute.kind();
    put_uint(out, AttributeType::ALL.iter().position(|known| *known == kind).expect("all are there") as u64);
    match attribute {
        Attribute::Class(class) => put_uint(out, class.number()),
        Attribute::KeyType(kind) => put_uint(out, kind.number()),
        Attribute::ModulusBits(number) | Attribute::ValueLen(number) => put_uint(out, *number),
        Attribute::Label(text) => put_text(out, text),
        Attribute::Id(bytes)
        | Attribute::Modulus(bytes)
        | Attribute::PublicExponent(bytes)
        | Attribute::EcParams(bytes)
        | Attribute::EcPoint(bytes)
        | Attribute::Value(bytes) => put_bytes(out, bytes),
        Attribute::Token(flag)
        | Attribute::Private(flag)
        | Attribute::Sensitive(flag)
        | Attribute::Encrypt(flag)
        | Attribute::Decrypt(flag)
        | Attribute::Wrap(flag)
        | Attribute::Unwrap(flag)
        | Attribute::Sign(flag)
        | Attribute::Verify(flag)
        | Attribute::Extractable(flag)
        | Attribute::Local(flag)
        | Attribute::NeverExtractable(flag)
        | Attribute::AlwaysSensitive(flag) => put_uint(out, u64::from(*flag)),
    }
}

fn take_attribute(decoder: &mut Decoder<'_>) -> Option<Attribute> {
    decoder.array(2).ok()?;
    let kind = AttributeType::ALL.get(usize::try_from(decoder.uint().ok()?).ok()?)?;
    let mut number = || decoder.uint().ok();
    Some(match kind {
        AttributeType::Class => Attribute::Class(ObjectClass::from_number(number()?)),
        AttributeType::KeyType => Attribute::KeyType(KeyType::from_number(number()?)),
        AttributeType::ModulusBits => Attribute::ModulusBits(number()?),
        AttributeType::ValueLen => Attribute::ValueLen(number()?),
        AttributeType::Label => Attribute::Label(decoder.text().ok()?.into()),
        AttributeType::Id => Attribute::Id(decoder.bytes().ok()?.into()),
        AttributeType::Modulus => Attribute::Modulus(decoder.bytes().ok()?.into()),
        AttributeType::PublicExponent => Attribute::PublicExponent(decoder.bytes().ok()?.into()),
        AttributeType::EcParams => Attribute::EcParams(decoder.bytes().ok()?.into()),
        AttributeType::EcPoint => Attribute::EcPoint(decoder.bytes().ok()?.into()),
        AttributeType::Value => Attribute::Value(decoder.bytes().ok()?.into()),
        AttributeType::Token => Attribute::Token(flag(number()?)?),
        AttributeType::Private => Attribute::Private(flag(number()?)?),
        AttributeType::Sensitive => Attribute::Sensitive(flag(number()?)?),
        AttributeType::Encrypt => Attribute::Encrypt(flag(number()?)?),
        AttributeType::Decrypt => Attribute::Decrypt(flag(number()?)?),
        AttributeType::Wrap => Attribute::Wrap(flag(number()?)?),
        AttributeType::Unwrap => Attribute::Unwrap(flag(number()?)?),
        AttributeType::Sign => Attribute::Sign(flag(number()?)?),
        AttributeType::Verify => Attribute::Verify(flag(number()?)?),
        AttributeType::Extractable => Attribute::Extractable(flag(number()?)?),
        AttributeType::Local => Attribute::Local(flag(number()?)?),
        AttributeType::NeverExtractable => Attribute::NeverExtractable(flag(number()?)?),
        AttributeType::AlwaysSensitive => Attribute::AlwaysSensitive(flag(number()?)?),
    })
}

fn flag(number: u64) -> Option<bool> {
    match number {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let object = Object {
            attributes: vec![
                Attribute::Class(ObjectClass::PrivateKey),
                Attribute::Label("é".into()),
                Attribute::Id(vec![]),
                Attribute::KeyType(KeyType::Other(77)),
                Attribute::ValueLen(32),
                Attribute::Sign(true),
                Attribute::EcPoint(vec![1, 2]),
            ],
            secret: Zeroizing::new(vec![9; 32]),
        };
        let bytes = object.encode();
        let read = Object::decode(&bytes).unwrap();
        assert_eq!((&read.attributes, &read.secret), (&object.attributes, &object.secret));
        for length in 0..bytes.len() {
            assert!(Object::decode(&bytes[..length]).is_none(), "length {length}");
        }
    }
}
