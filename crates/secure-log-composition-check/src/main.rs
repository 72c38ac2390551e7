//! Compares what a component imports and exports with the list that it may have, and makes components of modules.
//!
//! ```text
//! secure-log-composition-check [--update] <component.wasm> <list.txt>
//! secure-log-composition-check --exports <component.wasm> <interface>
//! secure-log-composition-check --componentize <module.wasm> <component.wasm>
//! ```
//!
//! The list has one line an interface, `import ns:package/interface@version` or `export ..`, sorted. A stack's imports
//! are part of its contract (docs/decisions/0010-std-in-the-core-component.md): what is not on its list must not appear
//! unnoticed, and what is on it must not vanish. The second form says whether a component that somebody else made exports an
//! interface at all. The third makes a component of a module that was built
//! for a target without WASI. Exit code 0: the same; 1: different; 2: it could not be compared.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::{env, fs};

use wasmparser::{Encoding, Parser, Payload};
use wit_component::ComponentEncoder;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--update", component, list] => update(component, list),
        ["--exports", component, interface] => exports(component, interface),
        ["--componentize", module, component] => componentize(module, component),
        [component, list] => compare(component, list),
        _ => Err("usage: secure-log-composition-check [--update] <component.wasm> <list.txt>, or --exports <component.wasm> <interface>, or --componentize <module.wasm> <component.wasm>".into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn update(component: &str, list: &str) -> Result<bool, String> {
    let mut text = String::new();
    for line in shape_of_file(component)? {
        text.push_str(&line);
        text.push('\n');
    }
    fs::write(list, text).map_err(|error| format!("{list}: {error}"))?;
    Ok(true)
}

fn compare(component: &str, list: &str) -> Result<bool, String> {
    let found = shape_of_file(component)?;
    let text = fs::read_to_string(list).map_err(|error| format!("{list}: {error}"))?;
    let allowed: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    for line in found.difference(&allowed) {
        println!("{component}: {line}: not in {list}");
    }
    for line in allowed.difference(&found) {
        println!("{component}: {line}: in {list}, and missing");
    }
    Ok(found == allowed)
}

fn exports(component: &str, interface: &str) -> Result<bool, String> {
    let found = shape_of_file(component)?.contains(&format!("export {interface}"));
    if !found {
        println!("{component}: it does not export {interface}");
    }
    Ok(found)
}

fn componentize(module: &str, component: &str) -> Result<bool, String> {
    let bytes = fs::read(module).map_err(|error| format!("{module}: {error}"))?;
    let encoded = ComponentEncoder::default().module(&bytes).and_then(|encoder| encoder.validate(true).encode());
    fs::write(component, encoded.map_err(|error| format!("{module}: {error:#}"))?)
        .map_err(|error| format!("{component}: {error}"))?;
    Ok(true)
}

fn shape_of_file(component: &str) -> Result<BTreeSet<String>, String> {
    let bytes = fs::read(component).map_err(|error| format!("{component}: {error}"))?;
    shape(&bytes).map_err(|error| format!("{component}: {error}"))
}

/// The outermost component's imports and exports. Those of the components inside it are satisfied by one another.
fn shape(bytes: &[u8]) -> Result<BTreeSet<String>, String> {
    let text = |error: wasmparser::BinaryReaderError| error.to_string();
    let mut lines = BTreeSet::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(text)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err("a core module, not a component".into());
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    lines.insert(format!("import {}", import.map_err(text)?.name.name));
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    lines.insert(format!("export {}", export.map_err(text)?.name.name));
                }
            }
            _ => {}
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn a_core_module_or_noise_is_an_error() {
        assert_eq!(shape(b"\0asm\x01\0\0\0").unwrap_err(), "a core module, not a component");
        shape(b"no wasm").unwrap_err();
    }

    #[test]
    fn only_the_outermost_names_count() {
        // (component (component (export "inner" (component))) (export "outer" (component 0)))
        let header = *b"\0asm\x0d\0\x01\0";
        let empty_component = [&[4, 8][..], &header].concat();
        let named = |name: &[u8; 5]| [&[11, 11, 1, 0, 5][..], name, &[4, 0, 0]].concat();
        let inner = [&header[..], &empty_component, &named(b"inner")].concat();
        let size = u8::try_from(inner.len()).unwrap();
        let outer = [&header[..], &[4, size], &inner, &named(b"outer")].concat();
        assert_eq!(shape(&outer).unwrap().into_iter().collect::<Vec<_>>(), ["export outer"]);
    }
}
