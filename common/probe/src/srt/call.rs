//! The caller's two handshakes.

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use rustix::rand::{GetRandomFlags, getrandom};
use tokio::net::UdpSocket;
use weir_contract::{Problem, fault};
use weir_wire::srt::{
    CONCLUSION, Control, Greeting, Handshake, INDUCTION, KeyMaterial, Keys, Kind, MAGIC, Packet, Refusal,
    Rejection, SALT, Settings, flags,
};

use super::{RESERVE, Seen, Watch};
use crate::Probe;

/// A handshake is sent again after this time, as libsrt does.
const RETRY: Duration = Duration::from_millis(250);
/// The version that we speak like.
const VERSION: u32 = 0x01_05_00;
/// The largest IP packet.
const MTU: u32 = 1500;
/// Packets that may be on the way: libsrt's own size.
pub(super) const WINDOW: u32 = 8192;
/// A datagram of [`MTU`] has less.
const DATAGRAM_MAX: usize = 2048;
/// The first number of packets and our socket's are below this.
const NUMBERS: u32 = 0x3fff_ffff;

/// A connection that was accepted.
pub(super) struct Call {
    pub(super) socket: UdpSocket,
    /// Our socket's number.
    pub(super) own: u32,
    /// Theirs.
    pub(super) peer: u32,
    /// The number of the first packet.
    pub(super) first: u32,
    pub(super) keys: Option<Keys>,
    pub(super) began: Instant,
}

/// Greets until the server accepts, rejects, or time runs out: the stages `induction` and `conclusion`.
pub(super) async fn call(
    probe: &Probe,
    address: SocketAddr,
    options: Watch<'_>,
    seen: &mut Seen,
) -> Result<Call, Problem> {
    let socket = bind(address).await?;
    let began = Instant::now();
    let [own, sequence] = [random_number()?, random_number()?];
    let caller = Caller { probe, socket: &socket, address, own, began };
    let greeting = Greeting { socket: own, sequence, mtu: MTU, window: WINDOW };
    let asked = probe.deadline.elapsed();
    let induction = caller.exchange("induction", &greeting.induction(), &is_induction).await?;
    let greeted = probe.deadline.elapsed();
    seen.greeted = Some(greeted);
    // A first estimate: a handshake may have been sent twice.
    seen.rtt = Some(greeted.saturating_sub(asked));
    let keys = match options.passphrase {
        Some(passphrase) => Some(make_keys(passphrase, key_length(&induction, options))?),
        None => None,
    };
    seen.key_bits = keys.as_ref().map(KeyMaterial::bits);
    let settings = Settings {
        version: VERSION,
        flags: flags::TSBPD | flags::CRYPT | flags::TOO_LATE_DROP | flags::PERIODIC_NAK | flags::REXMIT,
        receiver_delay: u16::try_from(options.latency.as_millis()).unwrap_or(u16::MAX),
        sender_delay: 0,
    };
    let conclusion = greeting.conclusion(induction.cookie, settings, options.stream_id, keys.as_ref());
    let answer = caller.exchange("conclusion", &conclusion, &is_conclusion).await?;
    seen.connected = Some(probe.deadline.elapsed());
    seen.settings = answer.settings;
    seen.key_state = answer.key_state;
    let delay = answer.settings.map_or(0, |settings| settings.sender_delay);
    seen.latency = options.latency.max(Duration::from_millis(delay.into()));
    let keys = keys.zip(options.passphrase).and_then(|(keys, passphrase)| keys.open(passphrase).ok());
    Ok(Call { own, peer: answer.socket, first: answer.sequence, keys, began, socket })
}

async fn bind(address: SocketAddr) -> Result<UdpSocket, Problem> {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(|error| problem(address, &error))?;
    socket.connect(address).await.map_err(|error| problem(address, &error))?;
    Ok(socket)
}

/// What an error of the socket says of the way to the server.
pub(super) fn problem(address: SocketAddr, error: &Error) -> Problem {
    match error.kind() {
        ErrorKind::ConnectionRefused => {
            Problem::new(&fault::UDP_REFUSED, format!("nothing listens on UDP {address}"))
        }
        ErrorKind::PermissionDenied => {
            Problem::new(&fault::PERMISSION, format!("not allowed to send to {address}: {error}"))
        }
        _ => Problem::new(&fault::NET_UNREACHABLE, format!("{address} is unreachable: {error}")),
    }
}

struct Caller<'a> {
    probe: &'a Probe,
    socket: &'a UdpSocket,
    address: SocketAddr,
    own: u32,
    began: Instant,
}

