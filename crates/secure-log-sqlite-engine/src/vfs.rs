//! What SQLite calls for files and locks: a VFS over any disk.
//!
//! SQLite is in C and calls back, so that this file is `unsafe` throughout. It holds no logic: it takes what SQLite passes apart,
//! calls `shared`, and says in SQLite's numbers what came of it.
//!
//! Two things make it sound. A VFS stays for the life of the program, as SQLite may ask for it at any time. And what is reached
//! from it is used by one thread: [`Vfs`] is neither `Send` nor `Sync`, connections are opened through it only, and
//! connections are not `Send` either.

#![allow(unsafe_code, reason = "SQLite calls these functions with pointers; each says why it may use them")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::path::{Path, PathBuf};
use std::ptr;
use std::rc::{Rc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libsqlite3_sys as ffi;
use secure_log_disk::{Disk, Mode, Patience};

use crate::gathered::Gathered;
use crate::shared::{Database, Level, Trouble, open_or_make};

/// A VFS that is registered with SQLite. One thread uses it.
pub struct Vfs {
    name: CString,
    note: Rc<RefCell<Option<Note>>>,
    rest: Box<dyn Fn()>,
    others: Rc<Cell<bool>>,
}

/// What SQLite's result code cannot say.
#[derive(Debug)]
pub(crate) enum Note {
    /// Another program holds the database.
    Held(String),
    /// What the system said.
    Io(String),
}

/// What all files of a VFS share.
struct App<D: Disk + 'static> {
    disk: D,
    patience: Patience,
    databases: RefCell<BTreeMap<PathBuf, Weak<RefCell<Database<D>>>>>,
    note: Rc<RefCell<Option<Note>>>,
    others: Rc<Cell<bool>>,
}

/// A file as SQLite holds it: its own part, which it reads, and what we know of the file.
#[repr(C)]
struct Slot<D: Disk + 'static> {
    base: ffi::sqlite3_file,
    file: *mut File<D>,
}

struct File<D: Disk + 'static> {
    app: &'static App<D>,
    database: Rc<RefCell<Database<D>>>,
    kind: Kind<D>,
}

enum Kind<D: Disk + 'static> {
    /// The database itself, and who has it open.
    Main(u64),
    Wal,
    /// The journal of a transaction where there is no write-ahead log.
    Journal(RefCell<Gathered<D::File>>),
}

impl Vfs {
    /// Makes a disk known to SQLite under this name, which must be new, for the rest of the program.
    pub fn register<D: Disk + 'static>(name: &CStr, disk: D, patience: Patience) -> Vfs {
        let note = Rc::new(RefCell::new(None));
        let others = Rc::new(Cell::new(false));
        let app: &'static App<D> = Box::leak(Box::new(App {
            disk,
            patience,
            databases: RefCell::default(),
            note: note.clone(),
            others: others.clone(),
        }));
        let vfs = Box::leak(Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<Slot<D>>() as c_int,
            mxPathname: 4096,
            pNext: ptr::null_mut(),
            zName: CString::from(name).into_raw(),
            pAppData: ptr::from_ref(app).cast_mut().cast(),
            xOpen: Some(open::<D>),
            xDelete: Some(delete::<D>),
            xAccess: Some(access::<D>),
            xFullPathname: Some(full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: None,
            xGetLastError: None,
            xCurrentTimeInt64: Some(current_time),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        // SAFETY: the structure and all that it points to were leaked and stay as they are. Where there is no other VFS it
        // becomes the default one, which SQLite asks for random bytes.
        let registered = unsafe { ffi::sqlite3_vfs_register(vfs, cfg!(target_family = "wasm").into()) };
        assert_eq!(registered, ffi::SQLITE_OK, "SQLite starts");
        let rest = Box::new(|| {
            let databases: Vec<_> = app.databases.borrow().values().filter_map(Weak::upgrade).collect();
            for database in databases {
                let rested = database.borrow_mut().rest();
                app.told(rested, ffi::SQLITE_IOERR);
            }
        });
        Vfs { name: name.into(), note, rest, others }
    }

    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// What the last failure was about, which is told once.
    pub(crate) fn take_note(&self) -> Option<Note> {
        self.note.take()
    }

    /// Set when another program was found to have had a database, for whoever makes a checkpoint to take back.
    pub(crate) fn others(&self) -> &Cell<bool> {
        &self.others
    }

    /// Gives back what nobody needs any more at the end of a call: between two calls a lock is held for a transaction only, as
    /// it may be long until the next one.
    pub(crate) fn rest(&self) {
        (self.rest)();
    }
}

