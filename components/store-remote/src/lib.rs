//! A store component whose rows are elsewhere: each call goes through whatever `transport` it was composed with. `config` is
//! any name that is not empty; where the rows are, the transport knows.

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({
        inline: "
            package secure-log:store-remote;

            world transport-user {
                import secure-log:log/transport@0.1.0;
            }
        ",
        world: "secure-log:store-remote/transport-user",
        path: ["../../wit/keys", "../../wit"],
        generate_all,
    });
}

use bindings::secure_log::log::transport;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log_guest::StoreProvider;
use secure_log_rpc::{RemoteStore, Transport, TransportError};

struct Remote;

struct Imported;

impl StoreProvider for Remote {
    fn open(config: &str) -> Result<Box<dyn SecureLogStore>, StoreError> {
        Ok(Box::new(RemoteStore::open(Imported, config)?))
    }
}

impl Transport for Imported {
    fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
        transport::rpc(method, params).map_err(TransportError::from_text)
    }
}

secure_log_guest::export_store!(Remote);
