//! A stack, loaded once and instantiated as often as needed, and the world around each instance.
//!
//! Nothing here knows what is tested: a benchmark can use it as well.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant as Moment};

use wasmtime::component::{self, Component, Linker, Resource, ResourceAny, ResourceTable};
use wasmtime::{Config, Engine, Result, Store, StoreContextMut, ensure};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::sync::io::poll::HostPollable;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView, default_hooks};

/// What `wit/` says, as Rust; its documentation stands there.
#[allow(missing_docs)]
mod bindings {
    wasmtime::component::bindgen!({
        path: ["../wit/keys", "../wit"],
        world: "secure-log:log/secure-log-host@0.1.0",
        additional_derives: [PartialEq],
        with: { "wasi:io/poll": wasmtime_wasi::p2::bindings::sync::io::poll },
        // As the bindings of WASI ask for it.
        require_store_data_send: true,
    });
}

/// The interfaces of the contract, by the names that they have in `wit/log.wit`.
pub use bindings::exports::secure_log::log::{
    archive, checkpoint, encoder, evidence, export, import, log, query, retention, review, sealing, tail, tree, types,
    writer,
};
use bindings::{SecureLogHost, SecureLogHostPre};
pub use types::LogError;
/// Where what a guest says can be collected.
pub use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

/// What a function of the log answers.
pub type Answer<T> = std::result::Result<T, LogError>;

/// What a function answers that checks a proof.
pub type Checked<T> = std::result::Result<T, tree::ProofError>;

const TRANSPORT: &str = "secure-log:log/transport@0.1.0";
const CALLING_OUT: &str = "wasi:http/outgoing-handler";

/// What a stack without a transport of its own is given as one: method and arguments, and what is answered.
pub type Transport = Arc<Mutex<dyn FnMut(&str, &str) -> std::result::Result<String, String> + Send>>;

/// A composed stack, compiled.
pub struct Stack {
    engine: Engine,
    prepared: SecureLogHostPre<Guest>,
    calls_out: bool,
    has_audit: bool,
    #[cfg(feature = "pkcs11")]
    module: Option<crate::pkcs11::SharedModule>,
}

/// What one instance can see of this machine, and nothing else.
#[derive(Clone, Default)]
pub struct Surroundings {
    folders: Vec<(PathBuf, String)>,
    variables: Vec<(String, String)>,
    stderr: Option<MemoryOutputPipe>,
    transport: Option<Transport>,
    has_network: bool,
}

/// A running instance with the functions of all its interfaces.
pub struct Instance {
    store: Store<Guest>,
    instance: component::Instance,
    stack: SecureLogHost,
}

/// What the host keeps for an instance.
pub struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    transport: Option<Transport>,
    pub(crate) table: ResourceTable,
    #[cfg(feature = "pkcs11")]
    pub(crate) module: Option<crate::pkcs11::SharedModule>,
}

impl Guest {
    pub(crate) fn new(wasi: WasiCtx) -> Guest {
        Guest {
            wasi,
            http: WasiHttpCtx::new(),
            transport: None,
            table: ResourceTable::new(),
            #[cfg(feature = "pkcs11")]
            module: None,
        }
    }

    /// What the guest asks of a transport.
    fn rpc(&self, method: &str, params: &str) -> std::result::Result<String, String> {
        let transport = self.transport.as_ref().ok_or("refused: there is no transport here")?;
        transport.lock().map_err(|_| "the transport failed before")?(method, params)
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, hooks: default_hooks(), table: &mut self.table }
    }
}

impl Stack {
    /// Compiles the component in `file` and resolves its imports.
    pub fn load(file: &Path) -> Result<Stack> {
        Stack::load_with(file, |_| Ok(()))
    }

    /// The same for a stack that imports a token: it gets those of the PKCS#11 module in `module`.
    #[cfg(feature = "pkcs11")]
    pub fn load_with_module(file: &Path, module: &Path) -> Result<Stack> {
        let module = crate::pkcs11::SharedModule::load(module)?;
        Ok(Stack { module: Some(module), ..Stack::load_with(file, crate::pkcs11::add_to_linker)? })
    }

