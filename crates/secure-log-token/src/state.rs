//! What an instance knows of its token: who is logged in, the sessions, and the objects by their handles.

use std::collections::BTreeMap;
use std::sync::Arc;

use secure_log::hash::Hash;
use secure_log_disk::Disk;
use secure_log_pkcs11::{Attribute, ObjectHandle, Pin, Rv, UserType};

use crate::attempts::{Attempts, RETRY_LIMIT};
use crate::folder::{ATTEMPTS, Folder, HEADER, Held, object_name};
use crate::header::{Entry, Header, MAX_OBJECTS};
use crate::key::Key;
use crate::object::Object;
use crate::pins::{self, Cost, Secret};

pub(crate) struct State<D> {
    folder: Arc<Folder<D>>,
    cost: Cost,
    /// As it was read last.
    header: Option<Header>,
    login: Option<(UserType, Secret)>,
    /// Whether each may write.
    sessions: BTreeMap<u64, bool>,
    handles: BTreeMap<ObjectHandle, Place>,
    /// Sessions and handles are numbered together, so that no number is used for two things.
    next: u64,
}

/// Where an object is, and the object once it was needed.
enum Place {
    Token { entry: Entry, loaded: Option<Loaded> },
    Session { session: u64, loaded: Loaded },
}

pub(crate) struct Loaded {
    pub(crate) object: Object,
    pub(crate) key: Key,
}

impl<D: Disk> State<D> {
    pub(crate) fn new(folder: Folder<D>, cost: Cost) -> State<D> {
        State {
            folder: Arc::new(folder),
            cost,
            header: None,
            login: None,
            sessions: BTreeMap::new(),
            handles: BTreeMap::new(),
            next: 1,
        }
    }

    /// The header as it is now and the tries that are used up, if the token is initialized.
    pub(crate) fn token(&mut self) -> Result<Option<(Header, Attempts)>, Rv> {
        let Some(bytes) = self.folder.read(HEADER)? else { return Ok(None) };
        let header = Header::decode(&bytes)?;
        let attempts = self.attempts(&header)?;
        Ok(Some((header, attempts)))
    }

    // ---- Sessions and logins.

    pub(crate) fn open_session(&mut self, read_write: bool) -> Result<u64, Rv> {
        self.refresh()?;
        if !read_write && self.role() == Some(UserType::So) {
            return Err(Rv::SessionReadWriteSoExists);
        }
        let session = self.number();
        self.sessions.insert(session, read_write);
        Ok(session)
    }

    pub(crate) fn close_session(&mut self, session: u64) {
        self.sessions.remove(&session);
        self.handles.retain(|_, place| !matches!(place, Place::Session { session: of, .. } if *of == session));
        if self.sessions.is_empty() {
            self.forget_login();
            self.handles.clear();
        }
    }

    pub(crate) fn login(&mut self, user: UserType, pin: &Pin) -> Result<(), Rv> {
        match self.role() {
            Some(role) if role == user => return Err(Rv::UserAlreadyLoggedIn),
            Some(_) => return Err(Rv::UserAnotherAlreadyLoggedIn),
            None => {}
        }
        if user == UserType::So && self.sessions.values().any(|read_write| !read_write) {
            return Err(Rv::SessionReadOnlyExists);
        }
        let key = self.locked(|state, held, header| state.check_pin(held, header, user, pin))?;
        self.login = Some((user, key));
        self.refresh()
    }

    pub(crate) fn logout(&mut self) -> Result<(), Rv> {
        if self.login.is_none() {
            return Err(Rv::UserNotLoggedIn);
        }
        self.forget_login();
        Ok(())
    }

    pub(crate) fn init_pin(&mut self, pin: &Pin) -> Result<(), Rv> {
        let Some((UserType::So, key)) = &self.login else { return Err(Rv::UserNotLoggedIn) };
        let key = key.clone();
        pins::check_length(pin)?;
        self.locked(|state, held, header| state.store_pin(held, header, UserType::User, &key, pin))
    }

    pub(crate) fn set_pin(&mut self, session: u64, old: &Pin, new: &Pin) -> Result<(), Rv> {
        self.check_read_write(session)?;
        let user = self.role().unwrap_or(UserType::User);
        pins::check_length(new)?;
        self.locked(|state, held, header| {
            let key = state.check_pin(held, header, user, old)?;
            state.store_pin(held, header, user, &key, new)
        })
    }