impl<D: Disk + 'static> App<D> {
    /// What came of something, as SQLite's result code; `io` is the one for a failure of the system.
    fn told<T>(&self, outcome: Result<T, impl Into<Trouble>>, io: c_int) -> c_int {
        match outcome.map_err(Into::into) {
            Ok(_) => ffi::SQLITE_OK,
            Err(Trouble::Busy) => ffi::SQLITE_BUSY,
            // Not "busy": there was waiting already, and SQLite would try a hundred times more.
            Err(Trouble::Refused(detail)) => {
                *self.note.borrow_mut() = Some(Note::Held(detail));
                ffi::SQLITE_IOERR_LOCK
            }
            Err(Trouble::Io(error)) => {
                *self.note.borrow_mut() = Some(Note::Io(error.to_string()));
                match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ffi::SQLITE_FULL,
                    io::ErrorKind::ReadOnlyFilesystem => ffi::SQLITE_READONLY,
                    _ => io,
                }
            }
        }
    }

    /// The database that this path is, or is beside.
    fn database(&self, path: &Path) -> Option<Rc<RefCell<Database<D>>>> {
        self.databases.borrow().get(path).and_then(Weak::upgrade)
    }

    fn open_main(&'static self, path: &Path, flags: c_int) -> io::Result<File<D>> {
        let main = if flags & ffi::SQLITE_OPEN_CREATE != 0 {
            open_or_make(&self.disk, path)?
        } else {
            let mode = if flags & ffi::SQLITE_OPEN_READONLY != 0 { Mode::Read } else { Mode::Write };
            Gathered::over(self.disk.open(path, mode)?)
        };
        let database = match self.database(path) {
            Some(database) => {
                if flags & ffi::SQLITE_OPEN_READONLY == 0 {
                    // The handle that is there may be one for reading.
                    database.borrow_mut().use_main(main)?;
                }
                database
            }
            None => {
                let made = Database::new(&self.disk, path.into(), main, self.patience, self.others.clone());
                let made = Rc::new(RefCell::new(made));
                let mut databases = self.databases.borrow_mut();
                databases.retain(|_, database| database.strong_count() > 0);
                databases.insert(path.into(), Rc::downgrade(&made));
                made
            }
        };
        let id = database.borrow_mut().enter();
        Ok(File { app: self, database, kind: Kind::Main(id) })
    }

    fn open_beside(&'static self, path: &Path, suffix: &str, kind: Kind<D>) -> io::Result<File<D>> {
        let name = path.to_string_lossy();
        let main = name.strip_suffix(suffix).and_then(|main| self.database(Path::new(main)));
        let database = main.ok_or_else(|| io::Error::other("it belongs to no database that is open"))?;
        Ok(File { app: self, database, kind })
    }
}

/// The application of a VFS of ours.
///
/// # Safety
///
/// `vfs` was registered by [`Vfs::register`] for the same disk.
unsafe fn app<D: Disk + 'static>(vfs: *mut ffi::sqlite3_vfs) -> &'static App<D> {
    // SAFETY: that is what `register` put there, for good.
    unsafe { &*(*vfs).pAppData.cast::<App<D>>() }
}

/// A path as SQLite passes it.
///
/// # Safety
///
/// `name` ends with a zero byte, or is null.
unsafe fn path(name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    // SAFETY: as promised.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().ok().map(PathBuf::from)
}

unsafe extern "C" fn open<D: Disk + 'static>(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    slot: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls it with the VFS that this function was registered with.
    let app = unsafe { app::<D>(vfs) };
    let slot = slot.cast::<Slot<D>>();
    // SAFETY: SQLite gives room for a slot, whose size it was told. Without methods it does not close what was not opened.
    unsafe { slot.write(Slot { base: ffi::sqlite3_file { pMethods: ptr::null() }, file: ptr::null_mut() }) };
    // SAFETY: a name that SQLite passes ends with a zero byte. It has none for temporary files, which are in memory here.
    let Some(path) = (unsafe { path(name) }) else { return ffi::SQLITE_CANTOPEN };
    let opened = if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 {
        app.open_main(&path, flags).map_err(Trouble::Io)
    } else if flags & ffi::SQLITE_OPEN_WAL != 0 {
        app.open_beside(&path, "-wal", Kind::Wal).map_err(Trouble::Io).and_then(|file| {
            file.database.borrow_mut().open_wal()?;
            Ok(file)
        })
    } else if flags & ffi::SQLITE_OPEN_MAIN_JOURNAL != 0 {
        open_or_make(&app.disk, &path)
            .and_then(|journal| app.open_beside(&path, "-journal", Kind::Journal(RefCell::new(journal))))
            .map_err(Trouble::Io)
    } else {
        return ffi::SQLITE_CANTOPEN;
    };
    match opened {
        Ok(file) => {
            let file = Box::into_raw(Box::new(file));
            // SAFETY: the slot is SQLite's room, as above, and the methods are constant.
            unsafe { slot.write(Slot { base: ffi::sqlite3_file { pMethods: Methods::<D>::IO }, file }) };
            if !out_flags.is_null() {
                // SAFETY: where it is not null, it points to a number of SQLite's.
                unsafe { *out_flags = flags };
            }
            ffi::SQLITE_OK
        }
        Err(error) => app.told::<()>(Err(error), ffi::SQLITE_CANTOPEN),
    }
}

