use std::process::{Command, Output};

use crate::support::{Folder, PROGRAM};

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(PROGRAM).args(arguments).env_clear().envs(variables.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[test]
fn a_configuration_is_checked_as_a_whole_before_anything_is_served() {
    let folder = Folder::new("file");
    let logs = format!("file:{}", folder.path().display());
    let tokens = folder.path().join("tokens").display().to_string();
    let least =
        [("SECURE_LOG_HTTP_STORE", &*logs), ("SECURE_LOG_TOKENS", &*tokens), ("SECURE_LOG_ORIGIN", "example.org")];
    let good = run(&["check-config"], &least);
    assert!(good.status.success() && text(&good.stdout).contains("tokens        1"), "{good:?}");
    for arguments in [&["check-config"][..], &[]] {
        let bad = run(arguments, &[("SECURE_LOG_HTTP_LISTEN", "x"), ("SECURE_LOG_HTTP_QEUE", "7")]);
        let said = text(&bad.stderr);
        assert_eq!(bad.status.code(), Some(3));
        for name in [
            "SECURE_LOG_HTTP_LISTEN",
            "SECURE_LOG_HTTP_QEUE",
            "SECURE_LOG_HTTP_STORE",
            "SECURE_LOG_TOKENS",
            "SECURE_LOG_ORIGIN",
        ] {
            assert!(said.contains(name), "{name}: {said}");
        }
    }
    let help = run(&["--help"], &[]);
    assert!(help.status.success() && text(&help.stdout).contains("SECURE_LOG_HTTP_STORE"));
    assert_eq!(run(&["nothing"], &[]).status.code(), Some(2));
}

#[test]
fn a_token_is_printed_once_and_its_line_does_not_hold_it() {
    let made = run(
        &["token", "create", "--name", "ci", "--scope", "append", "--log", "app", "--expires", "2099-01-01T00:00:00Z"],
        &[],
    );
    let lines: Vec<&str> = text(&made.stdout).lines().collect();
    assert!(made.status.success() && lines[1].starts_with("slt_") && lines[1].len() == 68, "{lines:?}");
    assert!(
        lines[3].starts_with("ci ")
            && lines[3].ends_with(" scopes=append logs=app expires=2099-01-01T00:00:00.000000000Z"),
        "{lines:?}"
    );
    assert!(!lines[3].contains(&lines[1][4..]));
    for bad in [
        &["--name", "ci"][..],
        &["--name", "ci", "--scope", "all", "--log", "*"],
        &["--name", "ci", "--scope", "read", "--log", "A B"],
        &["--name", "c i", "--scope", "read", "--log", "*"],
        &["--name", "ci", "--scope", "read", "--log", "*", "--expires", "soon"],
        &["--name", "ci", "--scope", "read", "--log", "*", "--colour", "red"],
        &["--name", "ci", "--name", "ci", "--scope", "read", "--log", "*"],
        &["--name"],
    ] {
        let refused = run(&[&["token", "create"], bad].concat(), &[]);
        assert_eq!((refused.status.code(), text(&refused.stdout)), (Some(2), ""), "{bad:?}");
    }
}
