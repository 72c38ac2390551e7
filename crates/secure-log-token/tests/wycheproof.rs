//! The vectors of Project Wycheproof for what the token computes on values from outside. They are read where
//! `SECURE_LOG_PUBLIC_VECTORS` says they are.

use std::io::Write as _;
use std::path::Path;

use secure_log_pkcs11::{Attribute, Cryptoki as _, KeyType, Mechanism, ObjectClass, Pin, Session as _, UserType};
use secure_log_testkit::crash_disk::CrashDisk;
use secure_log_token::{Cost, Options, SoftToken};
use serde_json::Value;

#[test]
fn hmac_sha256() {
    let Some(folder) = std::env::var_os("SECURE_LOG_PUBLIC_VECTORS") else {
        let _ = writeln!(std::io::stderr(), "NOT RUN: SECURE_LOG_PUBLIC_VECTORS does not say where the vectors are");
        return;
    };
    let file = Path::new(&folder).join("wycheproof/hmac_sha256_test.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();

    let options = Options { cost: Cost { memory_kib: 8, passes: 1 }, ..Options::default() };
    let token = SoftToken::with_options(CrashDisk::new(), "token".into(), options);
    let pin = Pin::new("a PIN of both".into());
    token.init_token(0, &pin, "vectors").unwrap();
    let session = token.open_session(0, true).unwrap();
    session.login(UserType::So, &pin).unwrap();
    session.init_pin(&pin).unwrap();
    session.logout().unwrap();
    session.login(UserType::User, &pin).unwrap();

    let (mut valid, mut invalid) = (0, 0);
    for group in vectors["testGroups"].as_array().unwrap() {
        let tag_bytes = group["tagSize"].as_u64().unwrap() as usize / 8;
        for case in group["tests"].as_array().unwrap() {
            let hex = |name: &str| const_hex::decode(case[name].as_str().unwrap()).unwrap();
            let key = session.create_object(&[
                Attribute::Class(ObjectClass::SecretKey),
                Attribute::KeyType(KeyType::GenericSecret),
                Attribute::Sign(true),
                Attribute::Value(hex("key")),
            ]);
            let key = key.unwrap();
            let mac = session.sign(&Mechanism::Sha256Hmac, key, &hex("msg")).unwrap();
            let wanted = case["result"] == "valid";
            assert_eq!(mac[..tag_bytes] == hex("tag"), wanted, "{case}");
            *(if wanted { &mut valid } else { &mut invalid }) += 1;
            session.destroy_object(key).unwrap();
        }
    }
    assert!(valid >= 40 && invalid >= 40, "{valid} {invalid}");
}