unsafe extern "C" fn delete<D: Disk + 'static>(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_folder: c_int,
) -> c_int {
    // SAFETY: SQLite calls it with the VFS that this function was registered with, and a name that ends with a zero byte.
    let (app, path) = unsafe { (app::<D>(vfs), path(name)) };
    let Some(path) = path else { return ffi::SQLITE_IOERR_DELETE };
    match app.disk.remove(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => ffi::SQLITE_IOERR_DELETE_NOENT,
        Err(error) => app.told::<()>(Err(error), ffi::SQLITE_IOERR_DELETE),
        Ok(()) if sync_folder != 0 => {
            let synced = app.disk.sync_folder(&secure_log_disk::folder_of(&path));
            app.told(synced, ffi::SQLITE_IOERR_DIR_FSYNC)
        }
        Ok(()) => ffi::SQLITE_OK,
    }
}

unsafe extern "C" fn access<D: Disk + 'static>(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls it with the VFS that this function was registered with, and a name that ends with a zero byte.
    let (app, path) = unsafe { (app::<D>(vfs), path(name)) };
    let exists = path.map_or(Ok(false), |path| app.disk.exists(&path));
    if let Ok(exists) = exists {
        // SAFETY: it points to a number of SQLite's.
        unsafe { *out = exists.into() };
    }
    app.told(exists, ffi::SQLITE_IOERR_ACCESS)
}

/// Paths are used as they are given.
unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: the name ends with a zero byte.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if name.len() > room as usize {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: SQLite's buffer has so much room, and is not the name.
    unsafe { ptr::copy_nonoverlapping(name.as_ptr(), out.cast::<u8>(), name.len()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(_vfs: *mut ffi::sqlite3_vfs, count: c_int, out: *mut c_char) -> c_int {
    // SAFETY: SQLite's buffer has so many bytes.
    let out = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), count as usize) };
    match getrandom::fill(out) {
        Ok(()) => count,
        // Nothing secret hangs on them: they tell one write-ahead log from the next.
        Err(_) => 0,
    }
}

unsafe extern "C" fn sleep(_vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    std::thread::sleep(Duration::from_micros(microseconds.max(0) as u64));
    microseconds
}

/// Milliseconds since noon in Greenwich on November 24th, 4714 B.C.
unsafe extern "C" fn current_time(_vfs: *mut ffi::sqlite3_vfs, out: *mut ffi::sqlite3_int64) -> c_int {
    const UNIX_EPOCH_THEN: i64 = 210_866_760_000_000;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    // SAFETY: it points to a number of SQLite's.
    unsafe { *out = UNIX_EPOCH_THEN + since };
    ffi::SQLITE_OK
}

struct Methods<D>(D);

impl<D: Disk + 'static> Methods<D> {
    const IO: &'static ffi::sqlite3_io_methods = &ffi::sqlite3_io_methods {
        iVersion: 2,
        xClose: Some(close::<D>),
        xRead: Some(read::<D>),
        xWrite: Some(write::<D>),
        xTruncate: Some(truncate::<D>),
        xSync: Some(sync::<D>),
        xFileSize: Some(file_size::<D>),
        xLock: Some(lock::<D>),
        xUnlock: Some(unlock::<D>),
        xCheckReservedLock: Some(check_reserved::<D>),
        xFileControl: Some(file_control),
        xSectorSize: Some(sector_size),
        xDeviceCharacteristics: Some(characteristics),
        xShmMap: Some(index_map::<D>),
        xShmLock: Some(index_lock::<D>),
        xShmBarrier: Some(index_barrier),
        xShmUnmap: Some(index_unmap::<D>),
        xFetch: None,
        xUnfetch: None,
    };
}

/// A file that [`open`] opened.
///
/// # Safety
///
/// `slot` is what `open` filled for the same disk, and was not closed.
unsafe fn file<'a, D: Disk + 'static>(slot: *mut ffi::sqlite3_file) -> &'a File<D> {
    // SAFETY: `open` put a file there, which stays until `close`; it is shared from then on and changed behind cells only.
    unsafe { &*(*slot.cast::<Slot<D>>()).file }
}

