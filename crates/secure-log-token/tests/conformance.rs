//! The suite of every token, over this one.

use secure_log_disk::{Disk, OsDisk};
use secure_log_pkcs11::{Cryptoki as _, Pin, Session as _, UserType};
use secure_log_testkit::conformance::tokens::{self, Habits, SO_PIN, TOKEN_LABEL, Token, USER_PIN};
use secure_log_testkit::crash_disk::CrashDisk;
use secure_log_token::{Cost, Options, SoftToken};

fn initialized<D: Disk>(disk: D, folder: &std::path::Path) -> Token<SoftToken<D>> {
    // PINs of tests protect nothing.
    let options = Options { cost: Cost { memory_kib: 8, passes: 1 }, ..Options::default() };
    let library = SoftToken::with_options(disk, folder.join("token"), options);
    let pin = |text: &str| Pin::new(text.into());
    library.init_token(0, &pin(SO_PIN), TOKEN_LABEL).unwrap();
    let session = library.open_session(0, true).unwrap();
    session.login(UserType::So, &pin(SO_PIN)).unwrap();
    session.init_pin(&pin(USER_PIN)).unwrap();
    Token { library, slot: 0, label: TOKEN_LABEL.into(), habits: Habits::STANDARD }
}

#[test]
fn on_files() {
    for (name, check) in tokens::all() {
        println!("{name}");
        let folder = tempfile::tempdir().unwrap();
        check(&initialized(OsDisk, folder.path()));
    }
}

#[test]
fn in_memory() {
    for (name, check) in tokens::all() {
        println!("{name}");
        check(&initialized(CrashDisk::new(), std::path::Path::new("")));
    }
}
