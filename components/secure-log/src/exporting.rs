//! The exported interface `export`: convert, forward, convert back.

use std::cell::RefCell;

use secure_log::engine::Export;
use secure_log::export::{ExportOptions, Exported, Format};

use crate::bindings::exports::secure_log::log::export;
use crate::bindings::exports::secure_log::log::types;
use crate::exports::{Component, with};

/// An export in the making.
pub(crate) struct Exporting(RefCell<Export>);

impl export::Guest for Component {
    type Exporting = Exporting;

    fn begin(options: export::ExportOptions) -> Result<export::Exporting, types::LogError> {
        let options = ExportOptions {
            format: match options.format {
                export::Format::Jsonl => Format::JsonLines,
                export::Format::Csv => Format::Csv,
                export::Format::Ocsf => Format::Ocsf,
                export::Format::Otlp => Format::Otlp,
            },
            stream: options.stream_id,
            from: options.from_seqno,
            to: options.to_seqno,
            open: options.open_payloads,
        };
        let begun = with(|log| log.export(&options))?;
        Ok(export::Exporting::new(Exporting(RefCell::new(begun))))
    }
}

impl export::GuestExporting for Exporting {
    fn next(&self) -> Result<Option<Vec<u8>>, types::LogError> {
        with(|log| self.0.borrow_mut().next_page(log))
    }

    fn exported(&self) -> export::Exported {
        let Exported { entries, last, bytes } = *self.0.borrow().exported();
        let last = last.map(|(seqno, hash)| export::LastEntry { seqno, hash: hash.0.to_vec() });
        export::Exported { entries, last, bytes }
    }
}
