//! Keys that change (format.md s.10): what a store, or a thief of the first key, can make of it. The golden logs of the reference
//! reader have each attempt once; here each is opened by a composed log that has no key of its own and pinned the first one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use secure_log_testkit::attacks::{Said, Subject};
use secure_log_testkit::from_jsonl;
use serde_json::Value;
use wasmtime::error::Context;
use wasmtime::{Result, ensure, format_err};

use crate::stacks::{Kept, Stacks};
use crate::{Check, Seen, check_over};

/// The checks.
pub fn checks() -> Vec<Check> {
    [Kept::InMemory, Kept::AsReleased, Kept::InDatabaseAsReleased, Kept::InPostgresAsReleased]
        .into_iter()
        .map(|kept| {
            let name = "keys are followed as they were introduced, and in no other way";
            check_over(kept, "keys that change", name, followed)
        })
        .collect()
}

fn followed(stacks: &Stacks, kept: Kept) -> Result<Seen> {
    let golden = Golden::read()?;
    let (mut valid, mut found, mut refused) = (0, 0, 0);
    for (name, expected) in &golden.verdicts {
        match (expected.as_str(), golden.judge(stacks, kept, name)?) {
            ("valid", Said::Valid) => valid += 1,
            ("incomplete", Said::Incomplete { .. }) => found += 1,
            (code, Said::Invalid { code: said, .. }) if code == said => found += 1,
            // The log is not even opened on what a verification would find, or on a tail that no key vouches for.
            (code, Said::Refused(why)) if code != "valid" && (why == code || why.starts_with("unattested ")) => {
                refused += 1
            }
            // Rows behind the last head have no place in tables.
            ("incomplete", Said::Refused(why)) if kept.is_in_database() && why == "malformed" => refused += 1,
            (expected, said) => return Err(format_err!("{name}: expected {expected}, found {said:?}")),
        }
    }
    ensure!(valid >= 5 && found + refused >= 20, "there are few golden logs of rotations: {valid}, {found}, {refused}");
    Ok(Seen::Held(format!("{valid} rotations are followed, {found} attempts are found, {refused} open nothing")))
}

/// What the reference reader wrote.
struct Golden {
    /// Of each log whose name begins with `key-`.
    verdicts: BTreeMap<String, String>,
    origin: String,
    /// The first key, and who signs with it.
    policy: String,
}

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/secure-log");

impl Golden {
    fn read() -> Result<Golden> {
        let of_logs = json("log.json")?;
        let text =
            |field: &str| of_logs[field].as_str().map(str::to_owned).with_context(|| format!("log.json: {field}"));
        let (vkey, signer) = (text("vkey")?, text("signer")?);
        let verdicts: BTreeMap<String, String> = serde_json::from_value(json("logs/expected.json")?)?;
        Ok(Golden {
            verdicts: verdicts.into_iter().filter(|(name, _)| name.starts_with("key-")).collect(),
            origin: text("origin")?,
            policy: format!("log {vkey}\nquorum none\nsigners\nattest {signer}\n"),
        })
    }

    fn judge(&self, stacks: &Stacks, kept: Kept, name: &str) -> Result<Said> {
        let file = fs::read(Path::new(VECTORS).join("logs").join(format!("{name}.jsonl")))?;
        let mut log = stacks.fresh_with(kept, |surroundings| {
            surroundings
                .without("SECURE_LOG_KEYSTORE")
                .without("SECURE_LOG_MAC_LABEL")
                .variable("SECURE_LOG_ORIGIN", &self.origin)
                .variable("SECURE_LOG_TRUST", &self.policy)
        });
        match kept {
            Kept::AsReleased => log.lay_file(&file)?,
            _ => log.lay(&from_jsonl(&file).map_err(|error| format_err!("{name}: {error}"))?),
        }
        let said = log.open_and_verify();
        Ok(if kept.is_in_database() { said.of_tables() } else { said })
    }
}

fn json(name: &str) -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(Path::new(VECTORS).join(name))?)?)
}