    /// Makes the token a new one.
    pub(crate) fn init_token(&mut self, so_pin: &Pin, label: &str) -> Result<(), Rv> {
        if !self.sessions.is_empty() {
            return Err(Rv::SessionExists);
        }
        pins::check_length(so_pin)?;
        if label.len() > 32 {
            return Err(Rv::ArgumentsBad);
        }
        let folder = Arc::clone(&self.folder);
        folder.make()?;
        folder.locked(|held| {
            let old = match self.token()? {
                None => None,
                Some((mut header, _)) => {
                    self.check_pin(held, &mut header, UserType::So, so_pin)?;
                    Some(header)
                }
            };
            let object_key = pins::random()?;
            let mut new = Header {
                serial: *pins::random()?,
                label: label.into(),
                cost: self.cost,
                so: Vec::new(),
                user: None,
                next: old.as_ref().map_or(1, |header| header.next),
                leftover: None,
                objects: Vec::new(),
                mac: [0; 32],
                attempts: Attempts::default(),
            };
            new.so = pins::wrap(&object_key, so_pin, new.cost, &new.role(UserType::So))?;
            new.authenticate(&object_key);
            held.replace(HEADER, &new.encode())?;
            held.replace(ATTEMPTS, &new.attempts.encode_file(&new.serial))?;
            // Nobody can open them any more, whether they go or not.
            for entry in old.iter().flat_map(|header| &header.objects) {
                held.remove(&object_name(entry.number))?;
            }
            held.sync()
        })
    }

    pub(crate) fn check_read_write(&self, session: u64) -> Result<(), Rv> {
        if self.sessions.get(&session) == Some(&true) { Ok(()) } else { Err(Rv::SessionReadOnly) }
    }

    /// Fails unless the user is logged in: nobody else makes or uses keys.
    pub(crate) fn check_user(&self) -> Result<(), Rv> {
        if self.role() == Some(UserType::User) { Ok(()) } else { Err(Rv::UserNotLoggedIn) }
    }

    // ---- Objects.

    /// The objects that may be seen and match. Where none does and one cannot be read, it could have been that one.
    pub(crate) fn find(&mut self, template: &[Attribute]) -> Result<Vec<ObjectHandle>, Rv> {
        self.refresh()?;
        let handles: Vec<ObjectHandle> = self.handles.keys().copied().collect();
        let mut found = Vec::new();
        let mut damaged = false;
        for handle in handles {
            match self.object(handle) {
                Ok(loaded) if loaded.object.matches(template) => found.push(handle),
                // Without a template everything is listed, so that what is damaged can be destroyed.
                Err(Rv::DeviceError) if template.is_empty() => found.push(handle),
                Err(Rv::DeviceError) => damaged = true,
                Ok(_) | Err(_) => {}
            }
        }
        if found.is_empty() && damaged { Err(Rv::DeviceError) } else { Ok(found) }
    }

    /// An object by its handle: `device-error` says that its file is damaged.
    pub(crate) fn object(&mut self, handle: ObjectHandle) -> Result<&Loaded, Rv> {
        let is_user = self.role() == Some(UserType::User);
        let key = self.login.as_ref().map(|(_, key)| key);
        match self.handles.get_mut(&handle).ok_or(Rv::ObjectHandleInvalid)? {
            Place::Token { entry, .. } if entry.private && !is_user => Err(Rv::ObjectHandleInvalid),
            Place::Session { loaded, .. } if loaded.object.is_private() && !is_user => Err(Rv::ObjectHandleInvalid),
            Place::Session { loaded, .. } => Ok(loaded),
            Place::Token { loaded: Some(loaded), .. } => Ok(loaded),
            Place::Token { entry, loaded } => {
                let header = self.header.as_ref().ok_or(Rv::DeviceError)?;
                Ok(loaded.insert(load(&self.folder, header, entry, key)?))
            }
        }
    }

    /// A key by its handle.
    pub(crate) fn key(&mut self, handle: ObjectHandle) -> Result<&Loaded, Rv> {
        self.object(handle).map_err(|rv| if rv == Rv::ObjectHandleInvalid { Rv::KeyHandleInvalid } else { rv })
    }

    /// Keeps objects for as long as the session is open.
    pub(crate) fn add_to_session(&mut self, session: u64, objects: Vec<Object>) -> Result<Vec<ObjectHandle>, Rv> {
        let mut handles = Vec::new();
        for object in objects {
            let loaded = Loaded { key: Key::of(&object)?, object };
            let handle = self.number();
            self.handles.insert(handle, Place::Session { session, loaded });
            handles.push(handle);
        }
        Ok(handles)
    }