impl<D: Disk + 'static> File<D> {
    /// Calls with the database, and says in SQLite's words what came of it.
    fn with<T>(&self, io: c_int, call: impl FnOnce(&mut Database<D>) -> Result<T, Trouble>) -> c_int {
        let outcome = call(&mut self.database.borrow_mut());
        self.app.told(outcome, io)
    }

    /// The same with the file's bytes.
    fn with_bytes<T>(&self, io: c_int, call: impl FnOnce(&mut Gathered<D::File>) -> io::Result<T>) -> Result<T, c_int> {
        let mut database = self.database.borrow_mut();
        let outcome = match &self.kind {
            Kind::Main(_) => call(&mut database.main),
            Kind::Wal => match &mut database.wal {
                Some(wal) => call(&mut wal.file),
                None => Err(io::ErrorKind::NotFound.into()),
            },
            Kind::Journal(journal) => call(&mut journal.borrow_mut()),
        };
        outcome.map_err(|error| self.app.told::<()>(Err(error), io))
    }

    /// Who has the database open. Locks are taken with its own file only.
    fn user(&self) -> u64 {
        match self.kind {
            Kind::Main(id) => id,
            _ => u64::MAX,
        }
    }
}

unsafe extern "C" fn close<D: Disk + 'static>(slot: *mut ffi::sqlite3_file) -> c_int {
    let slot = slot.cast::<Slot<D>>();
    // SAFETY: `open` made the file with `Box::into_raw`, and SQLite closes it once and then never uses it.
    let file = unsafe { Box::from_raw((*slot).file) };
    // SAFETY: the slot is still SQLite's room. Without methods it is closed.
    unsafe { slot.write(Slot { base: ffi::sqlite3_file { pMethods: ptr::null() }, file: ptr::null_mut() }) };
    match &file.kind {
        Kind::Main(id) => file.with(ffi::SQLITE_IOERR_CLOSE, |database| database.leave(*id)),
        Kind::Wal => file.with(ffi::SQLITE_IOERR_CLOSE, Database::close_wal),
        Kind::Journal(journal) => {
            let closed = journal.borrow_mut().hand_over();
            file.app.told(closed, ffi::SQLITE_IOERR_CLOSE)
        }
    }
}

unsafe extern "C" fn read<D: Disk + 'static>(
    slot: *mut ffi::sqlite3_file,
    out: *mut c_void,
    count: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite reads from what `open` opened, into a buffer of so many bytes that it initialises by this.
    let (file, out) =
        unsafe { (file::<D>(slot), std::slice::from_raw_parts_mut(out.cast::<u8>(), count.max(0) as usize)) };
    match file.with_bytes(ffi::SQLITE_IOERR_READ, |bytes| bytes.read(out, offset as u64)) {
        Ok(found) if found == out.len() => ffi::SQLITE_OK,
        Ok(found) => {
            // SQLite relies on it.
            out[found..].fill(0);
            ffi::SQLITE_IOERR_SHORT_READ
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn write<D: Disk + 'static>(
    slot: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite writes to what `open` opened, from a buffer of so many bytes.
    let (file, bytes) =
        unsafe { (file::<D>(slot), std::slice::from_raw_parts(bytes.cast::<u8>(), count.max(0) as usize)) };
    let looked = file.with(ffi::SQLITE_IOERR_WRITE, Database::look_at_times);
    if looked != ffi::SQLITE_OK {
        return looked;
    }
    let written = file.with_bytes(ffi::SQLITE_IOERR_WRITE, |file| file.write(bytes, offset as u64));
    written.err().unwrap_or(ffi::SQLITE_OK)
}

unsafe extern "C" fn truncate<D: Disk + 'static>(slot: *mut ffi::sqlite3_file, len: ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite cuts what `open` opened.
    let file = unsafe { file::<D>(slot) };
    let ours = file.with(ffi::SQLITE_IOERR_TRUNCATE, Database::still_ours);
    if ours != ffi::SQLITE_OK {
        return ours;
    }
    file.with_bytes(ffi::SQLITE_IOERR_TRUNCATE, |file| file.set_len(len as u64)).err().unwrap_or(ffi::SQLITE_OK)
}