impl Caller<'_> {
    /// Sends one handshake again and again until `wanted` takes an answer.
    async fn exchange(
        &self,
        stage: &'static str,
        body: &[u8],
        wanted: &dyn Fn(Handshake) -> Option<Result<Handshake, Problem>>,
    ) -> Result<Handshake, Problem> {
        let work = async {
            let left = self.probe.deadline.remaining().saturating_sub(RESERVE);
            let limit = self.probe.connect_limit.map_or(left, |limit| limit.min(left));
            let (mut sent, mut strangers) = (0_u32, 0_u32);
            let talk = self.talk(stage, body, wanted, &mut sent, &mut strangers);
            if let Ok(answer) = tokio::time::timeout(limit, talk).await {
                return answer;
            }
            let waited = limit.as_secs_f64();
            let (text, fault) = match (stage, strangers) {
                (_, 1..) => {
                    let text = format!(
                        "{strangers} datagrams from {} are no answer to an SRT handshake",
                        self.address
                    );
                    (text, &fault::PROTOCOL)
                }
                ("induction", _) => {
                    let text = format!(
                        "{} neither answers nor refuses {sent} SRT handshakes in {waited:.1} s: it hangs, serves its only caller, or \
                         a firewall drops them",
                        self.address
                    );
                    (text, &fault::SRT_TIMEOUT)
                }
                _ => {
                    let text = format!(
                        "{} answered the first handshake, and not the second one in {waited:.1} s",
                        self.address
                    );
                    (text, &fault::SRT_TIMEOUT)
                }
            };
            Err(Problem::new(fault, text))
        };
        self.probe.stage(stage, &fault::SRT_TIMEOUT, work).await
    }

    async fn talk(
        &self,
        stage: &str,
        body: &[u8],
        wanted: &dyn Fn(Handshake) -> Option<Result<Handshake, Problem>>,
        sent: &mut u32,
        strangers: &mut u32,
    ) -> Result<Handshake, Problem> {
        let failed = |error| problem(self.address, &error);
        let mut buffer = [0; DATAGRAM_MAX];
        loop {
            let kind = Kind::Handshake;
            let control = Control { kind, timestamp: timestamp(self.began), destination: 0, body };
            self.socket.send(&control.to_bytes()).await.map_err(failed)?;
            *sent += 1;
            self.probe.sent(&format!("{stage} {sent}, {} bytes", body.len()));
            let again = tokio::time::Instant::now() + RETRY;
            while let Ok(received) = tokio::time::timeout_at(again, self.socket.recv(&mut buffer)).await {
                let length = received.map_err(failed)?;
                let Some(handshake) = self.read(buffer.get(..length).unwrap_or_default()) else {
                    *strangers += 1;
                    continue;
                };
                self.probe.received(&format!(
                    "handshake version {}, type {:#x}, extensions {:#x}, encryption {}, cookie {:08x}, {:?}",
                    handshake.version,
                    handshake.kind,
                    handshake.extension,
                    handshake.encryption,
                    handshake.cookie,
                    handshake.settings
                ));
                if let Some(answer) = wanted(handshake) {
                    return answer;
                }
            }
        }
    }

    /// A handshake for us.
    fn read(&self, bytes: &[u8]) -> Option<Handshake> {
        match Packet::parse(bytes) {
            Ok(Packet::Control(control))
                if control.kind == Kind::Handshake && control.destination == self.own =>
            {
                Handshake::parse(control.body).ok()
            }
            _ => None,
        }
    }
}

fn is_induction(answer: Handshake) -> Option<Result<Handshake, Problem>> {
    if let Some(refused) = rejected(&answer) {
        return Some(Err(refused));
    }
    match (answer.kind, answer.version, answer.extension) {
        (INDUCTION, 5, MAGIC) => Some(Ok(answer)),
        (INDUCTION, version, _) => Some(Err(Problem::new(
            &fault::PROTOCOL,
            format!(
                "the server answers with handshakes of version {version}: it is UDT, or SRT older than 1.3"
            ),
        ))),
        _ => None,
    }
}

fn is_conclusion(answer: Handshake) -> Option<Result<Handshake, Problem>> {
    if let Some(refused) = rejected(&answer) {
        return Some(Err(refused));
    }
    // Answers to an induction that was sent twice come late.
    (answer.kind == CONCLUSION).then_some(Ok(answer))
}

fn rejected(answer: &Handshake) -> Option<Problem> {
    let rejection = Rejection::of(answer.kind)?;
    let fault = match rejection.refusal() {
        Refusal::Passphrase => &fault::SRT_PASSPHRASE,
        Refusal::Busy => &fault::SRT_BUSY,
        Refusal::Access | Refusal::Other => &fault::SRT_REJECTED,
    };
    Some(Problem::new(fault, format!("the server refuses the connection: {rejection}")))
}

/// Bytes of the key: what the listener wants wins.
fn key_length(induction: &Handshake, options: Watch<'_>) -> usize {
    match induction.encryption {
        wanted @ 2..=4 => usize::from(wanted) * 8,
        _ => options.key_length.unwrap_or(16),
    }
}

fn make_keys(passphrase: &str, length: usize) -> Result<KeyMaterial, Problem> {
    let (mut salt, mut key) = ([0; SALT], vec![0; length]);
    fill_random(&mut salt)?;
    fill_random(&mut key)?;
    let wrong = || Problem::new(&fault::USAGE, format!("keys have 16, 24 or 32 bytes, not {length}"));
    KeyMaterial::new(passphrase, salt, &key).ok_or_else(wrong)
}

/// The server encrypts media with the key that we offer: it must be a good one.
fn fill_random(bytes: &mut [u8]) -> Result<(), Problem> {
    // Short requests are never cut.
    getrandom(bytes, GetRandomFlags::empty())
        .map(drop)
        .map_err(|error| Problem::new(&fault::INTERNAL, format!("no random numbers: {error}")))
}

fn random_number() -> Result<u32, Problem> {
    let mut bytes = [0; 4];
    fill_random(&mut bytes)?;
    Ok((u32::from_be_bytes(bytes) & NUMBERS).max(1))
}

/// Microseconds of the connection, which wrap.
#[allow(clippy::cast_possible_truncation, reason = "the field wraps")]
pub(super) fn timestamp(began: Instant) -> u32 {
    began.elapsed().as_micros() as u32
}
