//! A way to a server that loses things.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Passes on what is sent to a server and what it answers, until it is told otherwise.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    sockets: Mutex<Vec<TcpStream>>,
    swallows: AtomicBool,
    /// So many commits reach the server, and their answers nobody.
    loses_answers: AtomicU32,
    /// So many commits reach nobody.
    loses_commits: AtomicU32,
    /// From a loss on it keeps everything to itself.
    swallows_after_loss: AtomicBool,
}

impl Proxy {
    pub(crate) fn to(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let state = proxy.state.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let mut sockets = state.sockets.lock().unwrap();
                sockets.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                drop(sockets);
                let (from, to, state_of_one) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap(), state.clone());
                thread::spawn(move || state_of_one.pass_on(from, to, true));
                let state_of_other = state.clone();
                thread::spawn(move || state_of_other.pass_on(server, client, false));
            }
        });
        proxy
    }

    /// Closes all connections.
    pub(crate) fn cut(&self) {
        for socket in self.state.sockets.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Whether it keeps everything to itself.
    pub(crate) fn swallow(&self, swallows: bool) {
        self.state.swallows.store(swallows, Ordering::SeqCst);
    }

    pub(crate) fn lose_answers(&self, commits: u32) {
        self.state.loses_answers.store(commits, Ordering::SeqCst);
    }

    pub(crate) fn lose_commits(&self, commits: u32) {
        self.state.loses_commits.store(commits, Ordering::SeqCst);
    }

    /// Loses a commit, and keeps everything to itself from then on.
    pub(crate) fn lose_commit_and_swallow(&self) {
        self.state.swallows_after_loss.store(true, Ordering::SeqCst);
        self.lose_commits(1);
    }

    /// Whether all that was to be lost was.
    pub(crate) fn lost_all(&self) -> bool {
        let left = |count: &AtomicU32| count.load(Ordering::SeqCst);
        left(&self.state.loses_answers) + left(&self.state.loses_commits) == 0
    }
}

impl State {
    fn pass_on(&self, mut from: TcpStream, mut to: TcpStream, to_server: bool) {
        let mut buffer = [0; 65536];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            while self.swallows.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(5));
            }
            let sent = &buffer[..length];
            let commits = to_server && sent.windows(7).any(|part| part == b"COMMIT\0");
            if commits && take(&self.loses_commits) {
                if self.swallows_after_loss.swap(false, Ordering::SeqCst) {
                    self.swallows.store(true, Ordering::SeqCst);
                }
                break;
            }
            let loses_answer = commits && take(&self.loses_answers);
            if loses_answer {
                // Before the server has it, or the answer could be faster.
                let _ = from.shutdown(Shutdown::Both);
            }
            if to.write_all(sent).is_err() {
                break;
            }
            if loses_answer {
                // What it did is done.
                thread::sleep(Duration::from_millis(50));
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}

fn take(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}
