//! What may be called when: nothing before `open`, and `open` once.

use wasmtime::{Result, format_err};

use super::{Done, Group, Step, checked, is_valid, no_place};
use crate::database::shown;
use crate::expect::{equal, holds, refused};
use crate::host::encoder::Severity;
use crate::host::log::InclusionProof;
use crate::host::sealing::{Erasure, PseudonymOf};
use crate::host::types::Tier;
use crate::host::writer::{HashSuite, SigningRule, StreamRules, UnattestedChoice};
use crate::host::{Instance, LogError};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "open",
    about: "what may be called when",
    steps: &[
        Step { name: "every function before open is refused", run: before },
        Step { name: "open refuses what it cannot use, and then opens", run: open },
        Step { name: "a second open is refused", run: again },
        Step { name: "a log that is not there is made by open alone", run: absent },
        Step { name: "status says which log this is", run: status },
    ],
};

fn before(session: &mut Session) -> Result<Done> {
    let count = all_not_open(&mut session.instance()?)?;
    checked(format!("{count} functions answer not-open"))
}

fn open(session: &mut Session) -> Result<Done> {
    let mut log = session.instance()?;
    refused!("open with an empty config", log.open("")?, LogError::Invalid(_))?;
    refused!("open-existing with an empty config", log.open_existing("")?, LogError::Invalid(_))?;
    refused!("recover with an empty config", log.recover("", UnattestedChoice::Adopt)?, LogError::Invalid(_))?;
    let mut refusals = 3;
    if session.opens_files() {
        refused!(
            "open in a folder that is not there",
            log.open("no-such-folder/no-such-folder/audit.jsonl")?,
            LogError::Storage(_) | LogError::Invalid(_)
        )?;
        refusals += 1;
    }
    all_not_open(&mut log)?;
    let config = session.config();
    log.open(&config)?.map_err(|error| what_to_do(&config, error))?;
    let size = log.status()??.size;
    session.keep(log)?;
    checked(format!("{refusals} refusals, then {} was opened with {size} entries", shown(&config)))
}

fn again(session: &mut Session) -> Result<Done> {
    let config = session.config();
    let log = session.log()?;
    refused!("a second open", log.open(&config)?, LogError::AlreadyOpen)?;
    refused!("open-existing after open", log.open_existing(&config)?, LogError::AlreadyOpen)?;
    refused!("recover after open", log.recover(&config, UnattestedChoice::SetAside)?, LogError::AlreadyOpen)?;
    checked("open, open-existing and recover answer already-open")
}

fn absent(session: &mut Session) -> Result<Done> {
    const NAME: &str = "absent";
    let Some((mut log, config)) = session.elsewhere(NAME)? else { return no_place() };
    // A connection string has a password.
    let is_named = |found: &String| *found == if config.contains("://") { "(a connection string)" } else { &*config };
    refused!("open-existing", log.open_existing(&config)?, LogError::LogNotFound(found) if is_named(&found))?;
    let recovered = log.recover(&config, UnattestedChoice::Adopt)?;
    refused!("recover", recovered, LogError::LogNotFound(found) if is_named(&found))?;
    all_not_open(&mut log)?;
    holds("no log was made", !session.elsewhere_file(NAME).exists())?;
    equal("the files beside it", session.beside(NAME)?, Vec::new())?;
    log.open(&config)??;
    refused!("open-existing after open", log.open_existing(&config)?, LogError::AlreadyOpen)?;
    let made = log.append("s", "e", Severity::Info, "verify", b"here")??;
    if !session.outlives() {
        return checked(format!("{config} was refused, and then made; it lives no longer than its instance"));
    }
    let Some((mut log, config)) = session.elsewhere(NAME)? else { return no_place() };
    log.open_existing(&config)??;
    equal("the entry", log.read(made.seqno)??.payload.as_slice(), b"here")?;
    refused!("a second open-existing", log.open_existing(&config)?, LogError::AlreadyOpen)?;
    is_valid(&mut log)?;
    let config = shown(&config);
    checked(format!("{config} was refused and left no file behind, then made, then opened by open-existing"))
}

fn status(session: &mut Session) -> Result<Done> {
    let status = session.log()?.status()??;
    equal("bytes of the log id", status.log_id.len(), 16)?;
    equal("bytes of the root", status.root.len(), 32)?;
    match std::env::var("SECURE_LOG_ORIGIN") {
        Ok(origin) => equal("the origin is the configured one", status.origin.clone(), origin)?,
        Err(_) => holds("the origin has some text", !status.origin.is_empty())?,
    }
    equal("bytes of the session id in hex", status.session_id.len(), 32)?;
    equal("bytes of the boot id in hex", status.boot_id.len(), 32)?;
    let key = status.head_key.ok_or_else(|| format_err!("the log is keyless, although its keystore has a key"))?;
    checked(format!("{}, heads signed by {key}", status.origin))
}

/// Calls everything that needs an open log; answers how many functions that were.
fn all_not_open(log: &mut Instance) -> Result<u32> {
    let rules =
        StreamRules { tier: Tier::Public, suite: HashSuite::Sha256, sign: SigningRule::None, description: None };
    let proof =
        InclusionProof { seqno: 1, entry_hash: vec![0; 32], segment_id: 1, merkle_root: vec![0; 32], path: Vec::new() };
    let mut count = 0;
    macro_rules! not_open {
        ($($function:ident($($argument:expr),*))*) => {
            $(
                refused!(concat!(stringify!($function), " before open"), log.$function($($argument),*)?, LogError::NotOpen)?;
                count += 1;
            )*
        };
    }
    not_open! {
        append("s", "e", Severity::Info, "p", b"")
        append_with_encoding("s", "e", Severity::Info, "p", b"", "text")
        read(1)
        head("s")
        verify_chain("s", 1, 1)
        close_segment("s")
        list_segments("s")
        read_segment(1)
        build_inclusion_proof(1)
        verify_inclusion_proof(&proof, &[0; 32])
        create_stream("s", Tier::Public, None)
        list_streams()
        deprecate_stream("s")
        sign_segment("i", 1)
        verify_segment_signature(1)
        verify_checkpoint_chain("s")
        append_batch(&[])
        create_stream_with("s", &rules)
        change_suite("s", HashSuite::Blake3)
        set_ids("s", "b")
        last_hash("s")
        list_streams_page(0, 1)
        read_page(None, 1, 1, 1)
        sign_head()
        verify_log()
        status()
        witness_rows(None, 1)
        collect_witness_rows(1)
        submissions(1)
        append_sealed("s", "e", Severity::Info, "p", b"", "text")
        append_sealed_batch(&[])
        open_payload(1)
        open_page("s", 1, 1, 1)
        verify_log_opening()
        pseudonym("s", PseudonymOf::Producer, "p")
        reseal(None, "k")
        erase("s", Erasure::Stream)
    }
    Ok(count)
}

/// What an operator can do about a log that does not open.
fn what_to_do(config: &str, error: LogError) -> wasmtime::Error {
    let advice = match error {
        LogError::KeyNotFound(_) | LogError::AccessDenied(_) | LogError::Unattested(_) | LogError::Fork(_) => {
            "if it was written with another key, set SECURE_LOG_KEYSTORE_DIR and SECURE_LOG_KEYSTORE_PASSPHRASE to \
             that one's; or name another file"
        }
        LogError::Locked(_) => "another writer holds it: wait for it to end",
        _ => "its verification says more: tools/secure_log_ref.py verify",
    };
    format_err!("{} cannot be opened: {error:?}. {advice}", shown(config))
}
