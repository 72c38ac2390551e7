//! What happens to a token that is interrupted, damaged, copied back, removed or shared.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secure_log::providers::{CheckpointSigner as _, KeyError};
use secure_log::sign::{Algorithm, verify};
use secure_log_disk::{OsDisk, Patience};
use secure_log_pkcs11::{
    Attribute, AttributeType, Config, Cryptoki as _, NewKey, ObjectClass, Pin, Rv, Session as _, TokenError,
    TokenKeystore, UserType,
};
use secure_log_testkit::count;
use secure_log_testkit::crash_disk::{CrashDisk, Fault};
use secure_log_token::{Cost, Options, RETRY_LIMIT, SoftToken};

/// PINs of tests protect nothing, and nobody is waited for long who was interrupted.
const CHEAP: Options = Options {
    cost: Cost { memory_kib: 8, passes: 1 },
    patience: Patience { wait: Duration::from_secs(5), stale_after: Duration::from_millis(100) },
};
const FOLDER: &str = "token";
const SO_PIN: &str = "so-pin-48151623";
const USER_PIN: &str = "user-pin-42108";
const NEW_PIN: &str = "user-pin-again";

type Keystore = TokenKeystore<SoftToken<CrashDisk>>;

fn token(disk: &CrashDisk) -> SoftToken<CrashDisk> {
    SoftToken::with_options(disk.clone(), FOLDER.into(), CHEAP)
}

fn pin(text: &str) -> Pin {
    Pin::new(text.into())
}

fn keystore(disk: &CrashDisk, user_pin: &str) -> Keystore {
    TokenKeystore::new(token(disk), Config { pin: Some(pin(user_pin)), so_pin: Some(pin(SO_PIN)), label: None })
}

fn generate(keystore: &Keystore, label: &str) -> Result<Vec<u8>, TokenError> {
    let made = keystore.generate(label, NewKey::Signing(Algorithm::Ed25519))?;
    Ok(made.public_key.expect("it signs").as_bytes().to_vec())
}

/// A token with the key `first`, and its public key.
fn with_first_key() -> (CrashDisk, Vec<u8>) {
    let disk = CrashDisk::new();
    let public = generate(&keystore(&disk, USER_PIN), "first").unwrap();
    (disk.image(0), public)
}

fn signs(keystore: &Keystore, label: &str) -> Vec<u8> {
    let key = keystore.signing_key(label).unwrap_or_else(|error| panic!("{label}: {error}"));
    let signature = key.sign(b"message").unwrap();
    verify(Algorithm::Ed25519, key.public_key(), b"message", &signature).unwrap();
    key.public_key().to_vec()
}

