//! Server-side request forgery: every notation of an internal address is refused before a connection is made.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use quittance_domain::outbound::AttemptOutcome;
use quittance_outbound::{Guard, Resolver, Schemes, Sender, UrlError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server on this machine that records connections. It listens on IPv4 and, if available, on IPv6.
struct InternalServer {
    port: u16,
    /// The local address of each connection.
    connections: Arc<Mutex<Vec<IpAddr>>>,
}

impl InternalServer {
    async fn start() -> Self {
        let first = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        let connections = Arc::default();
        let second = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.ok();
        for listener in [Some(first), second].into_iter().flatten() {
            tokio::spawn(respond(listener, Arc::clone(&connections)));
        }
        Self { port, connections }
    }

    fn connections(&self) -> Vec<IpAddr> {
        self.connections.lock().unwrap().clone()
    }
}

async fn respond(listener: TcpListener, connections: Arc<Mutex<Vec<IpAddr>>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        connections.lock().unwrap().push(stream.local_addr().unwrap().ip());
        tokio::spawn(async move {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
        });
    }
}

/// A resolver with fixed answers. Each lookup of a name returns its next answer; the last answer repeats.
#[derive(Clone, Default)]
struct FixedResolver(Arc<Mutex<HashMap<String, Vec<Vec<IpAddr>>>>>);

impl FixedResolver {
    fn set(&self, name: &str, answers: Vec<Vec<IpAddr>>) {
        self.0.lock().unwrap().insert(name.to_owned(), answers);
    }
}

impl Resolver for FixedResolver {
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut names = self.0.lock().unwrap();
        let found = match names.get_mut(host.trim_end_matches('.')) {
            Some(answers) if answers.len() > 1 => Ok(answers.remove(0)),
            Some(answers) => Ok(answers[0].clone()),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "no such host")),
        };
        async { found }.boxed()
    }
}

fn v4(text: &str) -> IpAddr {
    IpAddr::V4(text.parse::<Ipv4Addr>().unwrap())
}

fn v6(text: &str) -> IpAddr {
    IpAddr::V6(text.parse::<Ipv6Addr>().unwrap())
}

async fn send(sender: &Sender, url: &str) -> AttemptOutcome {
    sender.send(url, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_1", "{}").await.outcome
}

/// Hosts that are this machine, its network, or another address outside the public internet.
const HOSTS: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.0.1.",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.0x1",
    "%31%32%37.0.0.1",
    "１２７.0.0.1",
    "0",
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[100::1]",
    "[2001:db8::1]",
    "[5f00::1]",
];

#[tokio::test]
async fn url_with_an_internal_address_is_refused() {
    let inside = InternalServer::start().await;
    let names = FixedResolver::default();
    for schemes in [Schemes::HttpAllowed, Schemes::HttpsOnly] {
        let guard = Guard::new(schemes, Vec::new());
        let sender = Sender::new(guard.clone(), names.clone()).unwrap();
        let scheme = if schemes == Schemes::HttpAllowed { "http" } else { "https" };
        for host in HOSTS {
            let url = format!("{scheme}://{host}:{}/hooks", inside.port);
            assert_eq!(guard.check_url(&url), Err(UrlError::Address), "{url}");
            assert_eq!(send(&sender, &url).await, AttemptOutcome::Forbidden, "{url}");
        }
    }
    assert_eq!(inside.connections(), [] as [IpAddr; 0]);
}

#[tokio::test]
async fn host_name_with_an_internal_address_is_refused() {
    let inside = InternalServer::start().await;
    let names = FixedResolver::default();
    let sender = Sender::new(Guard::new(Schemes::HttpAllowed, Vec::new()), names.clone()).unwrap();
    for address in HOSTS {
        let text = address.trim_matches(['[', ']']);
        let Ok(address) = text.parse::<IpAddr>() else { continue };
        names.set("inside.example", vec![vec![address]]);
        for name in ["inside.example", "inside.example.", "INSIDE.example"] {
            let url = format!("http://{name}:{}/hooks", inside.port);
            assert_eq!(send(&sender, &url).await, AttemptOutcome::Forbidden, "{name} is {address}");
        }
    }
    assert_eq!(inside.connections(), [] as [IpAddr; 0]);
}

#[tokio::test]
async fn localhost_is_refused() {
    let inside = InternalServer::start().await;
    let names = FixedResolver::default();
    let sender = Sender::new(Guard::new(Schemes::HttpAllowed, Vec::new()), names.clone()).unwrap();
    names.set("localhost", vec![vec![v6("::1"), v4("127.0.0.1")]]);
    let url = format!("http://localhost:{}/", inside.port);
    assert_eq!(send(&sender, &url).await, AttemptOutcome::Forbidden);
    assert_eq!(inside.connections(), [] as [IpAddr; 0]);
}

/// Returns a sender that may connect to 127.0.0.5 and to public addresses.
fn sender_allowing_127_0_0_5(names: FixedResolver) -> Sender {
    let allowed = vec!["127.0.0.5".parse::<IpAddr>().unwrap().into()];
    Sender::new(Guard::new(Schemes::HttpAllowed, allowed), names).unwrap()
}

