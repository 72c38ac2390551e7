//! The verifier that imports nothing, beside the stack: somebody who has the log's file and a policy, and neither its store nor
//! its keys.

use std::path::Path;

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Error, Result, Store};

#[allow(missing_docs, reason = "wit/verify has the comments")]
mod bindings {
    wasmtime::component::bindgen!({ path: "../wit/verify", world: "secure-log:verify/file-verifier@0.1.0" });
}
use bindings::FileVerifier;
use bindings::exports::secure_log::verify::verifier::Options;
pub use bindings::exports::secure_log::verify::verifier::{ChainReport, ChainVerdict, Report, Verdict};

/// How it is called beside a stack.
pub const FILE: &str = "secure-log-verifier.wasm";

/// The component, compiled.
pub struct Verifier {
    engine: Engine,
    component: Component,
}

impl Verifier {
    /// Compiles it.
    pub fn load(file: &Path) -> Result<Verifier> {
        let engine = Engine::new(&Config::new())?;
        let component = Component::from_file(&engine, file)?;
        Ok(Verifier { engine, component })
    }

    /// Gives an instance of its own a log or a bundle in pieces of this many bytes.
    pub fn verify(&self, bytes: &[u8], policy: &str, piece: usize) -> Result<Report> {
        let (mut store, verifier) = self.instantiate()?;
        let verification = verifier.secure_log_verify_verifier().verification();
        let verifying =
            verification.call_begin(&mut store, &options(policy))?.map_err(|wrong| Error::msg(wrong.message))?;
        for bytes in bytes.chunks(piece) {
            if !verification.call_push(&mut store, verifying, bytes)? {
                break;
            }
        }
        verification.call_finish(&mut store, verifying)
    }

    /// Gives an instance of its own archives, oldest first, each with its name, in pieces of this many bytes.
    pub fn verify_chain(&self, files: &[(&str, &[u8])], policy: &str, piece: usize) -> Result<ChainReport> {
        let (mut store, verifier) = self.instantiate()?;
        let chain = verifier.secure_log_verify_verifier().chain();
        let verifying = chain.call_begin(&mut store, &options(policy))?.map_err(|wrong| Error::msg(wrong.message))?;
        for (name, bytes) in files {
            let taken = chain.call_next_file(&mut store, verifying, name)?;
            taken.map_err(|most| Error::msg(format!("a chain has at most {most} files")))?;
            for bytes in bytes.chunks(piece) {
                if !chain.call_push(&mut store, verifying, bytes)? {
                    break;
                }
            }
        }
        chain.call_finish(&mut store, verifying)
    }

    fn instantiate(&self) -> Result<(Store<()>, FileVerifier)> {
        let mut store = Store::new(&self.engine, ());
        // A linker without anything: it is given nothing to reach out with.
        let verifier = FileVerifier::instantiate(&mut store, &self.component, &Linker::new(&self.engine))?;
        Ok((store, verifier))
    }
}

fn options(policy: &str) -> Options {
    Options { policy: Some(policy.into()), origin: None, mac_keys: Vec::new(), wrapping_keys: Vec::new(), time: None }
}
