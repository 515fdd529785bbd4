//! Media that arrives, for as long as it is watched, and what a receiver owes the sender.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use weir_contract::{Problem, fault};
use weir_wire::srt::{Control, Data, KeyMaterial, KeyState, Kind, Packet, Reception, loss_list};

use super::call::{Call, WINDOW, timestamp};
use super::content::Reader;
use super::{End, RESERVE, Seen, Watch};
use crate::datagrams::Datagrams;
use crate::rest::Rest;
use crate::{Pace, Probe};

/// A full acknowledgement goes out this often at most (section 3.2.4), and so often we look what has come: a wake-up for each packet
/// costs more than the packet.
const ACK_INTERVAL: Duration = Duration::from_millis(10);
/// A light one after so many packets.
const LIGHT_ACK: u32 = 64;
/// Loss reports are repeated this often at most; libsrt's minimum in live mode.
const NAK_INTERVAL_MIN: Duration = Duration::from_millis(20);
/// The longest loss report, bytes.
const NAK_MAX: usize = 1456;
/// A sign of life goes out after this time without anything else (section 3.2.3).
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// A peer that says nothing for so long is gone, as libsrt has it.
const PEER_IDLE: Duration = Duration::from_secs(5);
/// After the host's word that nobody listens any more, media may come for so long and prove it wrong.
const GONE: Duration = Duration::from_millis(500);
/// So many acknowledgements wait for their answer.
const ACKS_MAX: usize = 32;
/// So many messages of the host that nobody listens are read at once.
const DRAINS: u32 = 4;
/// So many round trips count.
const TRIPS_MAX: usize = 1024;
/// So many key messages are looked at: opening one costs a millisecond.
const KEY_MESSAGES_MAX: u32 = 64;

struct Session<'p, 'a> {
    probe: &'p Probe,
    /// The same socket, to send from.
    sender: UdpSocket,
    began: Instant,
    /// Our socket's number, and theirs.
    own: u32,
    peer: u32,
    options: Watch<'a>,
    books: Reception,
    reader: Reader<'a>,
    pace: Pace,
    first_media: Option<Duration>,
    last_heard: Duration,
    last_sent: Duration,
    gone: Option<Duration>,
    ended: Option<End>,
    rtt: Duration,
    rtt_variance: Duration,
    /// Round trips, for the median.
    trips: Vec<Duration>,
    acks: VecDeque<(u32, Duration)>,
    ack_number: u32,
    /// When, and up to which number, was acknowledged last.
    acked: (Duration, u32),
    since_ack: u32,
    key_messages: u32,
    key_state: Option<KeyState>,
}

/// Receives until the watch is over, the server ends it, or patience or time run out: the stage `media`.
pub(super) async fn receive(
    probe: &Probe,
    call: Call,
    options: Watch<'_>,
    seen: &mut Seen,
) -> Result<(), Problem> {
    let now = probe.deadline.elapsed();
    let rtt = seen.rtt.unwrap_or_default();
    let Call { socket, own, peer, first, keys, began } = call;
    let broken = |error| Problem::new(&fault::INTERNAL, format!("the UDP socket is broken: {error}"));
    let mut socket = socket.into_std().and_then(Datagrams::new).map_err(broken)?;
    let mut session = Session {
        probe,
        sender: socket.socket().try_clone().map_err(broken)?,
        began,
        own,
        peer,
        books: Reception::new(first, seen.latency),
        reader: Reader::new(keys, options.tap),
        options,
        pace: Pace::default(),
        first_media: None,
        last_heard: now,
        last_sent: now,
        gone: None,
        ended: None,
        rtt,
        rtt_variance: rtt / 2,
        trips: Vec::new(),
        acks: VecDeque::new(),
        ack_number: 0,
        acked: (now, first),
        since_ack: 0,
        key_messages: 0,
        key_state: seen.key_state,
    };
    let result = probe.stage("media", &fault::SERVER_TIMEOUT, session.run(&mut socket, now)).await;
    session.send(Kind::Shutdown, &[0; 4], now);
    let until = probe.deadline.elapsed();
    seen.until = until;
    seen.first_media = session.first_media;
    seen.statistics = session.books.statistics();
    seen.missing = session.books.missing();
    seen.dropped = socket.dropped();
    session.trips.sort_unstable();
    seen.rtt = session.trips.get(session.trips.len() / 2).copied().or(seen.rtt);
    seen.last_heard = Some(session.last_heard);
    seen.ended = session.ended;
    seen.key_state = session.key_state;
    seen.pace = session.pace;
    seen.content = session.reader.finish(until);
    probe.note(&format!("{:?}, {} acknowledgements", seen.statistics, session.ack_number));
    result
}

