//! Sorting datagrams: who sends, what they are, which of them are the media.

use std::net::IpAddr;
use std::time::Duration;

use weir_wire::rtp::{Packet, Reception, is_rtcp};
use weir_wire::ts::{Analyzer, PACKET};

use super::{Form, Listen, Media, Seen, Sender, reception};
use crate::datagrams::Datagram;
use crate::multicast::Endpoint;

/// Senders that are told apart.
const SENDERS_MAX: usize = 8;
/// When the leading sender, or the leading payload type, was silent for so long, another one leads.
const SUCCESSION: Duration = Duration::from_millis(500);
/// Distances of transport packets in datagrams: plain, with parity.
const PACKETS: [usize; 2] = [PACKET, 204];
/// The static payload type of MPEG-TS (RFC 3551).
const TS_TYPE: u8 = 33;
const SYNC_BYTE: u8 = 0x47;

/// Takes datagrams and keeps the books.
pub(super) struct Receiver<'s, 'a> {
    pub(super) seen: &'s mut Seen,
    options: Listen<'a>,
    source: Option<IpAddr>,
    /// The place of the leading sender among the senders.
    leader: usize,
    reception: Option<Reception>,
    /// When the media's payload type came last.
    media_at: Duration,
    ts: Option<Analyzer>,
}

impl<'s, 'a> Receiver<'s, 'a> {
    pub(super) fn new(endpoint: &Endpoint, options: Listen<'a>, seen: &'s mut Seen) -> Self {
        let source = endpoint.source;
        Self { seen, options, source, leader: 0, reception: None, media_at: Duration::ZERO, ts: None }
    }

    pub(super) fn take(&mut self, datagram: &Datagram<'_>) {
        // Where the kernel cannot filter by source and interface, we do; unicast of anybody else is not for us either.
        let elsewhere = self.seen.interface.as_ref().is_some_and(|own| own.is_other(datagram.interface));
        if elsewhere
            || self.source.is_some_and(|source| source != datagram.from.ip())
            || !self.leads(datagram)
        {
            return;
        }
        let seen = &mut *self.seen;
        let at = datagram.at;
        seen.first_media.get_or_insert(at);
        seen.ttl = [seen.ttl, datagram.ttl].into_iter().flatten().min();
        seen.datagrams += 1;
        let bare = match seen.form {
            Some(Form::Ts) => true,
            Some(Form::Rtp | Form::RtpTs) => false,
            // A stream that is cut anywhere may begin like RTP.
            _ => !is_rtp_of_packets(datagram.bytes) && is_transport(datagram.bytes),
        };
        if bare {
            self.bare(datagram);
        } else if let (Ok(packet), false) = (Packet::parse(datagram.bytes), datagram.cut) {
            if !is_rtcp(datagram.bytes) {
                self.rtp(&packet, at);
            }
        } else {
            self.garbage(at);
        }
    }

    /// Whether the datagram is of the sender that leads, which it may become.
    fn leads(&mut self, datagram: &Datagram<'_>) -> bool {
        let senders = &mut self.seen.senders;
        let place = senders.iter().position(|sender| sender.address == datagram.from);
        let Some(place) = place else {
            let address = datagram.from;
            if senders.len() < SENDERS_MAX {
                senders.push(Sender { address, datagrams: 1, arrivals: (datagram.at, datagram.at) });
            }
            return senders.len() == 1;
        };
        senders[place].datagrams += 1;
        senders[place].arrivals.1 = datagram.at;
        if place != self.leader && datagram.at.saturating_sub(senders[self.leader].arrivals.1) >= SUCCESSION {
            self.leader = place;
            self.seen.takeovers += 1;
        }
        place == self.leader
    }

