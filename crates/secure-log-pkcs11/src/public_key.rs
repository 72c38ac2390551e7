//! Public keys as tokens keep them, in the form of format.md s.5.

use rsa::BigUint;
use rsa::pkcs8::EncodePublicKey as _;
use secure_log::sign::{Algorithm, PublicKey};

use crate::connection::value_of;
use crate::cryptoki::{Attribute, AttributeType, KeyType, P256_PARAMS};

/// What has to be known of a public key.
pub(crate) const ATTRIBUTES: &[AttributeType] = &[
    AttributeType::KeyType,
    AttributeType::EcParams,
    AttributeType::EcPoint,
    AttributeType::Modulus,
    AttributeType::PublicExponent,
];

/// The algorithm and the public key, or what is wrong with it.
pub(crate) fn from_attributes(attributes: &[Attribute]) -> Result<PublicKey, String> {
    let (algorithm, bytes) = match value_of!(attributes, KeyType) {
        Some(KeyType::EcEdwards) => (Algorithm::Ed25519, point(attributes, 32)?),
        Some(KeyType::Ec) => {
            if value_of!(attributes, EcParams).as_deref() != Some(P256_PARAMS) {
                return Err("an elliptic curve key must be of P-256".into());
            }
            (Algorithm::EcdsaP256, point(attributes, 65)?)
        }
        Some(KeyType::Rsa) => (Algorithm::RsaPssSha256, rsa(attributes)?),
        _ => return Err("a signing key must be of Ed25519, P-256 or RSA".into()),
    };
    PublicKey::new(algorithm, &bytes).map_err(|error| error.to_string())
}

/// A point of so many bytes: a DER octet string or, since revisions of the standard differ, the bytes alone.
fn point(attributes: &[Attribute], length: u8) -> Result<Vec<u8>, String> {
    const OCTET_STRING: u8 = 4;
    let bytes = value_of!(attributes, EcPoint).ok_or("the public key has no CKA_EC_POINT")?;
    let wanted = usize::from(length);
    match bytes.strip_prefix(&[OCTET_STRING, length]) {
        Some(inner) if inner.len() == wanted => Ok(inner.to_vec()),
        _ if bytes.len() == wanted => Ok(bytes),
        _ => Err(format!("CKA_EC_POINT is no point of {length} bytes")),
    }
}

fn rsa(attributes: &[Attribute]) -> Result<Vec<u8>, String> {
    let modulus = value_of!(attributes, Modulus).ok_or("the public key has no CKA_MODULUS")?;
    let exponent = value_of!(attributes, PublicExponent).ok_or("the public key has no CKA_PUBLIC_EXPONENT")?;
    let key = rsa::RsaPublicKey::new(BigUint::from_bytes_be(&modulus), BigUint::from_bytes_be(&exponent));
    let key = key.map_err(|error| format!("the RSA key cannot be used: {error}"))?;
    let der = key.to_public_key_der().map_err(|error| format!("the RSA key cannot be written: {error}"))?;
    Ok(der.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cryptoki::ED25519_PARAMS;

    /// The public key of RFC 8032 s.7.1, test 1.
    const POINT: [u8; 32] = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1,
        0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
    ];

    fn edwards(point: &[u8]) -> Result<PublicKey, String> {
        from_attributes(&[
            Attribute::KeyType(KeyType::EcEdwards),
            Attribute::EcParams(ED25519_PARAMS.into()),
            Attribute::EcPoint(point.into()),
        ])
    }

    #[test]
    fn both_spellings_of_an_edwards_point_are_read() {
        let der = [&[4, 32], &POINT[..]].concat();
        assert_eq!(edwards(&der).unwrap().as_bytes(), POINT);
        assert_eq!(edwards(&POINT).unwrap().as_bytes(), POINT);
        for bad in [&der[..33], &POINT[..31], &[], &[4, 32], &[&der[..], &[0]].concat()] {
            assert!(edwards(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn other_keys_are_refused() {
        let p384 = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
        let of = |kind, params: &[u8]| from_attributes(&[Attribute::KeyType(kind), Attribute::EcParams(params.into())]);
        assert!(of(KeyType::Ec, &p384).unwrap_err().contains("P-256"));
        assert!(of(KeyType::Other(0x99), &[]).is_err());
        let weak = from_attributes(&[
            Attribute::KeyType(KeyType::Rsa),
            Attribute::Modulus([&[0x80], &[1; 127][..]].concat()),
            Attribute::PublicExponent(vec![1, 0, 1]),
        ]);
        assert!(weak.unwrap_err().contains("2048"));
    }
}
