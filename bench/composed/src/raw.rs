//! The component that only hashes.

use std::path::Path;

use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Result, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

#[allow(missing_docs)]
mod bindings {
    wasmtime::component::bindgen!({ path: "../raw/wit", world: "raw" });
}

/// A running instance, which keeps the entries that it hashes.
pub struct Raw {
    store: Store<Guest>,
    component: bindings::Raw,
    kept: u64,
}

struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl Raw {
    /// Compiles the component and gives it the entries.
    pub fn load(file: &Path, entries: &[Vec<u8>]) -> Result<Raw> {
        let engine = Engine::new(&Config::new())?;
        let component = Component::from_file(&engine, file)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        let guest = Guest { wasi: WasiCtxBuilder::new().build(), table: ResourceTable::new() };
        let mut store = Store::new(&engine, guest);
        let component = bindings::Raw::instantiate(&mut store, &component, &linker)?;
        component.call_load(&mut store, entries)?;
        Ok(Raw { store, component, kept: entries.len() as u64 })
    }

    /// Hashes at least so many entries, and says how many.
    pub fn hash(&mut self, entries: u64) -> Result<u64> {
        let rounds = entries.div_ceil(self.kept);
        self.component.call_hash(&mut self.store, rounds as u32)?;
        Ok(rounds * self.kept)
    }
}