    fn rtp(&mut self, packet: &Packet<'_>, at: Duration) {
        let seen = &mut *self.seen;
        let known = seen.payload_type == Some(packet.payload_type);
        let is_ts = !known && (packet.payload_type == TS_TYPE || is_transport(packet.payload));
        let better = is_ts && seen.form != Some(Form::RtpTs);
        let overdue = at.saturating_sub(self.media_at) >= SUCCESSION;
        if !known && (seen.payload_type.is_none() || better || overdue) {
            // Forward error correction may come first; transport packets are known when they are seen.
            if let Some(before) = seen.payload_type.replace(packet.payload_type) {
                *seen.other_types.entry(before).or_default() += 1;
            }
            seen.form = Some(if is_ts { Form::RtpTs } else { Form::Rtp });
            self.reception = Some(reception(&self.options, packet.payload_type));
            seen.bytes = 0;
        } else if !known {
            *seen.other_types.entry(packet.payload_type).or_default() += 1;
            return;
        }
        self.media_at = at;
        seen.arrived(at);
        seen.bytes += packet.payload.len() as u64;
        if let Some(reception) = &mut self.reception {
            reception.record(packet, at);
        }
        if seen.form == Some(Form::RtpTs) {
            self.ts.get_or_insert_with(Analyzer::new).feed_at(packet.payload, at);
            self.hand_on(Media::Ts(packet.payload));
        } else {
            self.hand_on(Media::Rtp(packet));
        }
    }

    fn hand_on(&self, media: Media<'_>) {
        if let Some(tap) = self.options.tap {
            (tap.borrow_mut())(media);
        }
    }

    /// A datagram of transport packets without RTP.
    fn bare(&mut self, datagram: &Datagram<'_>) {
        let seen = &mut *self.seen;
        seen.arrived(datagram.at);
        seen.form = Some(Form::Ts);
        seen.bytes += datagram.bytes.len() as u64;
        self.ts.get_or_insert_with(Analyzer::new).feed_at(datagram.bytes, datagram.at);
        self.hand_on(Media::Ts(datagram.bytes));
    }

    /// A datagram that is nothing known.
    fn garbage(&mut self, at: Duration) {
        self.seen.arrived(at);
        self.seen.form.get_or_insert(Form::Unknown);
        self.seen.garbage += 1;
    }

    /// Listening ends at `now`.
    pub(super) fn finish(self, now: Duration) {
        let seen = self.seen;
        seen.until = now;
        seen.rtp = self.reception.map(|reception| reception.statistics(now));
        seen.ts = self.ts.map(|ts| ts.finish_at(now));
        let end = seen.last_arrival.map_or(Duration::ZERO, |last| now.saturating_sub(last));
        seen.longest_gap = seen.longest_gap.max(end);
    }
}

impl Seen {
    fn arrived(&mut self, at: Duration) {
        let pause = self.last_arrival.map_or(Duration::ZERO, |last| at.saturating_sub(last));
        self.longest_gap = self.longest_gap.max(pause);
        self.last_arrival = Some(at);
    }
}

/// Whether the bytes are whole transport packets, as nearly everybody sends them.
fn is_packets(bytes: &[u8]) -> bool {
    let whole = |size: usize| {
        bytes.len().is_multiple_of(size) && bytes.chunks_exact(size).all(|packet| packet[0] == SYNC_BYTE)
    };
    !bytes.is_empty() && PACKETS.into_iter().any(whole)
}

fn is_rtp_of_packets(bytes: &[u8]) -> bool {
    Packet::parse(bytes).is_ok_and(|packet| is_packets(packet.payload))
}