    fn load_with(file: &Path, add: impl FnOnce(&mut Linker<Guest>) -> Result<()>) -> Result<Stack> {
        let engine = Engine::new(&Config::new())?;
        let component = Component::from_file(&engine, file)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_sync(&mut linker)?;
        linker.instance(TRANSPORT)?.func_wrap(
            "rpc",
            |guest: StoreContextMut<'_, Guest>, (method, params): (String, String)| {
                Ok((guest.data().rpc(&method, &params),))
            },
        )?;
        add(&mut linker)?;
        let calls_out = component.component_type().imports(&engine).any(|(name, _)| name.starts_with(CALLING_OUT));
        let has_audit = crate::audit::is_exported(&component, &engine);
        let prepared = SecureLogHostPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Stack {
            engine,
            prepared,
            calls_out,
            has_audit,
            #[cfg(feature = "pkcs11")]
            module: None,
        })
    }

    /// Whether it imports what HTTP requests are made with, as one does whose store is remote.
    pub fn calls_out(&self) -> bool {
        self.calls_out
    }

    /// Whether it exports the audit profile.
    pub fn has_audit(&self) -> bool {
        self.has_audit
    }

    /// A fresh instance: it has no memory of any other.
    pub fn instantiate(&self, surroundings: &Surroundings) -> Result<Instance> {
        let mut guest = Guest::new(surroundings.build()?);
        guest.transport = surroundings.transport.clone();
        #[cfg(feature = "pkcs11")]
        {
            guest.module = self.module.clone();
        }
        let mut store = Store::new(&self.engine, guest);
        let instance = self.prepared.instance_pre().instantiate(&mut store)?;
        let stack = SecureLogHost::new(&mut store, &instance)?;
        Ok(Instance { store, instance, stack })
    }
}

