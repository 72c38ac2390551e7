//! Verifies log files by the component that imports nothing: `verify_log <verifier.wasm> <policy> <log.jsonl>..`.

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Error, Result, Store};

mod bindings {
    #![allow(missing_docs, reason = "wit/verify has the comments")]
    wasmtime::component::bindgen!({ path: "../wit/verify", world: "secure-log:verify/file-verifier@0.1.0" });
}
use bindings::FileVerifier;
use bindings::exports::secure_log::verify::verifier::Options;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [component, policy, logs @ ..] = &arguments[..] else {
        return Err(Error::msg("usage: verify_log <verifier.wasm> <policy> <log.jsonl>.."));
    };
    let engine = Engine::default();
    let component = Component::from_file(&engine, component)?;
    for log in logs {
        let options = Options {
            policy: Some(std::fs::read_to_string(policy)?),
            origin: None,
            mac_keys: Vec::new(),
            wrapping_keys: Vec::new(),
            time: None,
        };
        let mut store = Store::new(&engine, ());
        let instance = FileVerifier::instantiate(&mut store, &component, &Linker::new(&engine))?;
        let verification = instance.secure_log_verify_verifier().verification();
        let verifying = verification
            .call_begin(&mut store, &options)?
            .map_err(|error| Error::msg(format!("{policy}: {}", error.message)))?;
        verification.call_push(&mut store, verifying, &std::fs::read(log)?)?;
        println!("{}", verification.call_finish(&mut store, verifying)?.json);
    }
    Ok(())
}
