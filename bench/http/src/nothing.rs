//! A server that does nothing: what is left is HTTP.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use secure_log_bench_shared::Failure;
use tokio::net::TcpListener;

/// As many bytes as an answer to one record has.
const ANSWER: [u8; 230] = [b'x'; 230];

pub(crate) fn serve() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    })
}

async fn answer(request: hyper::Request<Incoming>) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await;
    std::hint::black_box(&body);
    let mut response = hyper::Response::new(Full::new(Bytes::from_static(&ANSWER)));
    *response.status_mut() = hyper::StatusCode::CREATED;
    Ok(response)
}
