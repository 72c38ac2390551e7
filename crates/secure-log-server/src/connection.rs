//! A connection that a client cannot hold up by not reading.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What a client takes in at least of what waits for it, in the time that it has.
const LEAST_BYTES: usize = 16 << 10;

/// Ends with an error when a client takes in less than [`LEAST_BYTES`] of what waits for it within the time.
pub(crate) struct Impatient<T> {
    inner: T,
    patience: Duration,
    /// Since when something waits, and how much was taken in since.
    waiting: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<T> Impatient<T> {
    pub(crate) fn new(inner: T, patience: Duration) -> Impatient<T> {
        Impatient { inner, patience, waiting: None }
    }

    /// What became of a write of so many bytes.
    fn judge(
        &mut self,
        context: &mut Context<'_>,
        wanted: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(taken)) => {
                if taken >= wanted {
                    self.waiting = None;
                } else if let Some((timer, sum)) = &mut self.waiting {
                    *sum += taken;
                    if *sum >= LEAST_BYTES {
                        timer.as_mut().reset(Instant::now() + self.patience);
                        *sum = 0;
                    }
                }
                Poll::Ready(Ok(taken))
            }
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => {
                let patience = self.patience;
                let (timer, _) = self.waiting.get_or_insert_with(|| (Box::pin(sleep(patience)), 0));
                ready!(timer.as_mut().poll(context));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Impatient<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.judge(context, bytes.len(), written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        let written = Pin::new(&mut this.inner).poll_write_vectored(context, slices);
        this.judge(context, wanted, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Impatient<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    const PATIENCE: Duration = Duration::from_millis(200);

    #[test]
    fn who_does_not_read_or_reads_in_drops_is_let_go() {
        run(async {
            let (near, far) = tokio::io::duplex(1000);
            let mut near = Impatient::new(near, PATIENCE);
            let error = near.write_all(&[0; 2000]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            drop(far);
            let (near, mut far) = tokio::io::duplex(1000);
            let mut near = Impatient::new(near, PATIENCE);
            let drip = async {
                let mut one = [0];
                while far.read_exact(&mut one).await.is_ok() {
                    sleep(PATIENCE / 4).await;
                }
            };
            let error = tokio::select! {
                sent = near.write_all(&[0; 9000]) => sent.unwrap_err(),
                () = drip => unreachable!("there is always more to read"),
            };
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn who_reads_gets_all() {
        run(async {
            let (near, mut far) = tokio::io::duplex(1000);
            let mut near = Impatient::new(near, PATIENCE);
            let read = async {
                let mut all = Vec::new();
                far.read_to_end(&mut all).await.unwrap();
                all.len()
            };
            let sent = async {
                near.write_all(&[7; 1 << 20]).await.unwrap();
                drop(near);
            };
            assert_eq!(tokio::join!(read, sent).0, 1 << 20);
        });
    }
}
