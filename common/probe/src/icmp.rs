//! Round trips by ICMP echo (RFC 792, RFC 4443): by a datagram socket, which needs no privilege where
//! `net.ipv4.ping_group_range` allows it; by a raw socket with `CAP_NET_RAW`; by UDP to a closed port, which needs nothing but
//! sees only hosts that tell that the port is closed.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use pnet::packet::icmp::echo_reply::EchoReplyPacket;
use pnet::packet::icmp::echo_request::MutableEchoRequestPacket;
use pnet::packet::icmp::{IcmpPacket, IcmpTypes, checksum};
use pnet::packet::icmpv6::Icmpv6Types;
use pnet::packet::icmpv6::echo_reply::EchoReplyPacket as EchoReply6Packet;
use pnet::packet::icmpv6::echo_request::MutableEchoRequestPacket as MutableEchoRequest6Packet;
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::{MutablePacket, Packet};
use pnet::transport::{
    TransportChannelType, TransportProtocol, icmp_packet_iter, icmpv6_packet_iter, transport_channel,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use weir_contract::{Problem, fault};

use crate::Probe;

/// An echo request: the header of 8 bytes and so much behind it, as ping sends.
const SIZE: usize = 64;
/// The first port of the fall-back: where traceroute expects nobody.
const CLOSED_PORT: u16 = 33434;
/// How often the thread with the raw socket is looked at.
const POLL: Duration = Duration::from_millis(1);

/// When to send.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// How many probes.
    pub count: usize,
    /// The time between two.
    pub interval: Duration,
    /// How long the last one is waited for.
    pub patience: Duration,
}

/// How the round trips were measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// ICMP by a datagram socket.
    Datagram,
    /// ICMP by a raw socket.
    Raw,
    /// UDP to a closed port.
    Udp,
}

impl Method {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Datagram => "ICMP",
            Self::Raw => "ICMP (raw socket)",
            Self::Udp => "UDP to a closed port",
        }
    }
}

/// The round trips, one for each probe; `None` was lost.
pub type Series = Vec<Option<Duration>>;

impl Probe {
    /// Measures round trips to `target` in the best way that this user may use: the stage `icmp`.
    ///
    /// # Errors
    /// E-NET-UNREACHABLE when the kernel has no way to the target. Silence is no error: the series says so.
    pub async fn echo(
        &self,
        target: IpAddr,
        schedule: Schedule,
    ) -> std::result::Result<(Method, Series), Problem> {
        self.stage("icmp", &fault::PATH_UNREACHABLE, async {
            let unreachable =
                |error: Error| Problem::new(&fault::NET_UNREACHABLE, format!("no way to {target}: {error}"));
            let (method, series) = match open(target) {
                Ok(socket) => {
                    (Method::Datagram, datagram(&socket, target, schedule).await.map_err(unreachable)?)
                }
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    match raw(target, schedule).await {
                        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                            (Method::Udp, closed_port(target, schedule).await.map_err(unreachable)?)
                        }
                        series => (Method::Raw, series.map_err(unreachable)?),
                    }
                }
                Err(error) => return Err(unreachable(error)),
            };
            let answered = series.iter().flatten().count();
            self.note(&format!(
                "{target}: {answered} of {} probes answered by {}",
                series.len(),
                method.name()
            ));
            Ok((method, series))
        })
        .await
    }
}

