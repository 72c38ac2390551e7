//! The verifier that imports nothing, over the log that the native part verified.

use std::fs;
use std::path::Path;

use secure_log_bench_shared::{Failure, Sample, timed};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

mod bindings {
    #![allow(missing_docs, unreachable_pub, reason = "wit/verify has the comments")]
    wasmtime::component::bindgen!({ path: "../../wit/verify", world: "secure-log:verify/file-verifier@0.1.0" });
}
use bindings::FileVerifier;
use bindings::exports::secure_log::verify::verifier::{Options, Verdict};

/// The compiled component.
pub(crate) struct Verifier {
    engine: Engine,
    component: Component,
}

impl Verifier {
    pub(crate) fn load(file: &Path) -> Result<Verifier, Failure> {
        let engine = Engine::default();
        let component =
            Component::from_file(&engine, file).map_err(|error| format!("{}: {error:#}", file.display()))?;
        Ok(Verifier { engine, component })
    }

    pub(crate) fn verify(&self, log: &Path) -> Result<Vec<Sample>, Failure> {
        let policy = Some(fs::read_to_string(log.with_extension("policy"))?);
        let bytes = fs::read(log)?;
        let options = Options { policy, origin: None, mac_keys: Vec::new(), wrapping_keys: Vec::new(), time: None };
        let (report, seconds) = timed(|| {
            let mut store = Store::new(&self.engine, ());
            let instance = FileVerifier::instantiate(&mut store, &self.component, &Linker::new(&self.engine))?;
            let verification = instance.secure_log_verify_verifier().verification();
            let begun = verification.call_begin(&mut store, &options)?.expect("the policy is one");
            for chunk in bytes.chunks(256 << 10) {
                verification.call_push(&mut store, begun, chunk)?;
            }
            verification.call_finish(&mut store, begun)
        })?;
        match report.verdict {
            Verdict::Valid => Ok(vec![Sample::new("verify-jsonl", "file", report.entries, seconds)]),
            _ => Err(format!("the log does not verify: {}", report.json).into()),
        }
    }
}