    /// Makes objects of the token, all or none.
    pub(crate) fn add_to_token(&mut self, objects: Vec<Object>) -> Result<Vec<ObjectHandle>, Rv> {
        let key = self.object_key()?;
        let made = self.locked(|state, held, header| {
            check_authentic(header, &key)?;
            if header.objects.len() + objects.len() > MAX_OBJECTS {
                return Err(Rv::DeviceMemory);
            }
            let mut made = Vec::new();
            for object in &objects {
                let (number, private) = (header.next, object.is_private());
                let plain = object.encode();
                let bytes = match private {
                    true => pins::seal(&key, &plain, &header.object_data(number))?,
                    false => plain.to_vec(),
                };
                held.create(&object_name(number), &bytes)?;
                header.objects.push(Entry { number, private, hash: Hash::sha256(&bytes) });
                header.next += 1;
                made.push(number);
            }
            held.sync()?;
            state.write_header(held, header, &key)?;
            Ok(made)
        })?;
        self.refresh()?;
        made.into_iter().map(|number| self.handle_of(number).ok_or(Rv::DeviceError)).collect()
    }

    /// Destroys an object. One whose file is damaged can be destroyed, too.
    pub(crate) fn destroy(&mut self, session: u64, handle: ObjectHandle) -> Result<(), Rv> {
        match self.object(handle) {
            Ok(_) | Err(Rv::DeviceError) => {}
            Err(rv) => return Err(rv),
        }
        let number = match self.handles.get(&handle) {
            Some(Place::Token { entry, .. }) => entry.number,
            _ => {
                self.handles.remove(&handle);
                return Ok(());
            }
        };
        self.check_read_write(session)?;
        let key = self.object_key()?;
        self.locked(|state, held, header| {
            check_authentic(header, &key)?;
            header.objects.retain(|entry| entry.number != number);
            // The next writer removes its file, should we be stopped.
            header.leftover = Some(number);
            state.write_header(held, header, &key)?;
            held.remove(&object_name(number))?;
            held.sync()
        })?;
        self.refresh()
    }

    // ---- What these are made of.

    /// Reads the header, and knows afterwards which objects there are.
    fn refresh(&mut self) -> Result<(), Rv> {
        let gone = if self.sessions.is_empty() { Rv::TokenNotRecognized } else { Rv::DeviceRemoved };
        let bytes = self.folder.read(HEADER)?.ok_or(gone)?;
        let header = Header::decode(&bytes)?;
        if let Some(known) = &self.header
            && !self.sessions.is_empty()
        {
            if known.serial != header.serial {
                // Somebody made it another token.
                self.forget_login();
                return Err(Rv::TokenNotRecognized);
            }
            if header.attempts.number < known.attempts.number || header.next < known.next {
                // Somebody put an older one in its place.
                return Err(Rv::DeviceError);
            }
        }
        if let Some((_, key)) = &self.login {
            check_authentic(&header, key)?;
        }
        self.handles.retain(|_, place| match place {
            Place::Token { entry, .. } => header.objects.contains(entry),
            Place::Session { .. } => true,
        });
        for entry in &header.objects {
            if self.handle_of(entry.number).is_none() {
                let handle = self.number();
                self.handles.insert(handle, Place::Token { entry: *entry, loaded: None });
            }
        }
        self.header = Some(header);
        Ok(())
    }