/// A datagram socket for ICMP. The kernel sets identifier and checksum, and hands over only answers to this socket.
fn open(target: IpAddr) -> Result<UdpSocket> {
    let (domain, protocol) =
        if target.is_ipv4() { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.connect(&SocketAddr::new(target, 0).into())?;
    UdpSocket::from_std(socket.into())
}

async fn datagram(socket: &UdpSocket, target: IpAddr, schedule: Schedule) -> Result<Series> {
    let mut run = Run::new(schedule);
    let mut buffer = [0; 2 * SIZE];
    while let Some((due, number)) = run.next() {
        if let Some(number) = number {
            run.sent(number);
            // What the path says about an earlier probe concerns that one; and a full queue loses this one.
            let _ = socket.send(&request(target, 0, number)).await;
        }
        if let Ok(Ok(length)) = tokio::time::timeout_at(due.into(), socket.recv(&mut buffer)).await
            && let Some((_, number)) = reply(target, &buffer[..length])
        {
            run.received(number);
        }
    }
    Ok(run.series)
}

/// The raw socket of `pnet` blocks, so it has a thread of its own; the deadline ends the waiting, not the thread, which ends
/// soon after.
async fn raw(target: IpAddr, schedule: Schedule) -> Result<Series> {
    let thread = std::thread::Builder::new().spawn(move || raw_blocking(target, schedule))?;
    while !thread.is_finished() {
        tokio::time::sleep(POLL).await;
    }
    thread.join().unwrap_or_else(|_| Err(Error::other("the thread with the raw socket died")))
}

fn raw_blocking(target: IpAddr, schedule: Schedule) -> Result<Series> {
    let protocol = if target.is_ipv4() {
        TransportProtocol::Ipv4(IpNextHeaderProtocols::Icmp)
    } else {
        TransportProtocol::Ipv6(IpNextHeaderProtocols::Icmpv6)
    };
    let (mut sender, mut receiver) = transport_channel(4096, TransportChannelType::Layer4(protocol))?;
    // A raw socket sees the answers of everybody: the identifier and the sender tell ours.
    #[allow(clippy::cast_possible_truncation, reason = "any 16 bits will do")]
    let identifier = {
        use std::hash::{BuildHasher, Hasher, RandomState};
        RandomState::new().build_hasher().finish() as u16
    };
    let mut run = Run::new(schedule);
    while let Some((due, number)) = run.next() {
        if let Some(number) = number {
            run.sent(number);
            let bytes = request(target, identifier, number);
            let sent = match target {
                IpAddr::V4(_) => IcmpPacket::new(&bytes).map(|packet| sender.send_to(packet, target)),
                IpAddr::V6(_) => pnet::packet::icmpv6::Icmpv6Packet::new(&bytes)
                    .map(|packet| sender.send_to(packet, target)),
            };
            // Without a way none can be sent; a full queue loses this one only, and the series says so.
            if let Some(Err(error)) = sent
                && matches!(error.kind(), ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable)
            {
                return Err(error);
            }
        }
        let patience = due.saturating_duration_since(Instant::now()).max(POLL);
        let came = match target {
            IpAddr::V4(_) => icmp_packet_iter(&mut receiver)
                .next_with_timeout(patience)?
                .map(|(packet, from)| (packet.packet().to_vec(), from)),
            IpAddr::V6(_) => icmpv6_packet_iter(&mut receiver)
                .next_with_timeout(patience)?
                .map(|(packet, from)| (packet.packet().to_vec(), from)),
        };
        if let Some((bytes, from)) = came
            && from == target
            && let Some((id, number)) = reply(target, &bytes)
            && id == identifier
        {
            run.received(number);
        }
    }
    Ok(run.series)
}

/// A closed port is answered by the host; each probe has a port of its own, so that an answer belongs to one probe.
async fn closed_port(target: IpAddr, schedule: Schedule) -> Result<Series> {
    let any: IpAddr =
        if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let mut run = Run::new(schedule);
    while let Some((due, number)) = run.next() {
        let Some(number) = number else { break };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect((target, CLOSED_PORT.saturating_add(number))).await?;
        run.sent(number);
        socket.send(&[0; 8]).await?;
        // One after the other: a lost one costs its patience, and the next is late.
        let wait = Instant::now() + schedule.patience;
        let heard = tokio::time::timeout_at(wait.into(), socket.recv(&mut [0; 8])).await;
        // An open port that answers is an answer too.
        if matches!(&heard, Ok(Ok(_)))
            || matches!(&heard, Ok(Err(e)) if e.kind() == ErrorKind::ConnectionRefused)
        {
            run.received(number);
        }
        tokio::time::sleep_until(due.into()).await;
    }
    Ok(run.series)
}

/// Where a series stands.
struct Run {
    schedule: Schedule,
    began: Instant,
    sent_at: Vec<Instant>,
    series: Series,
}

impl Run {
    fn new(schedule: Schedule) -> Self {
        // 16 bits number the probes.
        let count = schedule.count.min(usize::from(u16::MAX));
        Self {
            schedule,
            began: Instant::now(),
            sent_at: Vec::with_capacity(count),
            series: vec![None; count],
        }
    }

    /// Until when to listen, and the number of the probe that is due now; `None` when nothing more is awaited.
    fn next(&self) -> Option<(Instant, Option<u16>)> {
        let now = Instant::now();
        let due =
            |number: usize| self.began + self.schedule.interval * u32::try_from(number).unwrap_or(u32::MAX);
        let next = self.sent_at.len();
        if next < self.series.len() {
            if now < due(next) {
                return Some((due(next), None));
            }
            let until =
                if next + 1 < self.series.len() { due(next + 1) } else { now + self.schedule.patience };
            return Some((until, u16::try_from(next).ok()));
        }
        let end = *self.sent_at.last()? + self.schedule.patience;
        let waiting = now < end && self.series.iter().any(Option::is_none);
        waiting.then_some((end, None))
    }

    fn sent(&mut self, number: u16) {
        debug_assert_eq!(usize::from(number), self.sent_at.len());
        self.sent_at.push(Instant::now());
    }

    /// The first answer counts; a duplicate does not.
    fn received(&mut self, number: u16) {
        let number = usize::from(number);
        if let (Some(at), Some(rtt @ None)) = (self.sent_at.get(number), self.series.get_mut(number)) {
            *rtt = Some(at.elapsed());
        }
    }
}

/// The bytes of an echo request.
fn request(target: IpAddr, identifier: u16, number: u16) -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    if target.is_ipv4() {
        if let Some(mut packet) = MutableEchoRequestPacket::new(&mut bytes) {
            packet.set_icmp_type(IcmpTypes::EchoRequest);
            packet.set_identifier(identifier);
            packet.set_sequence_number(number);
            let sum = IcmpPacket::new(packet.packet_mut()).map_or(0, |packet| checksum(&packet));
            packet.set_checksum(sum);
        }
    } else if let Some(mut packet) = MutableEchoRequest6Packet::new(&mut bytes) {
        // The kernel adds the checksum, which covers addresses that are not known here.
        packet.set_icmpv6_type(Icmpv6Types::EchoRequest);
        packet.set_identifier(identifier);
        packet.set_sequence_number(number);
    }
    bytes
}