impl Instance {
    /// A whole bundle, page after page (`evidence.prove` and `bundle.next`).
    pub fn evidence(&mut self, what: &evidence::Subject, size: Option<u64>) -> Result<Answer<Vec<u8>>> {
        let (store, evidence) = (&mut self.store, self.stack.secure_log_log_evidence());
        let bundle = match evidence.call_prove(&mut *store, what, size)? {
            Ok(bundle) => bundle,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut lines = Vec::new();
        let outcome = loop {
            match evidence.bundle().call_next(&mut *store, bundle)? {
                Ok(Some(page)) => lines.extend(page),
                Ok(None) => break Ok(lines),
                Err(refused) => break Err(refused),
            }
        };
        bundle.resource_drop(store)?;
        Ok(outcome)
    }

    /// Verifies a bundle in pieces of this many bytes (`evidence.verify` and `verification`).
    pub fn verify_evidence(
        &mut self,
        bundle: &[u8],
        policy: &str,
        mac_keys: &[Vec<u8>],
        piece: usize,
    ) -> Result<std::result::Result<evidence::BundleReport, evidence::ArgumentError>> {
        let (store, evidence) = (&mut self.store, self.stack.secure_log_log_evidence());
        let verification = match evidence.call_verify(&mut *store, policy, mac_keys)? {
            Ok(verification) => verification,
            Err(refused) => return Ok(Err(refused)),
        };
        for bytes in bundle.chunks(piece) {
            if !evidence.verification().call_push(&mut *store, verification, bytes)? {
                break;
            }
        }
        let report = evidence.verification().call_finish(&mut *store, verification)?;
        verification.resource_drop(store)?;
        Ok(Ok(report))
    }

    /// `checking.next`.
    pub fn check_page(&mut self, checking: ResourceAny, proof: &str) -> Result<Checked<query::CheckedPage>> {
        self.stack.secure_log_log_query().checking().call_next(&mut self.store, checking, proof)
    }

    /// Begins to follow the log (`tail.follow`).
    pub fn follow(&mut self, options: &tail::Options) -> Result<Answer<ResourceAny>> {
        self.stack.secure_log_log_tail().call_follow(&mut self.store, options)
    }

    /// `subscription.next`.
    pub fn next(&mut self, subscription: ResourceAny) -> Result<Answer<Option<tail::Delivery>>> {
        self.stack.secure_log_log_tail().subscription().call_next(&mut self.store, subscription)
    }

    /// `subscription.cursor`.
    pub fn cursor(&mut self, subscription: ResourceAny) -> Result<u64> {
        self.stack.secure_log_log_tail().subscription().call_cursor(&mut self.store, subscription)
    }

    /// `subscription.skip-to`.
    pub fn skip_to(&mut self, subscription: ResourceAny, seqno: u64) -> Result<()> {
        self.stack.secure_log_log_tail().subscription().call_skip_to(&mut self.store, subscription, seqno)
    }

    /// Waits until the pollable of a subscription is ready (`subscription.subscribe`), and answers how long that took.
    pub fn wait(&mut self, subscription: ResourceAny) -> Result<Duration> {
        let began = Moment::now();
        let subscriptions = self.stack.secure_log_log_tail().subscription();
        let pollable = subscriptions.call_subscribe(&mut self.store, subscription)?;
        let table = &mut self.store.data_mut().table;
        table.block(Resource::<DynPollable>::new_borrow(pollable.rep()))?;
        HostPollable::drop(table, pollable)?;
        Ok(began.elapsed())
    }

    /// A whole export, page after page (`export.begin` and `exporting`), and what it says of itself.
    pub fn export(&mut self, options: &export::ExportOptions) -> Result<Answer<(Vec<u8>, export::Exported)>> {
        let (store, export) = (&mut self.store, self.stack.secure_log_log_export());
        let exporting = match export.call_begin(&mut *store, options)? {
            Ok(exporting) => exporting,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut written = Vec::new();
        let outcome = loop {
            match export.exporting().call_next(&mut *store, exporting)? {
                Ok(Some(page)) => written.extend(page),
                Ok(None) => break Ok(()),
                Err(refused) => break Err(refused),
            }
        };
        let exported = export.exporting().call_exported(&mut *store, exporting)?;
        exporting.resource_drop(store)?;
        Ok(outcome.map(|()| (written, exported)))
    }

    /// Imports a log in pieces of this many bytes (`import.begin` and `importing`). Without `finish` it is dropped before its end.
    pub fn import(
        &mut self,
        config: &str,
        options: &import::ImportOptions,
        lines: &[u8],
        piece: usize,
        finish: bool,
    ) -> Result<std::result::Result<Option<writer::Report>, import::ImportError>> {
        let (store, import) = (&mut self.store, self.stack.secure_log_log_import());
        let importing = match import.call_begin(&mut *store, config, options)? {
            Ok(importing) => importing,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut outcome = Ok(true);
        for bytes in lines.chunks(piece) {
            outcome = import.importing().call_push(&mut *store, importing, bytes)?;
            if !matches!(outcome, Ok(true)) {
                break;
            }
        }
        let answer = match outcome {
            Ok(_) if finish => import.importing().call_finish(&mut *store, importing)?.map(Some),
            Ok(_) => Ok(None),
            Err(refused) => Err(refused),
        };
        importing.resource_drop(store)?;
        Ok(answer)
    }

    /// Closes the log and takes its archive, page after page (`archive.begin` and `archiving`).
    pub fn archive(&mut self) -> Result<Answer<(Vec<u8>, archive::Archived)>> {
        let (store, archive) = (&mut self.store, self.stack.secure_log_log_archive());
        let archiving = match archive.call_begin(&mut *store)? {
            Ok(archiving) => archiving,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut written = Vec::new();
        let outcome = loop {
            match archive.archiving().call_next(&mut *store, archiving)? {
                Ok(Some(page)) => written.extend(page),
                Ok(None) => break archive.archiving().call_finish(&mut *store, archiving)?,
                Err(refused) => break Err(refused),
            }
        };
        archiving.resource_drop(store)?;
        Ok(outcome.map(|archived| (written, archived)))
    }

    /// Checks bytes that are to be the log's archive, in pieces of this many (`archive.check` and `checking`).
    pub fn check_archive(&mut self, bytes: &[u8], piece: usize) -> Result<Answer<archive::Archived>> {
        let (store, archive) = (&mut self.store, self.stack.secure_log_log_archive());
        let checking = match archive.call_check(&mut *store)? {
            Ok(checking) => checking,
            Err(refused) => return Ok(Err(refused)),
        };
        for bytes in bytes.chunks(piece) {
            archive.checking().call_push(&mut *store, checking, bytes)?;
        }
        let outcome = archive.checking().call_finish(&mut *store, checking)?;
        checking.resource_drop(store)?;
        Ok(outcome)
    }

    /// Whether the log was closed (`archive.is-closed`).
    pub fn is_closed(&mut self) -> Result<Answer<bool>> {
        self.stack.secure_log_log_archive().call_is_closed(&mut self.store)
    }

    /// The head that the log continues (`archive.continued`).
    pub fn continued(&mut self) -> Result<Answer<Option<String>>> {
        self.stack.secure_log_log_archive().call_continued(&mut self.store)
    }

    /// Opens the log that continues this head (`archive.open-continuing`).
    pub fn open_continuing(&mut self, config: &str, note: &str) -> Result<Answer<()>> {
        self.stack.secure_log_log_archive().call_open_continuing(&mut self.store, config, note)
    }

    /// Verifies files as a chain, in pieces of this many bytes (`archive.verify` and `chain`).
    pub fn verify_archives(
        &mut self,
        policy: &str,
        files: &[&[u8]],
        piece: usize,
    ) -> Result<std::result::Result<archive::ChainReport, evidence::ArgumentError>> {
        let (store, archive) = (&mut self.store, self.stack.secure_log_log_archive());
        let chain = match archive.call_verify(&mut *store, policy, &[])? {
            Ok(chain) => chain,
            Err(refused) => return Ok(Err(refused)),
        };
        for (number, file) in files.iter().enumerate() {
            let begun = archive.chain().call_begin(&mut *store, chain, &format!("file {}", number + 1))?;
            ensure!(begun.is_ok(), "there is room for a file");
            for bytes in file.chunks(piece) {
                if !archive.chain().call_push(&mut *store, chain, bytes)? {
                    break;
                }
            }
        }
        let report = archive.chain().call_finish(&mut *store, chain)?;
        chain.resource_drop(store)?;
        Ok(Ok(report))
    }

    /// For bindings of what a stack exports besides the contract.
    pub fn parts(&mut self) -> (&mut Store<Guest>, &component::Instance) {
        (&mut self.store, &self.instance)
    }
}

impl Surroundings {
    /// Lets the guest read and write `folder` under the name `name`.
    pub fn folder(mut self, folder: impl Into<PathBuf>, name: impl Into<String>) -> Surroundings {
        self.folders.push((folder.into(), name.into()));
        self
    }

    /// Sets an environment variable of the guest; the last value counts.
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Surroundings {
        let name = name.into();
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.into()));
        self
    }

    /// Takes back every variable whose name begins with `prefix`.
    pub fn without(mut self, prefix: &str) -> Surroundings {
        self.variables.retain(|(name, _)| !name.starts_with(prefix));
        self
    }

    /// Collects what the guest says on standard error, which is ours without this.
    pub fn stderr(mut self, pipe: MemoryOutputPipe) -> Surroundings {
        self.stderr = Some(pipe);
        self
    }

    /// Carries the calls of a store that is elsewhere.
    pub fn transport(mut self, transport: Transport) -> Surroundings {
        self.transport = Some(transport);
        self
    }

    /// Lets the guest open connections to whoever this machine reaches, and look up names.
    pub fn network(mut self) -> Surroundings {
        self.has_network = true;
        self
    }

    fn build(&self) -> Result<WasiCtx> {
        let mut wasi = WasiCtxBuilder::new();
        // Calls are synchronous anyway, and a hand-over to another thread costs more than a small write.
        wasi.allow_blocking_current_thread(true);
        match &self.stderr {
            Some(pipe) => wasi.stderr(pipe.clone()),
            None => wasi.inherit_stderr(),
        };
        for (name, value) in &self.variables {
            wasi.env(name, value);
        }
        for (folder, name) in &self.folders {
            wasi.preopened_dir(folder, name, FsPerms::ReadWrite)?;
        }
        if self.has_network {
            wasi.inherit_network().allow_tcp(true).allow_ip_name_lookup(true);
        }
        Ok(wasi.build())
    }
}

/// One method a function of the contract. The outer result is the host's (a trap), the inner one the log's answer.
macro_rules! functions {
    ($($interface:ident { $($function:ident = $call:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* })*) => {
        /// The functions of the contract: a trap is the outer error, what the log answers stands inside.
        impl Instance {
            $($(
                #[doc = concat!("`", stringify!($interface), ".", stringify!($function), "` of the contract.")]
                pub fn $function(&mut self $(, $argument: $type)*) -> Result<$answer> {
                    self.stack.$interface().$call(&mut self.store $(, $argument)*)
                }
            )*)*
        }
    };
}

functions! {
    secure_log_log_encoder {
        encode_entry = call_encode_entry(fields: &encoder::EntryFields) -> Vec<u8>;
        encode_checkpoint = call_encode_checkpoint(fields: &encoder::CheckpointFields) -> Vec<u8>;
        encoding_name = call_name() -> String;
    }
    secure_log_log_log {
        open = call_open(config: &str) -> Answer<()>;
        append = call_append(stream: &str, event: &str, severity: encoder::Severity, producer: &str, payload: &[u8])
            -> Answer<log::AppendResult>;
        append_with_encoding = call_append_with_encoding(stream: &str, event: &str, severity: encoder::Severity,
            producer: &str, payload: &[u8], encoding: &str) -> Answer<log::AppendResult>;
        read = call_read(seqno: u64) -> Answer<encoder::EntryFields>;
        head = call_head(stream: &str) -> Answer<Option<u64>>;
        verify_chain = call_verify_chain(stream: &str, from: u64, to: u64) -> Answer<()>;
        close_segment = call_close_segment(stream: &str) -> Answer<log::SegmentInfo>;
        list_segments = call_list_segments(stream: &str) -> Answer<Vec<log::SegmentInfo>>;
        read_segment = call_read_segment(id: u64) -> Answer<log::SegmentInfo>;
        build_inclusion_proof = call_build_inclusion_proof(seqno: u64) -> Answer<log::InclusionProof>;
        verify_inclusion_proof = call_verify_inclusion_proof(proof: &log::InclusionProof, root: &[u8]) -> Answer<()>;
        create_stream = call_create_stream(stream: &str, tier: types::Tier, description: Option<&str>) -> Answer<()>;
        list_streams = call_list_streams() -> Answer<Vec<log::StreamInfo>>;
        deprecate_stream = call_deprecate_stream(stream: &str) -> Answer<()>;
    }
    secure_log_log_review {
        summarise = call_summarise(options: &review::ReviewOptions) -> Answer<review::Review>;
    }
    secure_log_log_checkpoint {
        sign_segment = call_sign_segment(identity: &str, segment: u64) -> Answer<(Vec<u8>, Vec<u8>)>;
        verify_segment_signature = call_verify_segment_signature(segment: u64) -> Answer<Vec<u8>>;
        verify_checkpoint_chain = call_verify_checkpoint_chain(stream: &str) -> Answer<u32>;
        verify_entry_signatures = call_verify_entry_signatures(stream: &str) -> Answer<u64>;
    }
    secure_log_log_writer {
        append_batch = call_append_batch(batch: &[writer::NewEntries]) -> Answer<writer::BatchResult>;
        append_signed_batch = call_append_signed_batch(batch: &[writer::NewEntries]) -> Answer<writer::BatchResult>;
        create_stream_with = call_create_stream_with(stream: &str, rules: &writer::StreamRules)
            -> Answer<writer::CommitInfo>;
        change_suite = call_change_suite(stream: &str, suite: writer::HashSuite) -> Answer<writer::CommitInfo>;
        set_ids = call_set_ids(session: &str, boot: &str) -> Answer<()>;
        last_hash = call_last_hash(stream: &str) -> Answer<Option<Vec<u8>>>;
        list_streams_page = call_list_streams_page(after: u64, limit: u32) -> Answer<writer::StreamPage>;
        describe_streams = call_describe_streams(after: u64, limit: u32) -> Answer<Vec<writer::StreamDescription>>;
        describe_stream = call_describe_stream(stream: &str) -> Answer<writer::StreamDescription>;
        read_page = call_read_page(stream: Option<&str>, from: u64, to: u64, limit: u32)
            -> Answer<Vec<encoder::EntryFields>>;
        read_indexed = call_read_indexed(key: &[u8], from: u64, to: u64, limit: u32)
            -> Answer<Vec<encoder::EntryFields>>;
        reindex = call_reindex() -> Answer<()>;
        sign_head = call_sign_head() -> Answer<String>;
        rotate_key = call_rotate_key(label: &str) -> Answer<writer::KeyRotation>;
        verify_log = call_verify_log() -> Answer<writer::Report>;
        open_existing = call_open_existing(config: &str) -> Answer<()>;
        recover = call_recover(config: &str, choice: writer::UnattestedChoice) -> Answer<()>;
        status = call_status() -> Answer<writer::LogStatus>;
        witness_rows = call_witness_rows(below: Option<u64>, limit: u32) -> Answer<Vec<writer::WitnessRow>>;
        collect_witness_rows = call_collect_witness_rows(below: u64) -> Answer<writer::Collected>;
        submissions = call_submissions(segment: u64) -> Answer<Vec<String>>;
    }
    secure_log_log_query {
        find = call_find(request: &query::Request) -> Answer<query::Page>;
        find_proven = call_find_proven(request: &query::Request) -> Answer<query::ProvenPage>;
        check_pages = call_check(filter: &query::Filter, newest_first: bool, keys: &[String]) -> Checked<ResourceAny>;
    }
    secure_log_log_sealing {
        append_sealed = call_append_sealed(stream: &str, event: &str, severity: encoder::Severity, producer: &str,
            payload: &[u8], encoding: &str) -> Answer<log::AppendResult>;
        append_sealed_batch = call_append_sealed_batch(batch: &[writer::NewEntries]) -> Answer<writer::BatchResult>;
        open_payload = call_open_payload(seqno: u64) -> Answer<sealing::Opened>;
        open_page = call_open_page(stream: &str, from: u64, to: u64, limit: u32) -> Answer<Vec<sealing::PageEntry>>;
        verify_log_opening = call_verify_log_opening() -> Answer<writer::Report>;
        pseudonym = call_pseudonym(stream: &str, of: sealing::PseudonymOf, value: &str) -> Answer<String>;
        reseal = call_reseal(stream: Option<&str>, kek_label: &str) -> Answer<sealing::Resealed>;
        erase = call_erase(stream: &str, what: sealing::Erasure) -> Answer<sealing::Erased>;
    }
    secure_log_log_retention {
        presets = call_presets() -> Vec<retention::Preset>;
        plan = call_plan(retention: &str, after: u64, limit: u32) -> Answer<Vec<retention::StreamPlan>>;
        plan_stream = call_plan_stream(retention: &str, stream: &str) -> Answer<retention::StreamPlan>;
        prune_all = call_prune_all(retention: &str, after: u64) -> Answer<retention::Pruned>;
        prune_stream = call_prune_stream(retention: &str, stream: &str) -> Answer<retention::Pruned>;
    }
    secure_log_log_tree {
        signed_head = call_head() -> Answer<String>;
        prove_inclusion = call_prove_inclusion(seqno: u64, size: Option<u64>) -> Answer<tree::EntryInclusion>;
        prove_consistency = call_prove_consistency(old: u64, new: Option<u64>) -> Answer<tree::Consistency>;
        prove_entry = call_prove_entry(seqno: u64, size: Option<u64>) -> Answer<String>;
        verify_head = call_verify_head(note: &str, keys: &[String]) -> Checked<tree::VerifiedHead>;
        verify_inclusion = call_verify_inclusion(hashes: &[Vec<u8>], entry_hash: &[u8], seqno: u64, size: u64,
            root: &[u8]) -> Checked<()>;
        verify_consistency = call_verify_consistency(hashes: &[Vec<u8>], old: u64, old_root: &[u8], new: u64,
            new_root: &[u8]) -> Checked<()>;
        verify_entry = call_verify_entry(proof: &str, keys: &[String]) -> Checked<tree::VerifiedEntry>;
        compare_heads = call_compare_heads(one: &str, other: &str, hashes: Option<&[Vec<u8>]>, keys: &[String])
            -> Checked<tree::Comparison>;
        compare_entries = call_compare_entries(one: &str, other: &str, keys: &[String]) -> Checked<tree::Comparison>;
        verify_receipt = call_verify_receipt(receipt: &str, submission: &str, keys: &[String]) -> Checked<String>;
        verify_equivocation = call_verify_equivocation(evidence: &str, keys: &[String])
            -> Checked<tree::VerifiedEquivocation>;
    }
}