    /// Does something with the header that holds now, while nobody else writes.
    fn locked<T>(
        &mut self,
        act: impl FnOnce(&mut State<D>, &Held<'_, D>, &mut Header) -> Result<T, Rv>,
    ) -> Result<T, Rv> {
        let folder = Arc::clone(&self.folder);
        // A lock is never made in the folder of a token that is gone.
        self.refresh()?;
        folder.locked(|held| {
            self.refresh()?;
            let mut header = self.header.clone().ok_or(Rv::DeviceError)?;
            act(self, held, &mut header)
        })
    }

    /// Gives the object key for a PIN. The try is counted before the PIN is looked at, and forgiven afterwards.
    fn check_pin(&mut self, held: &Held<'_, D>, header: &mut Header, user: UserType, pin: &Pin) -> Result<Secret, Rv> {
        let wrapped = match user {
            UserType::So => header.so.clone(),
            UserType::User => header.user.clone().ok_or(Rv::UserPinNotInitialized)?,
        };
        let before = self.attempts(header)?;
        if *failures(&mut before.clone(), user) >= RETRY_LIMIT {
            return Err(Rv::PinLocked);
        }
        self.count(held, header, before, |attempts| *failures(attempts, user) += 1)?;
        let key = pins::unwrap(&wrapped, pin, header.cost, &header.role(user))?;
        check_authentic(header, &key)?;
        self.count(held, header, header.attempts, |attempts| *failures(attempts, user) = 0)?;
        Ok(key)
    }

    fn store_pin(
        &mut self,
        held: &Held<'_, D>,
        header: &mut Header,
        user: UserType,
        key: &Secret,
        pin: &Pin,
    ) -> Result<(), Rv> {
        check_authentic(header, key)?;
        let before = self.attempts(header)?;
        let wrapped = pins::wrap(key, pin, header.cost, &header.role(user))?;
        match user {
            UserType::So => header.so = wrapped,
            UserType::User => header.user = Some(wrapped),
        }
        header.authenticate(key);
        self.count(held, header, before, |attempts| *failures(attempts, user) = 0)
    }

    /// Makes a change of the count durable, in both places.
    fn count(
        &mut self,
        held: &Held<'_, D>,
        header: &mut Header,
        before: Attempts,
        change: impl FnOnce(&mut Attempts),
    ) -> Result<(), Rv> {
        if header.attempts != before {
            header.attempts = before;
            held.replace(HEADER, &header.encode())?;
        }
        let next = before.next(change);
        held.replace(ATTEMPTS, &next.encode_file(&header.serial))?;
        header.attempts = next;
        held.replace(HEADER, &header.encode())
    }

    fn attempts(&self, header: &Header) -> Result<Attempts, Rv> {
        let file = self.folder.read(ATTEMPTS)?;
        let file = file.and_then(|bytes| Attempts::decode_file(&bytes, &header.serial));
        Ok(Attempts::of_both(header.attempts, file))
    }

    /// Commits a changed list of objects. What an earlier writer left behind goes first.
    fn write_header(&mut self, held: &Held<'_, D>, header: &mut Header, key: &Secret) -> Result<(), Rv> {
        if let Some(number) = self.header.as_ref().and_then(|before| before.leftover) {
            held.remove(&object_name(number))?;
            if header.leftover == Some(number) {
                header.leftover = None;
            }
        }
        header.authenticate(key);
        held.replace(HEADER, &header.encode())
    }

    fn object_key(&self) -> Result<Secret, Rv> {
        match &self.login {
            Some((UserType::User, key)) => Ok(key.clone()),
            _ => Err(Rv::UserNotLoggedIn),
        }
    }

    fn role(&self) -> Option<UserType> {
        self.login.as_ref().map(|(user, _)| *user)
    }

    /// Forgets the object key and everything that it opened.
    fn forget_login(&mut self) {
        self.login = None;
        self.handles.retain(|_, place| match place {
            Place::Session { loaded, .. } => !loaded.object.is_private(),
            Place::Token { .. } => true,
        });
        for place in self.handles.values_mut() {
            if let Place::Token { entry, loaded } = place
                && entry.private
            {
                *loaded = None;
            }
        }
    }

    fn handle_of(&self, number: u64) -> Option<ObjectHandle> {
        let of_number = |place: &Place| matches!(place, Place::Token { entry, .. } if entry.number == number);
        self.handles.iter().find(|(_, place)| of_number(place)).map(|(handle, _)| *handle)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

fn failures(attempts: &mut Attempts, user: UserType) -> &mut u64 {
    match user {
        UserType::So => &mut attempts.so_failures,
        UserType::User => &mut attempts.user_failures,
    }
}

fn check_authentic(header: &Header, key: &Secret) -> Result<(), Rv> {
    if header.is_authentic(key) { Ok(()) } else { Err(Rv::DeviceError) }
}

/// Reads an object: its file must be the one that the header names and, if it is private, open under the object key.
fn load<D: Disk>(folder: &Folder<D>, header: &Header, entry: &Entry, key: Option<&Secret>) -> Result<Loaded, Rv> {
    let bytes = folder.read(&object_name(entry.number))?.ok_or(Rv::DeviceError)?;
    if Hash::sha256(&bytes) != entry.hash {
        return Err(Rv::DeviceError);
    }
    let plain = match (entry.private, key) {
        (false, _) => bytes,
        (true, Some(key)) => pins::open(key, &bytes, &header.object_data(entry.number)).ok_or(Rv::DeviceError)?,
        (true, None) => return Err(Rv::UserNotLoggedIn),
    };
    let object = Object::decode(&plain).ok_or(Rv::DeviceError)?;
    Ok(Loaded { key: Key::of(&object)?, object })
}
