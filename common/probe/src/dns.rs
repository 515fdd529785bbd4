//! One question to one name server over a connected UDP socket: a closed port is told in one round trip, and every retry keeps
//! the same five-tuple, so that the same anycast node answers.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use weir_contract::{Problem, fault};
use weir_wire::dns::{self, Answer, Name};

use crate::Probe;

/// A question without an answer is asked again after this time.
const RETRY: Duration = Duration::from_secs(1);
/// Datagrams with another number than that of the question, seen while waiting for one answer.
const STRAYS_MAX: usize = 16;

/// A socket that speaks with one name server.
#[derive(Debug)]
pub struct DnsSocket {
    socket: UdpSocket,
    server: SocketAddr,
}

/// An answer and the time that it took.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What was said.
    pub answer: Answer,
    /// From the question that was answered to its answer.
    pub rtt: Duration,
    /// Questions that were lost before.
    pub lost: usize,
}

impl DnsSocket {
    /// A socket with a source port of its own.
    ///
    /// # Errors
    /// E-NET-UNREACHABLE when the kernel has no way to the server.
    pub async fn connect(server: SocketAddr) -> Result<Self, Problem> {
        let any: IpAddr =
            if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let unreachable = |error: std::io::Error| {
            Problem::new(&fault::NET_UNREACHABLE, format!("no way to {}: {error}", server.ip()))
        };
        let socket = UdpSocket::bind((any, 0)).await.map_err(unreachable)?;
        socket.connect(server).await.map_err(unreachable)?;
        Ok(Self { socket, server })
    }

    /// This end's port.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    /// Asks until there is an answer or the deadline comes: the stage `dns`.
    ///
    /// # Errors
    /// E-UDP-REFUSED, E-NET-UNREACHABLE, E-PROTOCOL; E-SERVER-TIMEOUT without an answer.
    pub async fn ask(&self, probe: &Probe, name: &Name, kind: u16, class: u16) -> Result<Answered, Problem> {
        probe
            .stage("dns", &fault::SERVER_TIMEOUT, async {
                let mut lost = 0;
                loop {
                    match tokio::time::timeout(RETRY, self.try_once(probe, name, kind, class, lost)).await {
                        Ok(result) => return result,
                        Err(_) => lost += 1,
                    }
                }
            })
            .await
    }

    async fn try_once(
        &self,
        probe: &Probe,
        name: &Name,
        kind: u16,
        class: u16,
        lost: usize,
    ) -> Result<Answered, Problem> {
        let began = Instant::now();
        // The number needs no secrecy: the socket is connected, and the answer is only compared with known names.
        #[allow(clippy::cast_possible_truncation, reason = "any 16 bits will do")]
        let id = (probe.deadline.elapsed().subsec_nanos() >> 4) as u16 ^ self.port();
        self.socket.send(&dns::question(id, name, kind, class)).await.map_err(|e| self.problem(&e))?;
        probe.sent(&format!("{}: {name} type {kind} class {class}, NSID wanted", self.server));
        let mut buffer = [0; dns::REPLY_MAX];
        for _ in 0..STRAYS_MAX {
            let length = self.socket.recv(&mut buffer).await.map_err(|e| self.problem(&e))?;
            let rtt = began.elapsed();
            let answer = dns::parse(&buffer[..length]).map_err(|error| {
                Problem::new(&fault::PROTOCOL, format!("{} does not speak DNS: {error}", self.server))
            })?;
            if answer.id == id {
                probe.received(&format!(
                    "{}: {} with {} records, texts {:?}, NSID {:?}",
                    self.server,
                    answer.rcode_name(),
                    answer.answers,
                    answer.texts,
                    answer.nsid
                ));
                return Ok(Answered { answer, rtt, lost });
            }
        }
        Err(Problem::new(&fault::LIMIT, format!("{} sends answers that nobody asked for", self.server)))
    }

    fn problem(&self, error: &std::io::Error) -> Problem {
        match error.kind() {
            ErrorKind::ConnectionRefused => {
                Problem::new(&fault::UDP_REFUSED, format!("nothing listens on UDP {}", self.server))
            }
            ErrorKind::PermissionDenied => {
                Problem::new(&fault::PERMISSION, format!("not allowed to send to {}: {error}", self.server))
            }
            _ => Problem::new(&fault::NET_UNREACHABLE, format!("{} is unreachable: {error}", self.server)),
        }
    }
}
