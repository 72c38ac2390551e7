//! Verifies log files by the component that imports nothing: `verify_log <verifier.wasm> <policy> <log.jsonl>..`, or, with the word
//! `--chain` before the files, as archives that continue each other. The README shows its function `verify`.

use std::fs::File;
use std::io::Read;

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Error, Result, Store};

mod bindings {
    #![allow(missing_docs, reason = "wit/verify has the comments")]
    wasmtime::component::bindgen!({ path: "../wit/verify", world: "secure-log:verify/file-verifier@0.1.0" });
}
use bindings::FileVerifier;
use bindings::exports::secure_log::verify::verifier::Options;

/// The report as JSON. No more of the log is in memory than a commit of it.
fn verify(component: &Component, options: &Options, mut log: impl Read) -> Result<String> {
    let mut store = Store::new(component.engine(), ());
    let instance = FileVerifier::instantiate(&mut store, component, &Linker::new(component.engine()))?;
    let verification = instance.secure_log_verify_verifier().verification();
    let begun = verification.call_begin(&mut store, options)?.map_err(|error| Error::msg(error.message))?;
    let mut chunk = vec![0; 1 << 20];
    let mut goes_on = true;
    while goes_on {
        let length = log.read(&mut chunk)?;
        goes_on = length > 0 && verification.call_push(&mut store, begun, &chunk[..length])?;
    }
    Ok(verification.call_finish(&mut store, begun)?.json)
}

/// The report on archives, oldest first, as JSON.
fn verify_chain(component: &Component, options: &Options, files: &[String]) -> Result<String> {
    let mut store = Store::new(component.engine(), ());
    let instance = FileVerifier::instantiate(&mut store, component, &Linker::new(component.engine()))?;
    let chain = instance.secure_log_verify_verifier().chain();
    let begun = chain.call_begin(&mut store, options)?.map_err(|error| Error::msg(error.message))?;
    let mut chunk = vec![0; 1 << 20];
    for name in files {
        let mut file = File::open(name)?;
        let taken = chain.call_next_file(&mut store, begun, name)?;
        taken.map_err(|most| Error::msg(format!("a chain has at most {most} files")))?;
        let mut goes_on = true;
        while goes_on {
            let length = file.read(&mut chunk)?;
            goes_on = length > 0 && chain.call_push(&mut store, begun, &chunk[..length])?;
        }
    }
    Ok(chain.call_finish(&mut store, begun)?.json)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [component, policy, logs @ ..] = &arguments[..] else {
        return Err(Error::msg("usage: verify_log <verifier.wasm> <policy> [--chain] <log.jsonl>.."));
    };
    let component = Component::from_file(&Engine::default(), component)?;
    let policy = Some(std::fs::read_to_string(policy)?);
    let options = Options { policy, origin: None, mac_keys: Vec::new(), wrapping_keys: Vec::new(), time: None };
    if let [word, files @ ..] = logs
        && word == "--chain"
    {
        println!("{}", verify_chain(&component, &options, files)?);
        return Ok(());
    }
    for log in logs {
        println!("{}", verify(&component, &options, File::open(log)?)?);
    }
    Ok(())
}
