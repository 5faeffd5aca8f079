//! Load over HTTP/1.1 connections that are kept alive, at as little cost as can be: the requests are bytes that
//! were made before, and of an answer only its status and its end are looked at.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Result;

/// How long a run took, and each request of it.
#[derive(Default)]
pub(crate) struct Timings {
    pub(crate) elapsed: Duration,
    pub(crate) latencies_us: Vec<u64>,
}

/// Sends all requests, each as soon as one of the connections is free. Every answer must have this status.
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
            let mut connection = Connection { stream, answer: vec![0; 64 * 1024] };
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
    while let Some(ended) = tasks.join_next().await {
        latencies_us.extend(ended??);
    }
    Ok(Timings { elapsed: start.elapsed(), latencies_us })
}

/// One request on a connection of its own; the body of the answer, which must have this status.
pub(crate) async fn once(address: SocketAddr, request: &[u8], status: &str) -> Result<String> {
    let mut connection =
        Connection { stream: TcpStream::connect(address).await?, answer: vec![0; 1024 * 1024] };
    let answer = connection.exchange(request, status).await?;
    let answer = String::from_utf8_lossy(answer);
    Ok(answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
}

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Sends a request and reads its answer to the end.
    async fn exchange(&mut self, request: &[u8], status: &str) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.answer[filled..]).await?;
            filled += read;
            let answer = &self.answer[..filled];
            match length(answer)? {
                Some(length) if filled == length => break,
                _ if read == 0 || filled == self.answer.len() => {
                    return Err(format!("half an answer: {}", String::from_utf8_lossy(answer)).into());
                }
                _ => {}
            }
        }
        let answer = &self.answer[..filled];
        if answer.get(9..12) == Some(status.as_bytes()) {
            Ok(answer)
        } else {
            Err(format!("not a {status}: {}", String::from_utf8_lossy(answer)).into())
        }
    }
}

/// How many bytes the answer has that begins so. `None` until its head is whole.
fn length(answer: &[u8]) -> Result<Option<usize>> {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end])?;
    for line in head.split("\r\n") {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok(Some(end + 4 + value.trim().parse::<usize>()?));
        }
    }
    Err(format!("an answer without its length: {head}").into())
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn an_answer_ends_where_its_head_says() {
        assert_eq!(length(b"HTTP/1.1 200 OK\r\ncontent-le").unwrap(), None);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 17\r\n\r\n";
        assert_eq!(length(head.as_bytes()).unwrap(), Some(head.len() + 17));
        assert_eq!(length(format!("{head}{{\"rec").as_bytes()).unwrap(), Some(head.len() + 17));
        assert!(length(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
