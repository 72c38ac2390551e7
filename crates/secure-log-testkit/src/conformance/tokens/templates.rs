//! Templates of every kind.

use secure_log_pkcs11::{
    Attribute, AttributeType, Cryptoki, ED25519_PARAMS, KeyType, Mechanism, ObjectClass, ObjectHandle, P256_PARAMS, Rv,
    Session,
};

use super::Token;
use crate::{SeededRandom, count};

const CREATE: &str = "C_CreateObject";

/// Whatever is asked for, the answer is an object or an error; a secret that is not to be seen is not seen.
pub(super) fn random_templates<C: Cryptoki>(token: &Token<C>) {
    let mut random = SeededRandom::new(crate::seed());
    let session = token.user();
    for round in 0..count(60, 1000) {
        let (first, second) = (random_template(&mut random), random_template(&mut random));
        let (call, answer): (&str, Result<Vec<ObjectHandle>, Rv>) = match random.below(4) {
            0 => (CREATE, session.create_object(&first).map(|object| vec![object])),
            1 => {
                let kinds = [Mechanism::AesKeyGen, Mechanism::GenericSecretKeyGen, Mechanism::Eddsa];
                let made = session.generate_key(pick(&mut random, &kinds), &first);
                ("C_GenerateKey", made.map(|object| vec![object]))
            }
            // RSA keys take seconds to make, and their templates are read by the same code.
            _ => {
                let kinds = [Mechanism::EcEdwardsKeyPairGen, Mechanism::EcKeyPairGen, Mechanism::AesKeyGen];
                let made = session.generate_key_pair(pick(&mut random, &kinds), &first, &second);
                ("C_GenerateKeyPair", made.map(|(public, private)| vec![public, private]))
            }
        };
        let is_refused = answer.is_err();
        let what = format!("round {round}, {call} of {first:?} and {second:?}: {answer:?}");
        for object in answer.into_iter().flatten() {
            let shown = session.attribute_value(object, AttributeType::ALL).expect("attributes are answered");
            let shown: Vec<Attribute> = shown.into_iter().flatten().collect();
            let is = |attribute: Attribute| shown.contains(&attribute);
            let secret = is(Attribute::Sensitive(true)) || is(Attribute::Extractable(false));
            let has_value = shown.iter().any(|attribute| attribute.kind() == AttributeType::Value);
            assert!(!(secret && has_value), "{what}: it shows a secret");
            session.destroy_object(object).expect("what was made can be destroyed");
        }
        let found = session.find_objects(&first).expect("any template can be searched for");
        if token.habits.leaves_refused_objects && call == CREATE && is_refused {
            found.into_iter().for_each(|object| session.destroy_object(object).expect("it can be destroyed"));
            continue;
        }
        assert!(found.is_empty(), "{what}: an object of {found:?} is left");
    }
}

fn pick<'a, T>(random: &mut SeededRandom, all: &'a [T]) -> &'a T {
    &all[random.below(all.len() as u64) as usize]
}

fn random_template(random: &mut SeededRandom) -> Vec<Attribute> {
    let mut template = vec![Attribute::Label(format!("random-{}", random.word()))];
    for kind in AttributeType::ALL {
        if random.below(3) == 0 {
            template.push(random_attribute(random, *kind));
        }
    }
    template
}

fn random_attribute(random: &mut SeededRandom, kind: AttributeType) -> Attribute {
    let flag = random.below(2) == 0;
    let number = *pick(random, &[0, 1, 16, 31, 32, 33, 2048, u64::from(u32::MAX)]);
    let length = *pick(random, &[0, 1, 16, 32, 65, 1000]);
    let bytes: Vec<u8> = (0..length).map(|_| random.word() as u8).collect();
    let classes = [ObjectClass::PublicKey, ObjectClass::PrivateKey, ObjectClass::SecretKey, ObjectClass::Data];
    let kinds = [KeyType::Aes, KeyType::GenericSecret, KeyType::Ec, KeyType::EcEdwards, KeyType::Rsa];
    match kind {
        AttributeType::Class => Attribute::Class(*pick(random, &classes)),
        AttributeType::KeyType => Attribute::KeyType(*pick(random, &kinds)),
        AttributeType::Label => Attribute::Label("another".into()),
        AttributeType::Id => Attribute::Id(bytes),
        AttributeType::Modulus => Attribute::Modulus(bytes),
        AttributeType::PublicExponent => Attribute::PublicExponent(bytes),
        AttributeType::EcParams => {
            Attribute::EcParams(pick(random, &[ED25519_PARAMS.to_vec(), P256_PARAMS.to_vec(), bytes]).clone())
        }
        AttributeType::EcPoint => Attribute::EcPoint(bytes),
        AttributeType::Value => Attribute::Value(bytes),
        AttributeType::ModulusBits => Attribute::ModulusBits(number),
        AttributeType::ValueLen => Attribute::ValueLen(number),
        AttributeType::Token => Attribute::Token(flag),
        AttributeType::Private => Attribute::Private(flag),
        AttributeType::Sensitive => Attribute::Sensitive(flag),
        AttributeType::Encrypt => Attribute::Encrypt(flag),
        AttributeType::Decrypt => Attribute::Decrypt(flag),
        AttributeType::Wrap => Attribute::Wrap(flag),
        AttributeType::Unwrap => Attribute::Unwrap(flag),
        AttributeType::Sign => Attribute::Sign(flag),
        AttributeType::Verify => Attribute::Verify(flag),
        AttributeType::Extractable => Attribute::Extractable(flag),
        AttributeType::Local => Attribute::Local(flag),
        AttributeType::NeverExtractable => Attribute::NeverExtractable(flag),
        AttributeType::AlwaysSensitive => Attribute::AlwaysSensitive(flag),
    }
}
