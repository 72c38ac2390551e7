//! The vectors of Project Wycheproof for the algorithm that derives keys from a seed. They are read where
//! `SECURE_LOG_PUBLIC_VECTORS` says they are. Which keys become of a seed, `keys.rs` pins.

use hkdf::Hkdf;
use serde_json::Value;
use sha2::Sha256;

#[test]
fn hkdf_sha256() {
    let Some(folder) = std::env::var_os("SECURE_LOG_PUBLIC_VECTORS") else {
        eprintln!("NOT RUN: SECURE_LOG_PUBLIC_VECTORS does not say where the vectors of Project Wycheproof are");
        return;
    };
    let file = std::path::Path::new(&folder).join("wycheproof/hkdf_sha256_test.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (mut valid, mut unsalted, mut invalid) = (0, 0, 0);
    for case in vectors["testGroups"].as_array().unwrap().iter().flat_map(|group| group["tests"].as_array().unwrap()) {
        let hex = |name: &str| const_hex::decode(case[name].as_str().unwrap()).unwrap();
        let salt = hex("salt");
        // We derive without a salt, which is the same as an empty one.
        let salt = (!salt.is_empty()).then_some(&salt[..]);
        let mut okm = vec![0; case["size"].as_u64().unwrap() as usize];
        let derived = Hkdf::<Sha256>::new(salt, &hex("ikm")).expand(&hex("info"), &mut okm);
        match case["result"].as_str().unwrap() {
            "valid" => {
                assert!(derived.is_ok() && okm == hex("okm"), "{case}");
                valid += 1;
                unsalted += u32::from(salt.is_none());
            }
            _ => {
                assert!(derived.is_err(), "{case}");
                invalid += 1;
            }
        }
    }
    assert!(valid >= 80 && unsalted >= 20 && invalid >= 3, "{valid} {unsalted} {invalid}");
}
