//! Reads exports back, as who receives one would, and checks them by what stands in them alone.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secure_log::entry::Entry;
use secure_log::export::Format;
use secure_log::hash::Hash;
use secure_log_testkit::attacks::hmac_key;
use serde_json::Value;

/// A row that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) seqno: u64,
    pub(crate) stream: String,
    pub(crate) state: String,
    pub(crate) hash: Hash,
    /// What is there of the entry, and is not gone.
    pub(crate) entry: Option<Entry>,
}

/// Reads what was exported in a form.
pub(crate) fn read(format: Format, text: &str) -> Vec<Row> {
    match format {
        Format::Csv => csv(text),
        Format::Ocsf => text.lines().map(|line| ocsf(&serde_json::from_str(line).unwrap())).collect(),
        Format::Otlp => text.lines().flat_map(|line| otlp(&serde_json::from_str(line).unwrap())).collect(),
        _ => panic!("the log's own lines are for the verifier"),
    }
}

/// Whether rows are what a log could have: each hashes to its hash and names the one before it in its stream and, of a whole
/// log or a range of one, none is missing between two others.
pub(crate) fn check(rows: &[Row], dense: bool) -> Result<(), String> {
    let mut last: HashMap<&str, Hash> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        if dense && index > 0 && row.seqno != rows[index - 1].seqno + 1 {
            return Err(format!("{} is missing", rows[index - 1].seqno + 1));
        }
        if let Some(entry) = &row.entry {
            if row.state != "opened" && hash(entry) != row.hash {
                return Err(format!("{} does not hash to its hash", row.seqno));
            }
            if last.get(&*row.stream).is_some_and(|before| *before != entry.prev) {
                return Err(format!("{} does not follow the entry before it", row.seqno));
            }
        }
        last.insert(&row.stream, row.hash);
    }
    Ok(())
}

fn hash(entry: &Entry) -> Hash {
    let bytes = entry.as_ref().encode();
    match entry.version {
        1 => Hash::sha256(&bytes),
        2 => Hash(*blake3::hash(&bytes).as_bytes()),
        _ => Hash(hmac_key().mac(&bytes)),
    }
}

fn csv(text: &str) -> Vec<Row> {
    let mut records = records(text).into_iter();
    let header = records.next().unwrap();
    let name = |record: &[String], column: &str| {
        let place = header.iter().position(|name| name == column).unwrap();
        let field = &record[place];
        field.strip_prefix('\'').unwrap_or(field).to_owned()
    };
    records
        .map(|record| {
            assert_eq!(record.len(), header.len());
            let field = |column| name(&record, column);
            let state = field("state");
            let entry = (state != "pruned").then(|| Entry {
                version: field("version").parse().unwrap(),
                stream: field("stream"),
                session: field("session"),
                boot: field("boot"),
                seqno: field("seqno").parse().unwrap(),
                time: field("time"),
                event: field("event"),
                severity: field("severity"),
                producer: field("producer"),
                encoding: field("encoding"),
                payload: payload(&field("payload_form"), &field("payload")),
                prev: Hash::from_hex(&field("prev")).unwrap(),
            });
            let hash = Hash::from_hex(&field("hash")).unwrap();
            Row { seqno: field("seqno").parse().unwrap(), stream: field("stream"), state, hash, entry }
        })
        .collect()
}

/// RFC 4180, strictly: CRLF after each record, quotes around a whole field and doubled within.
pub(crate) fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' if field.is_empty() => loop {
                match rest.next().expect("a quoted field ends") {
                    '"' if rest.next_if_eq(&'"').is_some() => field.push('"'),
                    '"' => break assert!(matches!(rest.peek(), Some(',' | '\r')), "a field goes on behind its quotes"),
                    other => field.push(other),
                }
            },
            ',' => record.push(std::mem::take(&mut field)),
            '\r' => {
                assert_eq!(rest.next(), Some('\n'));
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            '"' | '\n' => panic!("{character:?} stands in a field without quotes"),
            other => field.push(other),
        }
    }
    assert!(record.is_empty() && field.is_empty(), "the last record has an end");
    records
}

fn payload(form: &str, text: &str) -> Vec<u8> {
    match form {
        "text" => text.as_bytes().to_vec(),
        "base64" => BASE64.decode(text).unwrap(),
        other => panic!("{other}"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}

fn ocsf(event: &Value) -> Row {
    let fields = &event["unmapped"]["secure_log"];
    let field = |name: &str| text(&fields[name]);
    let attestation = &event["attestation_list"][0];
    let state = field("state");
    let seqno = field("seqno").parse().unwrap();
    let entry = (state != "pruned").then(|| Entry {
        version: fields["version"].as_u64().unwrap(),
        stream: field("stream"),
        session: field("session"),
        boot: field("boot"),
        seqno,
        time: field("time"),
        event: field("event"),
        severity: field("severity"),
        producer: field("producer"),
        encoding: field("encoding"),
        payload: payload(&field("payload_form"), &text(&event["raw_data"])),
        prev: Hash::from_hex(&field("prev")).unwrap(),
    });
    if let Some(entry) = &entry {
        let names = attestation.get("prev_event").map(|previous| text(&previous["fingerprint"]["value"]));
        assert!(names.is_none_or(|named| named == entry.prev.to_hex()));
    }
    let hash = Hash::from_hex(&text(&attestation["fingerprint"]["value"])).unwrap();
    Row { seqno, stream: field("stream"), state, hash, entry }
}

fn otlp(data: &Value) -> Vec<Row> {
    let logs = data["resourceLogs"].as_array().unwrap();
    let scopes = logs.iter().flat_map(|logs| logs["scopeLogs"].as_array().unwrap());
    let records = scopes.flat_map(|scope| scope["logRecords"].as_array().unwrap());
    records.map(otlp_record).collect()
}

fn otlp_record(record: &Value) -> Row {
    let attributes: HashMap<String, &Value> = record["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| (text(&attribute["key"]), &attribute["value"]))
        .collect();
    let attribute = |name: &str| {
        let value = attributes[&format!("secure_log.{name}")];
        text(value.get("stringValue").or_else(|| value.get("intValue")).unwrap())
    };
    let state = attribute("state");
    let seqno = attribute("seqno").parse().unwrap();
    let entry = (state != "pruned").then(|| Entry {
        version: attribute("version").parse().unwrap(),
        stream: attribute("stream"),
        session: attribute("session"),
        boot: attribute("boot"),
        seqno,
        time: attribute("time"),
        event: text(&record["eventName"]),
        severity: text(&record["severityText"]),
        producer: attribute("producer"),
        encoding: attribute("encoding"),
        payload: match record["body"].get("stringValue") {
            Some(payload) => text(payload).into_bytes(),
            None => BASE64.decode(text(&record["body"]["bytesValue"])).unwrap(),
        },
        prev: Hash::from_hex(&attribute("prev")).unwrap(),
    });
    let hash = Hash::from_hex(&attribute("hash")).unwrap();
    Row { seqno, stream: attribute("stream"), state, hash, entry }
}
