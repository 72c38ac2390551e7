//! From a template to the attributes of an object: what a token allows, and what it decides by itself.

use std::collections::BTreeMap;

use secure_log_pkcs11::{Attribute, AttributeType, KeyType, ObjectClass, Rv};

/// Names and other texts of a template may be this long.
const MAX_VALUE_BYTES: usize = 1024;

/// Attributes that only the token sets.
const READ_ONLY: &[AttributeType] = &[
    AttributeType::Local,
    AttributeType::NeverExtractable,
    AttributeType::AlwaysSensitive,
    AttributeType::Modulus,
    AttributeType::EcPoint,
];

/// A template that is being read: what is taken out of it is understood, and nothing may be left.
pub(crate) struct Template(BTreeMap<AttributeType, Attribute>);

/// Takes a value of an attribute out of a template, or the default.
macro_rules! take {
    ($template:expr, $case:ident) => {
        match $template.0.remove(&AttributeType::$case) {
            Some(Attribute::$case(value)) => Some(value),
            _ => None,
        }
    };
    ($template:expr, $case:ident, $default:expr) => {
        take!($template, $case).unwrap_or($default)
    };
}

impl Template {
    pub(crate) fn new(attributes: &[Attribute]) -> Result<Template, Rv> {
        let mut all = BTreeMap::new();
        for attribute in attributes {
            if length(attribute) > MAX_VALUE_BYTES {
                return Err(Rv::AttributeValueInvalid);
            }
            if all.insert(attribute.kind(), attribute.clone()).is_some() {
                return Err(Rv::TemplateInconsistent);
            }
        }
        Ok(Template(all))
    }

    pub(crate) fn ec_params(&mut self) -> Result<Vec<u8>, Rv> {
        take!(self, EcParams).ok_or(Rv::TemplateIncomplete)
    }

    /// Bits of the modulus, for an exponent of 65537 alone.
    pub(crate) fn modulus_bits(&mut self) -> Result<u64, Rv> {
        const F4: &[u8] = &[1, 0, 1];
        if take!(self, PublicExponent).is_some_and(|exponent| exponent != F4) {
            return Err(Rv::AttributeValueInvalid);
        }
        take!(self, ModulusBits).ok_or(Rv::TemplateIncomplete)
    }

    pub(crate) fn value(&mut self) -> Result<Vec<u8>, Rv> {
        take!(self, Value).ok_or(Rv::TemplateIncomplete)
    }

    pub(crate) fn value_len(&mut self) -> Option<u64> {
        take!(self, ValueLen)
    }

    /// Whether the object is one of the token. Does not take it out.
    pub(crate) fn is_of_token(&self) -> bool {
        self.0.get(&AttributeType::Token) == Some(&Attribute::Token(true))
    }

    /// The attributes of a public key, without those of its kind of key.
    pub(crate) fn public_key(mut self, kind: KeyType) -> Result<Vec<Attribute>, Rv> {
        let mut out = self.common(ObjectClass::PublicKey, kind)?;
        self.is_only(Attribute::Private(false))?;
        out.push(Attribute::Private(false));
        out.push(Attribute::Verify(take!(self, Verify, false)));
        for never in [Attribute::Encrypt(false), Attribute::Wrap(false)] {
            self.is_only(never.clone())?;
            out.push(never);
        }
        out.push(Attribute::Local(true));
        self.end()?;
        Ok(out)
    }

    /// The attributes of a private key: sensitive and never extractable, whatever is asked for.
    pub(crate) fn private_key(mut self, kind: KeyType) -> Result<Vec<Attribute>, Rv> {
        let mut out = self.common(ObjectClass::PrivateKey, kind)?;
        out.push(Attribute::Sign(take!(self, Sign, false)));
        for always in [
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Decrypt(false),
            Attribute::Unwrap(false),
        ] {
            self.is_only(always.clone())?;
            out.push(always);
        }
        out.extend(kept_for_good());
        self.end()?;
        Ok(out)
    }

    /// The attributes of a secret key that the token made.
    pub(crate) fn generated_secret_key(mut self, kind: KeyType, length: u64) -> Result<Vec<Attribute>, Rv> {
        let mut out = self.common(ObjectClass::SecretKey, kind)?;
        for always in [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(false)] {
            self.is_only(always.clone())?;
            out.push(always);
        }
        self.uses(kind, &mut out)?;
        out.push(Attribute::ValueLen(length));
        out.extend(kept_for_good());
        self.end()?;
        Ok(out)
    }

