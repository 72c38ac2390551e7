//! Signs with the keystore that this component is composed with, as a part of the benchmark: what a signature takes with the
//! calls between components, and nothing of a log.
//!
//! Its argument is what the keystore is called in the table. The key is made if it is not there.

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({
        inline: "
            package secure-log:bench-signing;

            world signing {
                import keys:keystore/signer;
                import keys:keystore/manage;
            }
        ",
        world: "secure-log:bench-signing/signing",
        path: "../../wit/keys",
        generate_all,
    });
}

use bindings::keys::keystore::{manage, signer};
use secure_log_bench_shared::signing::{LABEL, MESSAGE, ROW};
use secure_log_bench_shared::{Failure, Part, Sample, serve, timed};

struct Signing {
    keystore: String,
    key: signer::Key,
}

fn main() -> Result<(), Failure> {
    let keystore = std::env::args().nth(1).ok_or("the keystore's name is missing")?;
    if manage::show_key(LABEL, LABEL).is_err() {
        manage::generate(LABEL, "ed25519").map_err(|error| format!("{keystore}: {error}"))?;
    }
    let key = signer::get_key(LABEL).map_err(|error| format!("{keystore}: {error}"))?;
    serve(Signing { keystore, key })
}

impl Part for Signing {
    fn run(&mut self, case: &str, signatures: u64) -> Result<Vec<Sample>, Failure> {
        if case != ROW {
            return Ok(Vec::new());
        }
        let sign_all = || (0..signatures).try_for_each(|_| self.key.sign(&MESSAGE).map(drop));
        let ((), seconds) = timed(sign_all).map_err(|error| error.to_string())?;
        Ok(vec![Sample::new(ROW, &self.keystore, signatures, seconds)])
    }
}