/// Whether transport packets begin in these bytes. Some senders cut the stream into datagrams anywhere.
fn is_transport(bytes: &[u8]) -> bool {
    let at = |place: usize| bytes.get(place) == Some(&SYNC_BYTE);
    let follow = |size: usize| (0..size.min(bytes.len())).any(|start| (0..4).all(|n| at(start + n * size)));
    is_packets(bytes) || PACKETS.into_iter().any(follow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(source: Option<&str>) -> Endpoint {
        Endpoint {
            address: "239.1.2.3:1234".parse().unwrap(),
            source: source.map(|source| source.parse().unwrap()),
            interface: None,
        }
    }

    const OPTIONS: Listen<'_> =
        Listen { time: Duration::ZERO, patience: Duration::ZERO, clock_rates: &[(96, 90_000)], tap: None };

    fn datagram(bytes: &[u8], from: &str, at: u64) -> (Vec<u8>, std::net::SocketAddr, Duration) {
        (bytes.to_vec(), from.parse().unwrap(), Duration::from_millis(at))
    }

    fn rtp(payload_type: u8, sequence: u8, payload: &[u8]) -> Vec<u8> {
        [&[0x80, payload_type, 0, sequence, 0, 0, 0, 0, 1, 2, 3, payload_type][..], payload].concat()
    }

    fn receive(source: Option<&str>, datagrams: &[(Vec<u8>, std::net::SocketAddr, Duration)]) -> Seen {
        let mut seen = Seen::default();
        let mut receiver = Receiver::new(&endpoint(source), OPTIONS, &mut seen);
        for (bytes, from, at) in datagrams {
            receiver.take(&Datagram {
                bytes,
                cut: false,
                from: *from,
                at: *at,
                ttl: Some(9),
                interface: None,
            });
        }
        receiver.finish(Duration::from_secs(2));
        seen
    }

    fn null_packets() -> Vec<u8> {
        let mut packet = [0xff; PACKET];
        packet[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]);
        packet.repeat(7)
    }

    #[test]
    fn forward_error_correction_is_not_the_media_even_when_it_comes_first() {
        let a = "192.0.2.1:5004";
        let mut datagrams = vec![datagram(&rtp(96, 0, &[0xaa; 200]), a, 0)];
        datagrams.extend((0..20).map(|n| datagram(&rtp(33, n, &null_packets()), a, 10 + u64::from(n))));
        datagrams.push(datagram(&rtp(96, 1, &[0xaa; 200]), a, 40));
        let seen = receive(None, &datagrams);
        assert_eq!((seen.form, seen.payload_type), (Some(Form::RtpTs), Some(33)));
        assert_eq!(seen.rtp.unwrap().received, 20);
        assert_eq!((seen.other_types.get(&96), seen.ts.unwrap().null_packets), (Some(&2), 140));
    }

    #[test]
    fn a_second_sender_is_counted_and_not_mixed_in_and_takes_over_when_the_first_falls_silent() {
        let (a, b) = ("192.0.2.1:5004", "192.0.2.2:5004");
        let mut datagrams = Vec::new();
        for n in 0..10_u64 {
            datagrams.push(datagram(&null_packets(), a, n * 10));
            datagrams.push(datagram(&null_packets(), b, n * 10 + 5));
        }
        let seen = receive(None, &datagrams);
        assert_eq!((seen.datagrams, seen.takeovers, seen.senders.len()), (10, 0, 2));
        datagrams.extend((70..80).map(|n| datagram(&null_packets(), b, n * 10)));
        let seen = receive(None, &datagrams);
        assert_eq!((seen.datagrams, seen.takeovers), (20, 1));
        assert_eq!(receive(Some("192.0.2.2"), &datagrams).senders.len(), 1);
        assert_eq!(receive(Some("192.0.2.9"), &datagrams).first_media, None);
    }

    #[test]
    fn a_stream_cut_into_datagrams_anywhere_is_one_stream() {
        // 0x80 is how RTP begins, and 1472 is no multiple of 188.
        let mut stream = vec![0x80; 100];
        stream.extend(null_packets().repeat(8));
        let datagrams: Vec<_> =
            stream.chunks(1472).zip(0..).map(|(part, n)| datagram(part, "192.0.2.1:1", n)).collect();
        let seen = receive(None, &datagrams);
        assert_eq!((seen.form, seen.garbage), (Some(Form::Ts), 0));
        assert_eq!((seen.ts.as_ref().unwrap().packets, seen.ts.unwrap().sync_losses), (56, 0));
        assert_eq!((seen.payload_type, seen.datagrams), (None, 8));
    }

    #[test]
    fn anything_else_is_no_media() {
        let seen = receive(None, &[datagram(b"hello", "192.0.2.1:1", 0), datagram(&[], "192.0.2.1:1", 1)]);
        assert_eq!((seen.form, seen.garbage, seen.bytes), (Some(Form::Unknown), 2, 0));
    }
}