    /// The attributes of a secret key that came from outside: of the session alone, so that the token holds no key that
    /// somebody else may have.
    pub(crate) fn foreign_secret_key(mut self, length: u64) -> Result<Vec<Attribute>, Rv> {
        let kind = take!(self, KeyType).ok_or(Rv::TemplateIncomplete)?;
        if !matches!(kind, KeyType::GenericSecret | KeyType::Aes) {
            return Err(Rv::AttributeValueInvalid);
        }
        if kind == KeyType::Aes && !AES_BYTES.contains(&length) {
            return Err(Rv::AttributeValueInvalid);
        }
        if take!(self, Class) != Some(ObjectClass::SecretKey) {
            return Err(Rv::TemplateInconsistent);
        }
        self.is_only(Attribute::Token(false))?;
        let mut out = self.common(ObjectClass::SecretKey, kind)?;
        out.push(Attribute::Private(take!(self, Private, true)));
        out.push(Attribute::Sensitive(take!(self, Sensitive, true)));
        out.push(Attribute::Extractable(take!(self, Extractable, false)));
        self.uses(kind, &mut out)?;
        if self.value_len().is_some_and(|stated| stated != length) {
            return Err(Rv::TemplateInconsistent);
        }
        out.push(Attribute::ValueLen(length));
        out.extend([Attribute::Local(false), Attribute::AlwaysSensitive(false), Attribute::NeverExtractable(false)]);
        self.end()?;
        Ok(out)
    }

    fn common(&mut self, class: ObjectClass, kind: KeyType) -> Result<Vec<Attribute>, Rv> {
        self.is_only(Attribute::Class(class))?;
        self.is_only(Attribute::KeyType(kind))?;
        Ok(vec![
            Attribute::Class(class),
            Attribute::KeyType(kind),
            Attribute::Token(take!(self, Token, false)),
            Attribute::Label(take!(self, Label, String::new())),
            Attribute::Id(take!(self, Id, Vec::new())),
        ])
    }

    /// What a secret key may be used for: AES for encryption and wrapping, others for MACs.
    fn uses(&mut self, kind: KeyType, out: &mut Vec<Attribute>) -> Result<(), Rv> {
        let aes = kind == KeyType::Aes;
        for (asked, allowed) in [
            (Attribute::Sign(take!(self, Sign, false)), !aes),
            (Attribute::Verify(take!(self, Verify, false)), !aes),
            (Attribute::Encrypt(take!(self, Encrypt, false)), aes),
            (Attribute::Decrypt(take!(self, Decrypt, false)), aes),
            (Attribute::Wrap(take!(self, Wrap, false)), aes),
            (Attribute::Unwrap(take!(self, Unwrap, false)), aes),
        ] {
            let wants = matches!(
                asked,
                Attribute::Sign(true)
                    | Attribute::Verify(true)
                    | Attribute::Encrypt(true)
                    | Attribute::Decrypt(true)
                    | Attribute::Wrap(true)
                    | Attribute::Unwrap(true)
            );
            if wants && !allowed {
                return Err(Rv::TemplateInconsistent);
            }
            out.push(asked);
        }
        Ok(())
    }

    /// Takes an attribute that may have this value only.
    fn is_only(&mut self, attribute: Attribute) -> Result<(), Rv> {
        match self.0.remove(&attribute.kind()) {
            Some(other) if other != attribute => Err(Rv::TemplateInconsistent),
            _ => Ok(()),
        }
    }

    fn end(self) -> Result<(), Rv> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(kind) if READ_ONLY.contains(kind) => Err(Rv::AttributeReadOnly),
            // Known, and nothing that such an object has.
            Some(_) => Err(Rv::TemplateInconsistent),
        }
    }
}

/// Lengths of AES keys.
pub(crate) const AES_BYTES: [u64; 3] = [16, 24, 32];

fn kept_for_good() -> [Attribute; 3] {
    [Attribute::Local(true), Attribute::AlwaysSensitive(true), Attribute::NeverExtractable(true)]
}

fn length(attribute: &Attribute) -> usize {
    match attribute {
        Attribute::Label(text) => text.len(),
        Attribute::Id(bytes)
        | Attribute::Modulus(bytes)
        | Attribute::PublicExponent(bytes)
        | Attribute::EcParams(bytes)
        | Attribute::EcPoint(bytes)
        | Attribute::Value(bytes) => bytes.len(),
        _ => 0,
    }
}
