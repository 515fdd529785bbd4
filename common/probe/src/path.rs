//! The hops to a server, and who answers behind them, on one five-tuple and without any privilege.
//!
//! One connected UDP socket sends the same real question with rising TTLs. Where a packet dies, the router's ICMP message comes
//! back through the socket's error queue (`IP_RECVERR`, ip(7)); where it arrives, the server answers. Since ports and
//! addresses are those of the real question, routers that balance by flow send it the way of the service's own packets.
//! Routers that quote only 8 bytes of the packet cannot be matched and stay unknown, like those that keep silent.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, IoSliceMut, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use weir_contract::{Problem, fault};
use weir_wire::dns::{self, Name, code};

use crate::Probe;

/// The longest ladder: no sane path is longer.
pub const HOPS_MAX: u8 = 32;
/// The question as it is meant to arrive.
const FULL_TTL: u8 = 64;
/// After the last answer that must come, slower routers get so many round trips, and at least [`LAST_LEAST`].
const LAST_ROUND_TRIPS: f64 = 0.5;
const LAST_LEAST: Duration = Duration::from_millis(10);
/// Time for the server to answer the question at all.
const ANSWER: Duration = Duration::from_secs(2);
/// `SO_EE_ORIGIN_ICMP` and `SO_EE_ORIGIN_ICMP6` of `linux/errqueue.h`.
const ICMP_ORIGINS: [u8; 2] = [2, 3];

/// What was seen on the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path {
    /// Routers by their distance, with the round trip to each.
    pub hops: BTreeMap<u8, (IpAddr, Duration)>,
    /// The distance of the server.
    pub distance: Option<u8>,
    /// The round trip of the full question.
    pub rtt: Option<Duration>,
    /// The name that the server told with its answer (NSID).
    pub nsid: Option<String>,
}

impl Path {
    /// The routers in their order, `*` for those that said nothing: `10.0.1.1 * 198.51.100.1`.
    pub fn words(&self) -> String {
        let last =
            self.distance.map(|d| d - 1).or_else(|| self.hops.keys().next_back().copied()).unwrap_or(0);
        let hop = |ttl| self.hops.get(&ttl).map_or_else(|| "*".to_owned(), |(ip, _)| ip.to_string());
        (1..=last).map(hop).collect::<Vec<_>>().join(" ")
    }
}

/// One thing that came through the socket.
enum Came {
    /// The server's answer.
    Answer(Vec<u8>),
    /// A router's message about the packet that it quotes.
    Died(Option<IpAddr>, Vec<u8>),
}

impl Probe {
    /// Looks for the hops to a name server, up to `hops`, with a question that it really answers: the stage `path`.
    ///
    /// # Errors
    /// E-NET-UNREACHABLE when there is no way to the server. A server that keeps silent is no error: the hops are kept.
    pub async fn path(
        &self,
        server: SocketAddr,
        name: &Name,
        hops: u8,
    ) -> std::result::Result<Path, Problem> {
        let mut path = Path::default();
        self.stage("path", &fault::SERVER_TIMEOUT, async {
            walk(server, name, hops.min(HOPS_MAX), &mut path).await.map_err(|error| {
                Problem::new(&fault::NET_UNREACHABLE, format!("no way to {}: {error}", server.ip()))
            })
        })
        .await?;
        self.note(&format!("path to {}: {}", server.ip(), path.words()));
        Ok(path)
    }
}