impl Session<'_, '_> {
    async fn run(&mut self, socket: &mut Datagrams, connected: Duration) -> Result<(), Problem> {
        let last = self.probe.deadline.timeout().saturating_sub(RESERVE);
        let mut rest = Rest::new(self.probe.deadline);
        loop {
            let last_media = self.pace.last_arrival;
            self.drain(socket);
            let now = self.probe.deadline.elapsed();
            let until = match self.first_media {
                Some(first) => first + self.options.time,
                None => connected + self.options.patience,
            }
            .min(last);
            if self.ended.is_none() {
                self.ended = self.end(now);
            }
            if now >= until || self.ended.is_some() {
                return Ok(());
            }
            self.owe(now);
            let next = until.min(self.next_event(now));
            if self.pace.last_arrival == last_media {
                socket.wait_until(&mut rest, next).await;
            } else {
                // More is likely to follow: let it gather.
                rest.sleep(next.min(now + ACK_INTERVAL)).await;
            }
        }
    }

    /// Takes what has come, as of when the kernel received it.
    fn drain(&mut self, socket: &mut Datagrams) {
        let clock = self.probe.deadline;
        // A message that nobody listens ends a batch, and datagrams may wait behind it.
        for _ in 0..DRAINS {
            match socket.drain(&clock, |datagram| self.take(datagram.bytes, datagram.at)) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    self.gone.get_or_insert(clock.elapsed());
                }
                _ => return,
            }
        }
    }

    fn take(&mut self, bytes: &[u8], now: Duration) {
        // Whatever is for another socket is an echo of an earlier connection.
        let Some(packet) = Packet::parse(bytes).ok().filter(|packet| packet.destination() == self.own) else {
            return;
        };
        self.last_heard = now;
        self.gone = None;
        match packet {
            Packet::Data(data) => self.media(&data, now),
            Packet::Control(control) => self.control(&control, now),
        }
    }

    fn media(&mut self, data: &Data<'_>, now: Duration) {
        self.first_media.get_or_insert(now);
        self.since_ack += 1;
        let reader = &mut self.reader;
        if self.books.take(data, now, |packet| reader.take(packet, now)) {
            self.pace.arrive(now);
            self.pace.play(data.timestamp / 1000, data.payload.len() as u64);
        }
    }

    fn control(&mut self, control: &Control<'_>, now: Duration) {
        match control.kind {
            Kind::Shutdown => self.ended = Some(End::Shutdown),
            Kind::AckAck(number) => self.round_trip(number, now),
            Kind::DropRequest => {
                if let Some((first, last)) = control.dropped() {
                    let reader = &mut self.reader;
                    self.books.drop_range(first, last, now, |packet| reader.take(packet, now));
                }
            }
            Kind::KeyMaterial { reply: false } => self.new_keys(control.body, now),
            _ => {}
        }
    }

    /// Section 4.10, with libsrt's weights.
    fn round_trip(&mut self, number: u32, now: Duration) {
        let Some(at) = self.acks.iter().position(|(own, _)| *own == number) else { return };
        let Some((_, sent)) = self.acks.drain(..=at).next_back() else { return };
        let rtt = now.saturating_sub(sent);
        if self.trips.is_empty() {
            (self.rtt, self.rtt_variance) = (rtt, rtt / 2);
        } else {
            self.rtt_variance = (self.rtt_variance * 3 + self.rtt.abs_diff(rtt)) / 4;
            self.rtt = (self.rtt * 7 + rtt) / 8;
        }
        if self.trips.len() < TRIPS_MAX {
            self.trips.push(rtt);
        }
    }

    fn new_keys(&mut self, body: &[u8], now: Duration) {
        self.key_messages += 1;
        if self.key_messages > KEY_MESSAGES_MAX {
            return;
        }
        let opened = match (KeyMaterial::parse(body), self.options.passphrase) {
            (Some(material), Some(passphrase)) => material.open(passphrase).map_err(|_| KeyState::BadSecret),
            (Some(_), None) => Err(KeyState::NoSecret),
            (None, _) => return,
        };
        match opened {
            Ok(newer) => {
                match &mut self.reader.keys {
                    Some(keys) => keys.renew(newer),
                    keys => *keys = Some(newer),
                }
                self.key_state = None;
                self.send(Kind::KeyMaterial { reply: true }, body, now);
            }
            Err(state) => {
                self.key_state = Some(state);
                self.send(Kind::KeyMaterial { reply: true }, &state.to_bytes(), now);
            }
        }
    }

    /// Why nothing more will come.
    fn end(&self, now: Duration) -> Option<End> {
        if self.gone.is_some_and(|since| now >= since + GONE) {
            return Some(End::Gone);
        }
        (now >= self.last_heard + PEER_IDLE).then_some(End::Silent)
    }

    /// Sends what is due.
    fn owe(&mut self, now: Duration) {
        let reader = &mut self.reader;
        self.books.expire(now, |packet| reader.take(packet, now));
        let missing = self.books.ask(now, self.nak_interval());
        if !missing.is_empty() {
            self.send(Kind::Nak, &loss_list(missing, NAK_MAX), now);
        }
        let acknowledged = self.books.acknowledged();
        let (last, number) = self.acked;
        if acknowledged != number && now >= last + ACK_INTERVAL {
            self.acknowledge(acknowledged, now);
        } else if self.since_ack >= LIGHT_ACK {
            self.since_ack = 0;
            self.send(Kind::Ack(0), &acknowledged.to_be_bytes(), now);
        }
        if now >= self.last_sent + KEEP_ALIVE {
            self.send(Kind::KeepAlive, &[0; 4], now);
        }
    }

    fn acknowledge(&mut self, acknowledged: u32, now: Duration) {
        self.ack_number += 1;
        if self.acks.len() == ACKS_MAX {
            self.acks.pop_front();
        }
        self.acks.push_back((self.ack_number, now));
        self.acked = (now, acknowledged);
        self.since_ack = 0;
        let micros = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let room = WINDOW.saturating_sub(u32::try_from(self.books.missing()).unwrap_or(WINDOW)).max(2);
        // Rates as libsrt has them while it has measured none.
        let words = [acknowledged, micros(self.rtt), micros(self.rtt_variance), room, 0, 1000, 0];
        let body: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        self.send(Kind::Ack(self.ack_number), &body, now);
    }

    /// Half of what a packet that is sent again takes (libsrt).
    fn nak_interval(&self) -> Duration {
        ((self.rtt + self.rtt_variance * 4) / 2).max(NAK_INTERVAL_MIN)
    }

    /// When something is due although nothing comes.
    fn next_event(&self, now: Duration) -> Duration {
        let mut next = (self.last_sent + KEEP_ALIVE).min(self.last_heard + PEER_IDLE);
        if let Some(since) = self.gone {
            next = next.min(since + GONE);
        }
        if let Some(event) = self.books.next_event(self.nak_interval()) {
            next = next.min(event);
        }
        if self.books.acknowledged() != self.acked.1 {
            next = next.min(self.acked.0 + ACK_INTERVAL);
        }
        // What was due now has been done.
        next.max(now + Duration::from_millis(1))
    }

    fn send(&mut self, kind: Kind, body: &[u8], now: Duration) {
        let control = Control { kind, timestamp: timestamp(self.began), destination: self.peer, body };
        self.last_sent = now;
        match self.sender.send(&control.to_bytes()) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                self.gone.get_or_insert(now);
            }
            // A datagram that the kernel has no room for is lost as others are.
            _ => {}
        }
    }
}