fn file(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

fn object_files(disk: &CrashDisk) -> Vec<PathBuf> {
    disk.names().into_iter().filter(|name| name.extension().is_some_and(|end| end == "object")).collect()
}

/// Calls `check` with every disk that can be left when each operation of `act` fails in each way.
fn interrupted<T>(
    base: &CrashDisk,
    act: impl Fn(&CrashDisk) -> Result<T, TokenError>,
    check: impl Fn(&CrashDisk, bool),
) {
    let whole = base.image(1);
    act(&whole).unwrap();
    let mut tried = 0;
    for operation in 0..whole.operations() {
        for fault in [Fault::NotDone, Fault::HalfDone, Fault::Done, Fault::Crash] {
            let disk = base.image(1);
            disk.fail_at(operation, fault);
            let done = act(&disk).is_ok();
            for seed in 0..count(3, 12) {
                check(&disk.image(seed), done);
            }
            if fault != Fault::Crash {
                check(&disk, done);
            }
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried} is not what writing a token takes");
}

#[test]
fn a_key_that_is_being_made_is_there_or_not() {
    let (base, first) = with_first_key();
    interrupted(
        &base,
        |disk| generate(&keystore(disk, USER_PIN), "second"),
        |disk, done| {
            let keystore = keystore(disk, USER_PIN);
            assert_eq!(signs(&keystore, "first"), first);
            let labels = keystore.list().unwrap();
            match labels.iter().any(|label| label == "second") {
                true => drop(signs(&keystore, "second")),
                false => {
                    assert!(!done, "what was answered is durable");
                    generate(&keystore, "second").unwrap();
                    signs(&keystore, "second");
                }
            }
        },
    );
}

#[test]
fn an_object_that_is_being_destroyed_is_there_or_not() {
    let (base, first) = with_first_key();
    generate(&keystore(&base, USER_PIN), "second").unwrap();
    let base = base.image(0);
    let destroy = |disk: &CrashDisk| {
        let failed = |rv| TokenError::Failed { call: "C_DestroyObject", rv };
        let session = token(disk).open_session(0, true).map_err(failed)?;
        session.login(UserType::User, &pin(USER_PIN)).map_err(failed)?;
        let of_second = [Attribute::Class(ObjectClass::PrivateKey), Attribute::Label("second".into())];
        for object in session.find_objects(&of_second).map_err(failed)? {
            session.destroy_object(object).map_err(failed)?;
        }
        Ok(())
    };
    interrupted(&base, destroy, |disk, done| {
        let keystore = keystore(disk, USER_PIN);
        assert_eq!(signs(&keystore, "first"), first);
        assert!(!(done && keystore.list().unwrap().contains(&"second".to_owned())), "what was answered is durable");
        // Whatever was left of it goes with the next change.
        generate(&keystore, "third").unwrap();
        let left = object_files(disk).len();
        let named = 4 + usize::from(keystore.list().unwrap().contains(&"second".to_owned())) + 1;
        assert_eq!(left, named, "{:?}", disk.names());
    });
}

#[test]
fn a_pin_that_is_being_changed_is_the_old_or_the_new_one() {
    let (base, first) = with_first_key();
    let change = |disk: &CrashDisk| {
        let failed = |rv| TokenError::Failed { call: "C_SetPIN", rv };
        let session = token(disk).open_session(0, true).map_err(failed)?;
        session.set_pin(&pin(USER_PIN), &pin(NEW_PIN)).map_err(failed)
    };
    interrupted(&base, change, |disk, done| {
        let opens = |user_pin: &str| keystore(disk, user_pin).signing_key("first").is_ok();
        assert_ne!(opens(USER_PIN), opens(NEW_PIN), "one of them opens it");
        assert!(!done || opens(NEW_PIN), "what was answered is durable");
        let current = if opens(NEW_PIN) { NEW_PIN } else { USER_PIN };
        assert_eq!(signs(&keystore(disk, current), "first"), first);
    });
}

#[test]
fn a_token_that_is_being_initialized_is_one_or_not() {
    let begin = |disk: &CrashDisk| {
        let failed = |rv| TokenError::Failed { call: "C_InitToken", rv };
        let token = token(disk);
        token.init_token(0, &pin(SO_PIN), "label").map_err(failed)?;
        let session = token.open_session(0, true).map_err(failed)?;
        session.login(UserType::So, &pin(SO_PIN)).map_err(failed)?;
        session.init_pin(&pin(USER_PIN)).map_err(failed)
    };
    interrupted(&CrashDisk::new(), begin, |disk, done| {
        let token = token(disk);
        if !token.token_info(0).unwrap().flags.token_initialized {
            assert!(!done, "what was answered is durable");
            token.init_token(0, &pin(SO_PIN), "label").unwrap();
        }
        let session = token.open_session(0, true).unwrap();
        if !done {
            session.login(UserType::So, &pin(SO_PIN)).unwrap();
            session.init_pin(&pin(USER_PIN)).unwrap();
            session.logout().unwrap();
        }
        session.login(UserType::User, &pin(USER_PIN)).unwrap();
    });
}

#[test]
fn a_try_counts_even_when_the_power_goes() {
    let (base, _) = with_first_key();
    let guess = |disk: &CrashDisk| {
        let session = token(disk).open_session(0, true).unwrap();
        session.login(UserType::User, &pin("not the user's"))
    };
    let whole = base.image(1);
    assert_eq!(guess(&whole), Err(Rv::PinIncorrect));
    for operation in 0..whole.operations() {
        let disk = base.image(1);
        disk.fail_at(operation, Fault::Crash);
        let answer = guess(&disk);
        let flags = token(&disk.image(0)).token_info(0).unwrap().flags;
        // The PIN is only looked at after the try was counted, so that no answer comes without a count.
        assert!(answer != Err(Rv::PinIncorrect) || flags.user_pin_count_low, "operation {operation}");
        assert!(!flags.user_pin_locked, "operation {operation}: a crash is not taken for a copy that was put back");
    }
}

#[test]
fn a_damaged_object_is_an_error_and_the_others_are_usable() {
    let (base, first) = with_first_key();
    let second = generate(&keystore(&base, USER_PIN), "second").unwrap();
    let private_of_second = object_files(&base).pop().unwrap();
    let damages: [fn(&CrashDisk, &Path); 4] = [
        |disk, path| {
            let mut bytes = disk.content(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            disk.put(path, &bytes);
        },
        |disk, path| disk.put(path, b""),
        |disk, path| disk.put(path, &vec![0x5a; 1 << 20]),
        |disk, path| secure_log_disk::Disk::remove(disk, path).unwrap(),
    ];
    for damage in damages {
        let disk = base.image(1);
        damage(&disk, &private_of_second);
        let keystore = keystore(&disk, USER_PIN);
        assert_eq!(signs(&keystore, "first"), first);
        let error = keystore.signing_key("second").map(drop).unwrap_err();
        assert_eq!(error, TokenError::Failed { call: "C_FindObjects", rv: Rv::DeviceError });
        assert!(matches!(KeyError::from(error), KeyError::Backend(_)), "a damaged key is never no key");

        // It can be found without a template, and destroyed.
        let session = token(&disk).open_session(0, true).unwrap();
        session.login(UserType::User, &pin(USER_PIN)).unwrap();
        let all = session.find_objects(&[]).unwrap();
        assert_eq!(all.len(), 4);
        let damaged = |object: &u64| session.attribute_value(*object, &[AttributeType::Label]) == Err(Rv::DeviceError);
        let damaged: Vec<u64> = all.into_iter().filter(damaged).collect();
        assert_eq!(damaged.len(), 1);
        session.destroy_object(damaged[0]).unwrap();
        drop(session);
        assert!(matches!(keystore.signing_key("second").map(drop), Err(TokenError::NotPermitted { .. })));
    }
    assert_eq!(signs(&keystore(&base, USER_PIN), "second"), second);
}

/// Public keys are not encrypted, so that only the list of objects can say what their files were.
#[test]
fn a_changed_public_key_is_none() {
    let (base, _) = with_first_key();
    let public = object_files(&base).remove(0);
    let bytes = base.content(&public).unwrap();
    for bit in 0..bytes.len() * 8 {
        let disk = base.image(1);
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        disk.put(&public, &flipped);
        let error = keystore(&disk, USER_PIN).signing_key("first").map(drop).unwrap_err();
        assert_eq!(error, TokenError::Failed { call: "C_FindObjects", rv: Rv::DeviceError }, "bit {bit}");
    }
}

#[test]
fn nothing_of_a_token_can_be_exchanged() {
    let (base, _) = with_first_key();
    generate(&keystore(&base, USER_PIN), "second").unwrap();
    let files = object_files(&base);
    let header = base.content(file("token")).unwrap();
    // One private key in the place of the other.
    let disk = base.image(1);
    disk.put(&files[3], &base.content(&files[1]).unwrap());
    assert!(keystore(&disk, USER_PIN).signing_key("second").is_err());
    // Every bit of the header but those of the count, which nobody can vouch for.
    let body = header.len() - 4;
    for bit in 0..body * 8 {
        let disk = base.image(1);
        let mut flipped = header.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        disk.put(file("token"), &flipped);
        assert!(keystore(&disk, USER_PIN).signing_key("first").is_err(), "bit {bit}");
    }
}

#[test]
fn an_older_count_that_is_put_back_locks_the_pin() {
    let (disk, first) = with_first_key();
    let guess = |disk: &CrashDisk| {
        let session = token(disk).open_session(0, true).unwrap();
        session.login(UserType::User, &pin("not the user's"))
    };
    for name in ["attempts", "token"] {
        let disk = disk.image(1);
        let older = disk.content(file(name)).unwrap();
        for _ in 0..3 {
            assert_eq!(guess(&disk), Err(Rv::PinIncorrect));
        }
        disk.put(file(name), &older);
        assert!(token(&disk).token_info(0).unwrap().flags.user_pin_locked, "{name}");
        assert_eq!(guess(&disk), Err(Rv::PinLocked));
        assert_eq!(keystore(&disk, USER_PIN).signing_key("first").map(drop), Err(TokenError::PinLocked));
        // The officer sees that it is locked, and opens it again.
        let session = token(&disk).open_session(0, true).unwrap();
        session.login(UserType::So, &pin(SO_PIN)).unwrap();
        assert!(token(&disk).token_info(0).unwrap().flags.user_pin_locked, "the officer's login hides nothing");
        session.init_pin(&pin(NEW_PIN)).unwrap();
        drop(session);
        assert_eq!(signs(&keystore(&disk, NEW_PIN), "first"), first);
    }
    // Both together are what a backup is, and no file can tell them from one.
    let (older, header) = (disk.content(file("attempts")).unwrap(), disk.content(file("token")).unwrap());
    for _ in 0..RETRY_LIMIT {
        assert_eq!(guess(&disk), Err(Rv::PinIncorrect));
    }
    assert_eq!(guess(&disk), Err(Rv::PinLocked));
    disk.put(file("attempts"), &older);
    disk.put(file("token"), &header);
    assert_eq!(signs(&keystore(&disk, USER_PIN), "first"), first);
}

#[test]
fn an_older_token_under_a_running_one_is_noticed() {
    let (disk, _) = with_first_key();
    let running = keystore(&disk, USER_PIN);
    let older: Vec<_> = disk.names().into_iter().map(|name| (disk.content(&name).unwrap(), name)).collect();
    generate(&running, "second").unwrap();
    for (bytes, name) in older {
        disk.put(name, &bytes);
    }
    let error = running.signing_key("first").map(drop).unwrap_err();
    assert_eq!(error, TokenError::Failed { call: "C_FindObjects", rv: Rv::DeviceError });
}

#[test]
fn a_token_that_is_removed_is_said_to_be_and_found_again() {
    let (disk, first) = with_first_key();
    let keystore = keystore(&disk, USER_PIN);
    let signer = keystore.signing_key("first").unwrap();
    let header = disk.content(file("token")).unwrap();
    let attempts = disk.content(file("attempts")).unwrap();
    secure_log_disk::Disk::remove(&disk, &file("token")).unwrap();
    assert_eq!(keystore.signing_key("first").map(drop), Err(TokenError::TokenRemoved(Rv::DeviceRemoved)));
    assert_eq!(signer.sign_message(b"m"), Err(TokenError::NoToken), "the session is gone, and the token is not back");
    disk.put(file("token"), &header);
    disk.put(file("attempts"), &attempts);
    assert_eq!(signer.sign_message(b"m").map(|signature| signature.len()), Ok(64));
    assert_eq!(signs(&keystore, "first"), first);
}

#[test]
fn another_key_of_the_same_label_is_not_taken_for_the_old_one() {
    let (disk, _) = with_first_key();
    let keystore = keystore(&disk, USER_PIN);
    let signer = keystore.signing_key("first").unwrap();
    token_again(&disk);
    let session_lost = keystore.signing_key("first").map(drop);
    assert_eq!(session_lost, Err(TokenError::TokenRemoved(Rv::TokenNotRecognized)));
    assert_eq!(signer.sign_message(b"m"), Err(TokenError::OtherKey { label: "first".into() }));
}

/// Initializes the token again from elsewhere, with a key of the same label.
fn token_again(disk: &CrashDisk) {
    let token = token(disk);
    token.init_token(0, &pin(SO_PIN), "again").unwrap();
    let session = token.open_session(0, true).unwrap();
    session.login(UserType::So, &pin(SO_PIN)).unwrap();
    session.init_pin(&pin(USER_PIN)).unwrap();
    drop(session);
    generate(&keystore(disk, USER_PIN), "first").unwrap();
}

#[test]
fn two_instances_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let token = SoftToken::with_options(OsDisk, folder.path().join("token"), CHEAP);
        TokenKeystore::new(token, Config { pin: Some(pin(USER_PIN)), so_pin: Some(pin(SO_PIN)), label: None })
    };
    let new = NewKey::Signing(Algorithm::Ed25519);
    let (one, other) = (open(), open());
    one.generate("first", new).unwrap();
    let signer = other.signing_key("first").unwrap();
    std::thread::scope(|threads| {
        for (name, keystore) in [("one", &one), ("other", &other)] {
            threads.spawn(move || {
                for number in 0..8 {
                    keystore.generate(&format!("{name}-{number}"), new).unwrap();
                }
            });
        }
    });
    assert_eq!(one.list().unwrap().len(), 17);
    assert_eq!(other.list().unwrap(), one.list().unwrap());
    for label in one.list().unwrap() {
        let (here, there) = (one.signing_key(&label).unwrap(), other.signing_key(&label).unwrap());
        assert_eq!(here.public_key(), there.public_key());
    }
    assert_eq!(signer.sign_message(b"m").map(|signature| signature.len()), Ok(64));
    let names: Vec<_> =
        std::fs::read_dir(folder.path().join("token")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("lock")), "{names:?}");
}

#[test]
fn no_pin_is_in_a_file() {
    let (disk, _) = with_first_key();
    for name in disk.names() {
        let bytes = disk.content(&name).unwrap();
        for secret in [SO_PIN, USER_PIN] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{name:?}");
        }
    }
}