unsafe extern "C" fn sync<D: Disk + 'static>(slot: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite syncs what `open` opened.
    let file = unsafe { file::<D>(slot) };
    match &file.kind {
        Kind::Main(_) => file.with(ffi::SQLITE_IOERR_FSYNC, Database::sync_main),
        Kind::Wal => file.with(ffi::SQLITE_IOERR_FSYNC, Database::sync_wal),
        Kind::Journal(journal) => file.with(ffi::SQLITE_IOERR_FSYNC, |database| {
            database.still_ours()?;
            Ok(journal.borrow_mut().sync(&file.app.disk)?)
        }),
    }
}

unsafe extern "C" fn file_size<D: Disk + 'static>(slot: *mut ffi::sqlite3_file, out: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite asks for what `open` opened.
    let file = unsafe { file::<D>(slot) };
    match file.with_bytes(ffi::SQLITE_IOERR_FSTAT, Gathered::len) {
        Ok(len) => {
            // SAFETY: it points to a number of SQLite's.
            unsafe { *out = len as i64 };
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn lock<D: Disk + 'static>(slot: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite locks what `open` opened.
    let file = unsafe { file::<D>(slot) };
    file.with(ffi::SQLITE_IOERR_LOCK, |database| database.raise(file.user(), self::level(level)))
}

unsafe extern "C" fn unlock<D: Disk + 'static>(slot: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite unlocks what `open` opened.
    let file = unsafe { file::<D>(slot) };
    file.with(ffi::SQLITE_IOERR_UNLOCK, |database| database.lower(file.user(), self::level(level)))
}

fn level(number: c_int) -> Level {
    match number {
        ffi::SQLITE_LOCK_NONE => Level::None,
        ffi::SQLITE_LOCK_SHARED => Level::Shared,
        ffi::SQLITE_LOCK_RESERVED => Level::Reserved,
        ffi::SQLITE_LOCK_PENDING => Level::Pending,
        _ => Level::Exclusive,
    }
}

unsafe extern "C" fn check_reserved<D: Disk + 'static>(slot: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite asks about what `open` opened, and gives room for the answer.
    unsafe { *out = file::<D>(slot).database.borrow().is_reserved().into() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_slot: *mut ffi::sqlite3_file, _op: c_int, _argument: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_slot: *mut ffi::sqlite3_file) -> c_int {
    4096
}

/// A write that the power interrupts harms nothing beside it.
unsafe extern "C" fn characteristics(_slot: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn index_map<D: Disk + 'static>(
    slot: *mut ffi::sqlite3_file,
    number: c_int,
    size: c_int,
    make: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite maps an index for what `open` opened.
    let file = unsafe { file::<D>(slot) };
    if size as usize != crate::shared::REGION {
        return ffi::SQLITE_IOERR_SHMMAP;
    }
    let mut database = file.database.borrow_mut();
    let region = database.region(file.user(), number as usize, make != 0);
    // Words are atomic, so that SQLite may write where we read.
    let region = region.map_or(ptr::null_mut(), |region| region.as_ptr().cast_mut().cast());
    // SAFETY: it points to a pointer of SQLite's. The region stays where it is until SQLite unmaps the index.
    unsafe { *out = region };
    ffi::SQLITE_OK
}

unsafe extern "C" fn index_lock<D: Disk + 'static>(
    slot: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: SQLite locks the index of what `open` opened.
    let file = unsafe { file::<D>(slot) };
    // There are eight.
    let slots = (((1u32 << count) - 1) << first) as u8;
    let exclusive = flags & ffi::SQLITE_SHM_EXCLUSIVE != 0;
    file.with(ffi::SQLITE_IOERR_SHMLOCK, |database| {
        if flags & ffi::SQLITE_SHM_LOCK != 0 {
            database.take_slots(file.user(), slots, exclusive)
        } else {
            database.give_slots(file.user(), slots, exclusive)
        }
    })
}

/// One thread sees its own writes in their order.
unsafe extern "C" fn index_barrier(_slot: *mut ffi::sqlite3_file) {}

unsafe extern "C" fn index_unmap<D: Disk + 'static>(slot: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: SQLite unmaps the index of what `open` opened, and uses no region of it any more.
    let file = unsafe { file::<D>(slot) };
    file.with(ffi::SQLITE_IOERR, |database| database.leave_index(file.user()))
}

/// SQLite is built without a VFS for the system where there is none that fits, and asks for ours to be there when it starts.
/// [`Vfs::register`] does that.
#[cfg(target_family = "wasm")]
#[unsafe(no_mangle)]
extern "C" fn sqlite3_os_init() -> c_int {
    ffi::SQLITE_OK
}

#[cfg(target_family = "wasm")]
#[unsafe(no_mangle)]
extern "C" fn sqlite3_os_end() -> c_int {
    ffi::SQLITE_OK
}