async fn walk(server: SocketAddr, name: &Name, hops: u8, path: &mut Path) -> Result<()> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    if server.is_ipv4() {
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
    } else {
        setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
    }
    // The number of a question is that of the run and its TTL, so that answers and quotes can be told apart.
    #[allow(clippy::cast_possible_truncation, reason = "any 16 bits will do")]
    let base = socket.local_addr()?.port() & 0xff00;
    let began = Instant::now();
    let mut sent = BTreeMap::new();
    // The full question first: its round trip is the measure, and must not wait behind the ladder.
    for ttl in std::iter::once(FULL_TTL).chain(1..=hops) {
        if server.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4Ttl, &i32::from(ttl))?;
        } else {
            setsockopt(&socket, sockopt::Ipv6Ttl, &i32::from(ttl))?;
        }
        let question = dns::question(base | u16::from(ttl), name, code::SOA, code::IN);
        // A message about an earlier packet is reported by the next send, which it does not concern.
        for _ in 0..3 {
            if socket.send(&question).await.is_ok() {
                break;
            }
        }
        sent.insert(ttl, Instant::now());
    }
    let mut end = began + ANSWER;
    let fd = socket.as_raw_fd();
    let interest = Interest::READABLE | Interest::ERROR;
    loop {
        let complete = path.distance.is_some_and(|d| (1..d).all(|ttl| path.hops.contains_key(&ttl)));
        if path.rtt.is_some() && complete {
            return Ok(());
        }
        let Ok(came) = tokio::time::timeout_at(end.into(), socket.async_io(interest, || receive(fd))).await
        else {
            return Ok(());
        };
        let (bytes, router) = match came? {
            Came::Answer(bytes) => (bytes, None),
            Came::Died(router, bytes) => (bytes, Some(router)),
        };
        let Some(id) = bytes.first_chunk().map(|b| u16::from_be_bytes(*b)).filter(|id| id & 0xff00 == base)
        else {
            continue;
        };
        let ttl = u8::try_from(id & 0xff).unwrap_or(0);
        let Some(rtt) = sent.get(&ttl).map(Instant::elapsed) else { continue };
        match router {
            Some(Some(address)) => _ = path.hops.entry(ttl).or_insert((address, rtt)),
            Some(None) => {}
            None if ttl == FULL_TTL => {
                path.rtt = Some(rtt);
                path.nsid = dns::parse(&bytes).ok().and_then(|answer| answer.nsid);
                end = end.min(Instant::now() + rtt.mul_f64(LAST_ROUND_TRIPS).max(LAST_LEAST));
            }
            None => path.distance = Some(path.distance.map_or(ttl, |d| d.min(ttl))),
        }
    }
}

/// Takes one message, the error queue's first.
fn receive(fd: RawFd) -> Result<Came> {
    let mut buffer = [0; dns::REPLY_MAX];
    // A pending error ends the first call without data; it is then gone.
    for _ in 0..4 {
        match queued(fd, &mut buffer) {
            Ok(Some(came)) => return Ok(came),
            Ok(None) => continue,
            Err(Errno::EAGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        let mut slices = [IoSliceMut::new(&mut buffer)];
        match recvmsg::<SockaddrStorage>(fd, &mut slices, None, MsgFlags::MSG_DONTWAIT) {
            Ok(message) => {
                let length = message.bytes;
                return Ok(Came::Answer(buffer[..length].to_vec()));
            }
            Err(Errno::EAGAIN) => break,
            Err(Errno::ECONNREFUSED) => return Err(Error::from(ErrorKind::ConnectionRefused)),
            Err(_) => {}
        }
    }
    Err(ErrorKind::WouldBlock.into())
}

/// One message of the error queue; `None` when it is not from a router.
fn queued(fd: RawFd, buffer: &mut [u8]) -> std::result::Result<Option<Came>, Errno> {
    let mut control = nix::cmsg_space!([u8; 256]);
    let mut slices = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut control), flags)?;
    let mut router = None;
    for part in message.cmsgs()? {
        let (error, address) = match part {
            ControlMessageOwned::Ipv4RecvErr(error, from) => {
                (error, from.map(|a| IpAddr::from(Ipv4Addr::from_bits(u32::from_be(a.sin_addr.s_addr)))))
            }
            ControlMessageOwned::Ipv6RecvErr(error, from) => {
                (error, from.map(|a| IpAddr::from(Ipv6Addr::from(a.sin6_addr.s6_addr))))
            }
            _ => continue,
        };
        if ICMP_ORIGINS.contains(&error.ee_origin) {
            // Time exceeded is 11 in ICMP and 3 in ICMPv6; anything else is about the server, not about a hop.
            let died = matches!((error.ee_origin, error.ee_type), (2, 11) | (3, 3));
            router = Some(address.filter(|_| died));
        }
    }
    let length = message.bytes;
    Ok(router.map(|router| Came::Died(router, buffer[..length].to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_routers_are_stars() {
        let hop = |ip: &str| (ip.parse().expect("ip"), Duration::ZERO);
        let hops = BTreeMap::from([(1, hop("10.0.1.1")), (3, hop("198.51.100.1"))]);
        let path = Path { hops, distance: Some(4), ..Path::default() };
        assert_eq!(path.words(), "10.0.1.1 * 198.51.100.1");
        assert_eq!(Path::default().words(), "");
    }
}