#[tokio::test]
async fn host_name_that_rebinds_to_an_internal_address_is_refused() {
    let inside = InternalServer::start().await;
    let names = FixedResolver::default();
    let sender = sender_allowing_127_0_0_5(names.clone());
    names.set("rebinding.example", vec![vec![v4("127.0.0.5")], vec![v4("127.0.0.1")]]);
    let url = format!("http://rebinding.example:{}/hooks", inside.port);

    assert_eq!(send(&sender, &url).await, AttemptOutcome::Delivered);
    assert_eq!(send(&sender, &url).await, AttemptOutcome::Forbidden);

    assert_eq!(inside.connections(), [v4("127.0.0.5")]);
}

#[tokio::test]
async fn host_name_with_mixed_addresses_is_reached_at_an_allowed_one() {
    let inside = InternalServer::start().await;
    let names = FixedResolver::default();
    let sender = sender_allowing_127_0_0_5(names.clone());
    names.set("both.example", vec![vec![v4("127.0.0.1"), v4("127.0.0.5"), v6("::1")]]);
    let url = format!("http://both.example:{}/hooks", inside.port);

    assert_eq!(send(&sender, &url).await, AttemptOutcome::Delivered);

    assert_eq!(inside.connections(), [v4("127.0.0.5")]);
}

#[tokio::test]
async fn unknown_host_name_is_unresolved() {
    let sender = sender_allowing_127_0_0_5(FixedResolver::default());

    assert_eq!(send(&sender, "http://nothing.example/").await, AttemptOutcome::Unresolved);
}

#[tokio::test]
async fn redirect_to_an_internal_address_is_not_followed() {
    let inside = InternalServer::start().await;
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let outside = listener.local_addr().unwrap();
    let target = inside.port;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let answer =
            format!("HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:{target}/\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes()).await;
    });
    let sender = Sender::new(Guard::for_sandbox(Vec::new()), FixedResolver::default()).unwrap();
    let response = sender.send(&format!("http://{outside}/"), [], "msg_1", "{}").await;
    assert_eq!((response.outcome, response.status), (AttemptOutcome::Refused, Some(307)));
    assert_eq!(inside.connections(), [] as [IpAddr; 0]);
}

#[tokio::test]
async fn only_the_networks_that_the_operator_allows_are_reachable() {
    let inside = InternalServer::start().await;
    let names = FixedResolver::default();
    names.set("stock.internal", vec![vec![v4("127.0.0.5")]]);
    let allowed = vec!["127.0.0.4/30".parse().unwrap()];
    let sender = Sender::new(Guard::new(Schemes::HttpAllowed, allowed), names).unwrap();
    for (host, outcome) in [
        ("127.0.0.5", AttemptOutcome::Delivered),
        ("stock.internal", AttemptOutcome::Delivered),
        ("[::ffff:127.0.0.5]", AttemptOutcome::Delivered),
        ("127.0.0.8", AttemptOutcome::Forbidden),
        ("[::1]", AttemptOutcome::Forbidden),
    ] {
        assert_eq!(send(&sender, &format!("http://{host}:{}/", inside.port)).await, outcome, "{host}");
    }
    assert_eq!(inside.connections(), [v4("127.0.0.5"); 3]);
}

#[test]
fn public_address_is_allowed() {
    let guard = Guard::new(Schemes::HttpsOnly, Vec::new());
    for address in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.1",
        "100.63.255.255",
        "100.128.0.0",
        "172.32.0.1",
        "223.255.255.254",
    ] {
        assert!(guard.allows(v4(address)), "{address}");
    }
    for address in ["2606:4700::1111", "64:ff9b::1.1.1.1", "2002:101:101::1", "::ffff:1.1.1.1"] {
        assert!(guard.allows(v6(address)), "{address}");
    }
}

#[test]
fn https_url_with_a_host_name_is_accepted() {
    let guard = Guard::new(Schemes::HttpsOnly, Vec::new());

    assert!(guard.check_url("https://shop.example/hooks?token=1").is_ok());
}

#[test]
fn invalid_url_is_refused_with_its_reason() {
    let guard = Guard::new(Schemes::HttpsOnly, Vec::new());

    for (url, reason) in [
        ("http://shop.example/hooks", UrlError::Scheme),
        ("ftp://shop.example/hooks", UrlError::Scheme),
        ("file:///etc/passwd", UrlError::Scheme),
        ("https://user@shop.example/", UrlError::Credentials),
        ("https://:password@shop.example/", UrlError::Credentials),
        ("https://shop.example@127.0.0.1/", UrlError::Credentials),
        ("https://", UrlError::Invalid),
        ("https://127.0.0.1.2.3/", UrlError::Invalid),
        ("shop.example", UrlError::Invalid),
    ] {
        assert_eq!(guard.check_url(url), Err(reason), "{url}");
    }
}

#[test]
fn url_over_2000_bytes_is_refused() {
    let guard = Guard::new(Schemes::HttpsOnly, Vec::new());
    let long = format!("https://shop.example/{}", "x".repeat(2000));

    assert_eq!(guard.check_url(&long), Err(UrlError::Invalid));
}
