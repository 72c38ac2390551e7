//! The audit profile over the log that a component was composed with.
//!
//! **In scope**: [`import_log!`], which makes the log of a component's own bindings of wit/log.wit one that `secure-log-audit`
//! records events in. A macro, as the bindings of each component are types of its own.
//! **Out of scope**: the profile (`secure-log-audit`), and events as types of wit/audit (the component `audit`).
//!
//! ```text
//! secure_log_guest_audit::import_log!(crate::bindings::secure_log::log);
//!
//! let audit = AuditLog::<Composed>::over(ComposedLog, Profile::default())?;
//! ```
#![forbid(unsafe_code)]

#[doc(hidden)]
pub use secure_log;
#[doc(hidden)]
pub use secure_log_audit;
#[doc(hidden)]
pub use zeroize;

/// Makes `Composed`, the place of the log that a component was composed with, and `ComposedLog`, that log, out of the component's
/// bindings of wit/log.wit. Its errors are those of the bindings, each as it was answered.
#[macro_export]
macro_rules! import_log {
    ($($log:ident)::+) => {
        /// Where the log is that this component was composed with.
        pub(crate) enum Composed {}

        /// The log that this component was composed with.
        pub(crate) struct ComposedLog;

        const _: () = {
            use $($log)::+::{checkpoint, encoder, log, sealing, types, writer};
            use $crate::secure_log::engine::{Appended, CommitInfo, NewEntry, NumberedStream};
            use $crate::secure_log::entry::{Entry, Severity, SigningRule, StreamRules, Tier};
            use $crate::secure_log::hash::{Hash, KeyId, Suite};
            use $crate::secure_log::index::IndexKey;
            use $crate::secure_log::limits::Invalid;
            use $crate::secure_log::providers::RandomError;
            use $crate::secure_log::record::StreamRow;
            use $crate::secure_log_audit::{
                EventLog, EventLogError, LogVerdict, Meaning, OpenedPage, Place, SessionSuite,
            };
            use $crate::zeroize::Zeroizing;
            use types::LogError;

            impl Place for Composed {
                type Log = ComposedLog;
            }

            impl From<Invalid> for LogError {
                fn from(invalid: Invalid) -> LogError {
                    LogError::Invalid(invalid.to_string())
                }
            }

            // It failed below the log, as it does where the log itself draws random bytes.
            impl From<RandomError> for LogError {
                fn from(error: RandomError) -> LogError {
                    LogError::Storage(error.to_string())
                }
            }

            impl EventLogError for LogError {
                fn means(&self) -> Meaning {
                    match self {
                        LogError::StreamNotFound(_) => Meaning::StreamNotFound,
                        LogError::StreamExists(_) => Meaning::StreamExists,
                        LogError::StreamDeprecated(_) => Meaning::StreamDeprecated,
                        LogError::StreamNotProtected(_) => Meaning::StreamNotProtected,
                        LogError::NotSealed(_) => Meaning::NotSealed,
                        LogError::PayloadErased(_) => Meaning::PayloadErased,
                        LogError::MacKeyMissing(_) => Meaning::KeyMissing,
                        LogError::ChainBroken(_)
                        | LogError::InclusionMismatch(_)
                        | LogError::SegmentNotFound(_)
                        | LogError::PolicyMismatch(_)
                        | LogError::InvalidRecord(_) => Meaning::Wrong,
                        _ => Meaning::Other,
                    }
                }
            }

            impl EventLog for ComposedLog {
                type Error = LogError;
                type Report = writer::Report;

                fn append_batch(&self, entries: &[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), LogError> {
                    appended(writer::append_batch(&batch(entries))?)
                }

                fn append_signed_batch(
                    &self,
                    entries: &[NewEntry<'_>],
                ) -> Result<(Vec<Appended>, CommitInfo), LogError> {
                    appended(writer::append_signed_batch(&batch(entries))?)
                }

                // The log finds its key when the first such stream is made.
                fn check_suite(&self, _: SessionSuite) -> Result<(), LogError> {
                    Ok(())
                }

                fn create_stream(&self, stream: &str, suite: SessionSuite, sign: SigningRule) -> Result<(), LogError> {
                    let rules = writer::StreamRules {
                        tier: types::Tier::Public,
                        suite: match suite {
                            SessionSuite::Sha256 => writer::HashSuite::Sha256,
                            SessionSuite::Blake3 => writer::HashSuite::Blake3,
                            SessionSuite::HmacSha256 => writer::HashSuite::HmacSha256,
                        },
                        sign: match sign {
                            SigningRule::None => writer::SigningRule::None,
                            SigningRule::Segments => writer::SigningRule::Segments,
                            SigningRule::Entries => writer::SigningRule::Entries,
                        },
                        description: None,
                    };
                    writer::create_stream_with(stream, &rules).map(drop)
                }

                fn deprecate_stream(&self, stream: &str) -> Result<CommitInfo, LogError> {
                    log::deprecate_stream(stream)?;
                    let status = writer::status()?;
                    Ok(CommitInfo {
                        size: status.size,
                        root: hash(&status.root)?,
                        signed: status.attested_to == status.size,
                        anchored: status.anchored,
                    })
                }

                fn create_protected_stream(&self, stream: &str) -> Result<(), LogError> {
                    let rules = writer::StreamRules {
                        tier: types::Tier::Protected,
                        suite: writer::HashSuite::Sha256,
                        sign: writer::SigningRule::None,
                        description: None,
                    };
                    writer::create_stream_with(stream, &rules).map(drop)
                }

                fn append_sealed(&self, entry: &NewEntry<'_>) -> Result<(), LogError> {
                    let NewEntry { stream, event, severity: of, producer, encoding, payload } = *entry;
                    sealing::append_sealed(stream, event, of.into(), producer, payload, encoding).map(drop)
                }

                fn open_page(
                    &self,
                    stream: &str,
                    from: u64,
                    to: u64,
                    limit: u32,
                ) -> Result<OpenedPage<LogError>, LogError> {
                    let page = sealing::open_page(stream, from, to, limit)?;
                    let opened = |one: sealing::PageEntry| {
                        (one.entry.seqno, one.content.map(|opened| Zeroizing::new(opened.payload)))
                    };
                    Ok(page.into_iter().map(opened).collect())
                }

                fn erase_stream(&self, stream: &str) -> Result<(u64, bool), LogError> {
                    let erased = sealing::erase(stream, sealing::Erasure::Stream)?;
                    Ok((erased.keys.len() as u64, erased.more))
                }

                fn size(&self) -> Result<u64, LogError> {
                    writer::status().map(|status| status.size)
                }

                fn read(&self, seqno: u64) -> Result<Entry, LogError> {
                    entry(log::read(seqno)?)
                }

                fn read_page(
                    &self,
                    stream: Option<&str>,
                    from: u64,
                    to: u64,
                    limit: u32,
                ) -> Result<Vec<Entry>, LogError> {
                    writer::read_page(stream, from, to, limit)?.into_iter().map(entry).collect()
                }

                fn read_indexed(
                    &self,
                    key: IndexKey,
                    from: u64,
                    to: u64,
                    limit: u32,
                ) -> Result<Vec<Entry>, LogError> {
                    writer::read_indexed(&key.0, from, to, limit)?.into_iter().map(entry).collect()
                }

                fn suite(&self, stream: &str) -> Result<Suite, LogError> {
                    let described = writer::describe_stream(stream)?;
                    suite_of(described.rules.suite, described.mac_key.as_deref())
                }

                fn streams(&self, after: u64, limit: u32) -> Result<Vec<NumberedStream>, LogError> {
                    writer::describe_streams(after, limit)?.into_iter().map(numbered).collect()
                }

                fn verify_stream(&self, stream: &str) -> Result<u64, LogError> {
                    log::verify_chain(stream, 1, u64::MAX)?;
                    checkpoint::verify_checkpoint_chain(stream)?;
                    checkpoint::verify_entry_signatures(stream)
                }

                fn verify_log(&self) -> Result<writer::Report, LogError> {
                    writer::verify_log()
                }

                fn verdict(report: &writer::Report) -> LogVerdict<LogError> {
                    match &report.verdict {
                        writer::Verdict::Valid => LogVerdict::Valid,
                        writer::Verdict::Incomplete => LogVerdict::Incomplete,
                        writer::Verdict::Invalid(finding) => {
                            LogVerdict::Invalid(LogError::InvalidRecord(finding.clone()))
                        }
                    }
                }
            }

            /// What neighbours have in common is said once.
            fn batch(entries: &[NewEntry<'_>]) -> Vec<writer::NewEntries> {
                fn kind<'e>(of: &NewEntry<'e>) -> (&'e str, &'e str, Severity, &'e str, &'e str) {
                    (of.stream, of.event, of.severity, of.producer, of.encoding)
                }
                let alike = |one: &NewEntry<'_>, other: &NewEntry<'_>| kind(one) == kind(other);
                let kinds = entries.chunk_by(alike).map(|kind| writer::NewEntries {
                    stream_id: kind[0].stream.into(),
                    event_type: kind[0].event.into(),
                    severity: kind[0].severity.into(),
                    producer: kind[0].producer.into(),
                    payload_encoding: kind[0].encoding.into(),
                    payloads: kind.iter().map(|entry| entry.payload.to_vec()).collect(),
                });
                kinds.collect()
            }

            fn appended(result: writer::BatchResult) -> Result<(Vec<Appended>, CommitInfo), LogError> {
                let one = |entry: log::AppendResult| {
                    Ok(Appended { seqno: entry.seqno, hash: hash(&entry.entry_hash)? })
                };
                let entries = result.entries.into_iter().map(one).collect::<Result<_, LogError>>()?;
                let writer::CommitInfo { size, root, signed, anchored } = result.commit;
                Ok((entries, CommitInfo { size, root: hash(&root)?, signed, anchored }))
            }

            fn entry(fields: encoder::EntryFields) -> Result<Entry, LogError> {
                Ok(Entry {
                    version: fields.version.into(),
                    stream: fields.stream_id,
                    session: fields.session_id,
                    boot: fields.boot_id,
                    seqno: fields.seqno,
                    time: fields.timestamp_rfc3339,
                    event: fields.event_type,
                    severity: word(fields.severity).into(),
                    producer: fields.producer,
                    encoding: fields.payload_encoding,
                    payload: fields.payload,
                    prev: hash(&fields.prev_entry_hash)?,
                })
            }

            fn numbered(stream: writer::StreamDescription) -> Result<NumberedStream, LogError> {
                let suite = suite_of(stream.rules.suite, stream.mac_key.as_deref())?;
                let rules = StreamRules {
                    tier: match stream.rules.tier {
                        types::Tier::Public => Tier::Public,
                        types::Tier::Protected => Tier::Protected,
                        types::Tier::HighlyRestricted => Tier::HighlyRestricted,
                    },
                    suite,
                    sign: match stream.rules.sign {
                        writer::SigningRule::None => SigningRule::None,
                        writer::SigningRule::Segments => SigningRule::Segments,
                        writer::SigningRule::Entries => SigningRule::Entries,
                    },
                    description: stream.rules.description,
                };
                let row =
                    StreamRow { name: stream.name, rules, created: stream.created_at, deprecated: stream.deprecated_at };
                Ok(NumberedStream { number: stream.number, row })
            }

            fn suite_of(suite: writer::HashSuite, key: Option<&[u8]>) -> Result<Suite, LogError> {
                match (suite, key) {
                    (writer::HashSuite::Sha256, None) => Ok(Suite::Sha256),
                    (writer::HashSuite::Blake3, None) => Ok(Suite::Blake3),
                    (writer::HashSuite::HmacSha256, Some(key)) => {
                        let key = key.try_into().map_err(|_| malformed("the name of a key has not 8 bytes"))?;
                        Ok(Suite::HmacSha256(KeyId(key)))
                    }
                    _ => Err(malformed("a suite and its key do not fit")),
                }
            }

            fn hash(bytes: &[u8]) -> Result<Hash, LogError> {
                Hash::try_from(bytes).map_err(|_| malformed("a hash has not 32 bytes"))
            }

            /// The log answered what wit/log.wit rules out.
            fn malformed(what: &str) -> LogError {
                LogError::Encoding(what.into())
            }

            impl From<Severity> for encoder::Severity {
                fn from(severity: Severity) -> encoder::Severity {
                    match severity {
                        Severity::Emergency => encoder::Severity::Emergency,
                        Severity::Alert => encoder::Severity::Alert,
                        Severity::Critical => encoder::Severity::Critical,
                        Severity::Error => encoder::Severity::Error,
                        Severity::Warning => encoder::Severity::Warning,
                        Severity::Notice => encoder::Severity::Notice,
                        Severity::Info => encoder::Severity::Info,
                        Severity::Debug => encoder::Severity::Debug,
                    }
                }
            }

            fn word(severity: encoder::Severity) -> &'static str {
                match severity {
                    encoder::Severity::Emergency => "emergency",
                    encoder::Severity::Alert => "alert",
                    encoder::Severity::Critical => "critical",
                    encoder::Severity::Error => "error",
                    encoder::Severity::Warning => "warning",
                    encoder::Severity::Notice => "notice",
                    encoder::Severity::Info => "info",
                    encoder::Severity::Debug => "debug",
                }
            }
        };
    };
}
