//! A load generator over HTTP/1.1 keep-alive connections. It uses little CPU: requests are serialized ahead of time,
//! and it parses only the status and the length of a response.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Result;

/// The duration of a run, and the latency of each request.
#[derive(Default)]
pub(crate) struct Timings {
    pub(crate) elapsed: Duration,
    pub(crate) latencies_us: Vec<u64>,
}

/// Sends all requests, each as soon as a connection is free. Fails if a response has another status.
pub(crate) async fn run(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
    status: &'static str,
) -> Result<Timings> {
    let (requests, next) = (Rc::new(requests), Rc::new(Cell::new(0)));
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for stream in streams {
        let (requests, next) = (Rc::clone(&requests), Rc::clone(&next));
        tasks.spawn_local(async move {
            let mut connection = Connection { stream, response: vec![0; 64 * 1024] };
            let mut latencies_us = Vec::with_capacity(requests.len() / connections * 2);
            while let Some(request) = requests.get(next.replace(next.get() + 1)) {
                let sent = Instant::now();
                connection.exchange(request, status).await.map_err(|error| error.to_string())?;
                latencies_us.push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
            Ok::<_, String>(latencies_us)
        });
    }
    let mut latencies_us = Vec::with_capacity(requests.len());
    while let Some(result) = tasks.join_next().await {
        latencies_us.extend(result??);
    }
    Ok(Timings { elapsed: start.elapsed(), latencies_us })
}

/// Sends one request on a new connection and returns the response body. Fails if the response has another status.
pub(crate) async fn send_once(address: SocketAddr, request: &[u8], status: &str) -> Result<String> {
    let mut connection =
        Connection { stream: TcpStream::connect(address).await?, response: vec![0; 1024 * 1024] };
    let response = connection.exchange(request, status).await?;
    let response = String::from_utf8_lossy(response);
    Ok(response.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
}

struct Connection {
    stream: TcpStream,
    response: Vec<u8>,
}

impl Connection {
    /// Sends a request and reads the whole response.
    async fn exchange(&mut self, request: &[u8], status: &str) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.response[filled..]).await?;
            filled += read;
            let response = &self.response[..filled];
            match response_length(response)? {
                Some(length) if filled == length => break,
                _ if read == 0 || filled == self.response.len() => {
                    return Err(format!("incomplete response: {}", String::from_utf8_lossy(response)).into());
                }
                _ => {}
            }
        }
        let response = &self.response[..filled];
        if response.get(9..12) == Some(status.as_bytes()) {
            Ok(response)
        } else {
            Err(format!("expected status {status}: {}", String::from_utf8_lossy(response)).into())
        }
    }
}

/// Returns the total length of a response from its first bytes, or `None` until its head is complete.
fn response_length(response: &[u8]) -> Result<Option<usize>> {
    let Some(end) = response.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&response[..end])?;
    for line in head.split("\r\n") {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok(Some(end + 4 + value.trim().parse::<usize>()?));
        }
    }
    Err(format!("response without Content-Length: {head}").into())
}

#[cfg(test)]
mod tests {
    use super::response_length;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 17\r\n\r\n";

    #[test]
    fn response_length_of_complete_head_includes_body() {
        assert_eq!(response_length(HEAD.as_bytes()).unwrap(), Some(HEAD.len() + 17));
        assert_eq!(response_length(format!("{HEAD}{{\"rec").as_bytes()).unwrap(), Some(HEAD.len() + 17));
    }

    #[test]
    fn response_length_of_incomplete_head_is_unknown() {
        assert_eq!(response_length(b"HTTP/1.1 200 OK\r\ncontent-le").unwrap(), None);
    }

    #[test]
    fn response_length_without_content_length_is_an_error() {
        assert!(response_length(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