/// The identifier and number of an echo reply; `None` for every other message.
fn reply(target: IpAddr, bytes: &[u8]) -> Option<(u16, u16)> {
    if target.is_ipv4() {
        let packet = EchoReplyPacket::new(bytes).filter(|p| p.get_icmp_type() == IcmpTypes::EchoReply)?;
        Some((packet.get_identifier(), packet.get_sequence_number()))
    } else {
        let packet =
            EchoReply6Packet::new(bytes).filter(|p| p.get_icmpv6_type() == Icmpv6Types::EchoReply)?;
        Some((packet.get_identifier(), packet.get_sequence_number()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    #[test]
    fn a_request_is_no_reply_and_a_reply_tells_its_number() {
        for target in [V4, V6] {
            let mut bytes = request(target, 0x1234, 7);
            assert_eq!(bytes.len(), SIZE);
            assert_eq!(reply(target, &bytes), None);
            bytes[0] = if target.is_ipv4() { 0 } else { 129 };
            assert_eq!(reply(target, &bytes), Some((0x1234, 7)));
            assert_eq!(reply(target, &bytes[..4]), None);
        }
    }

    #[test]
    fn a_duplicate_does_not_change_a_round_trip() {
        let mut run =
            Run::new(Schedule { count: 2, interval: Duration::ZERO, patience: Duration::from_secs(9) });
        run.sent(0);
        run.received(0);
        let first = run.series[0];
        run.received(0);
        run.received(1);
        run.received(900);
        assert_eq!(run.series, [first, None], "what was not sent cannot be received");
    }
}
