//! RTP and MPEG-TS that are sent to whoever listens: to a multicast group, or to a port of this host.
//!
//! Nobody answers here, so there is nothing to ask: datagrams come or they do not. When none comes, [`crate::multicast::search`]
//! looks for the reason.

mod receive;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use weir_contract::Problem;
use weir_wire::rtp::{Packet, Reception, Statistics};
use weir_wire::sdp::Format;
use weir_wire::ts;

use crate::Probe;
use crate::datagrams::Datagrams;
use crate::multicast::{Clues, Endpoint, Interface, SEARCH, search};
use crate::rest::Rest;
use receive::Receiver;

/// Kept back from the deadline for the verdict.
const RESERVE: Duration = Duration::from_millis(100);

/// One datagram of media.
#[derive(Clone, Copy, Debug)]
pub enum Media<'a> {
    /// Transport packets.
    Ts(&'a [u8]),
    /// RTP of anything else.
    Rtp(&'a Packet<'a>),
}

/// Is given the media of the leading sender.
pub type Tap<'a> = RefCell<dyn FnMut(Media<'_>) + 'a>;

/// How to listen.
#[derive(Clone, Copy)]
pub struct Listen<'a> {
    /// How long after the first datagram.
    pub time: Duration,
    /// How long for the first datagram.
    pub patience: Duration,
    /// Ticks a second of the RTP timestamps of payload types, where a session description tells.
    pub clock_rates: &'a [(u8, u32)],
    /// Who looks into the media.
    pub tap: Option<&'a Tap<'a>>,
}

/// What the datagrams are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// RTP with MPEG-TS in it.
    RtpTs,
    /// RTP with anything else in it.
    Rtp,
    /// MPEG-TS in bare datagrams.
    Ts,
    /// None of these.
    Unknown,
}

/// One sender to the group and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Who.
    pub address: SocketAddr,
    /// Datagrams.
    pub datagrams: u64,
    /// When the first and the last came.
    pub arrivals: (Duration, Duration),
}

/// What was seen. Times count from the start of the check.
#[derive(Debug, Default)]
pub struct Seen {
    /// Where the group was joined; `None` for unicast.
    pub interface: Option<Interface>,
    /// When listening began.
    pub joined: Option<Duration>,
    /// When the first datagram came.
    pub first_media: Option<Duration>,
    /// When the latest datagram of the leading sender came.
    pub last_arrival: Option<Duration>,
    /// The longest pause between two of its datagrams.
    pub longest_gap: Duration,
    /// When listening ended.
    pub until: Duration,
    /// What the datagrams are; `None` before the first.
    pub form: Option<Form>,
    /// Datagrams of the leading sender.
    pub datagrams: u64,
    /// Bytes of media in them: payloads without RTP headers.
    pub bytes: u64,
    /// Datagrams that are neither RTP nor MPEG-TS.
    pub garbage: u64,
    /// The RTP payload type of the media.
    pub payload_type: Option<u8>,
    /// Datagrams of other payload types, such as forward error correction.
    pub other_types: BTreeMap<u8, u64>,
    /// RTP reception of the leading sender's media.
    pub rtp: Option<Statistics>,
    /// The transport stream, when it is one.
    pub ts: Option<ts::Report>,
    /// Who sends, the first to come first.
    pub senders: Vec<Sender>,
    /// How often another sender took over.
    pub takeovers: u64,
    /// The fewest hops that datagrams could still have gone.
    pub ttl: Option<u8>,
    /// Datagrams that our own buffer had no room for.
    pub dropped: u32,
    /// What a search found, when nothing came.
    pub clues: Option<Clues>,
}

impl Seen {
    /// How long was listened after the first datagram.
    pub fn watched(&self) -> Duration {
        self.first_media.map_or(Duration::ZERO, |first| self.until.saturating_sub(first))
    }
}

/// Listens, and looks for the reason when nothing comes.
///
/// # Errors
/// Whatever keeps this host from listening. That nothing comes is no error here but a fact: `first_media` is `None`.
pub async fn listen(
    probe: &Probe,
    endpoint: &Endpoint,
    options: Listen<'_>,
    seen: &mut Seen,
) -> Result<(), Problem> {
    let listening = endpoint.listen()?;
    seen.interface.clone_from(&listening.interface);
    let failed = |error: std::io::Error| {
        Problem::new(
            &weir_contract::fault::INTERNAL,
            format!("cannot listen on {}: {error}", endpoint.address),
        )
    };
    let mut socket = Datagrams::new(listening.socket).map_err(failed)?;
    let began = probe.deadline.elapsed();
    seen.joined = Some(began);
    if let Some(interface) = &seen.interface {
        probe.note(&format!("joined {} on {}", endpoint.address.ip(), interface.name));
    }
    let last = probe.deadline.timeout().saturating_sub(RESERVE);
    let mut receiver = Receiver::new(endpoint, options, seen);
    // Something must be left to find the reason in, but not at the cost of missing what comes late.
    let left = last.saturating_sub(began);
    let searching = if endpoint.is_group() { SEARCH } else { Duration::ZERO };
    let patience = options.patience.min(left.saturating_sub(searching).max(left / 2));
    let mut rest = Rest::new(probe.deadline);
    while receiver.seen.first_media.is_none() && probe.deadline.elapsed() < began + patience {
        socket.wait_until(&mut rest, began + patience).await;
        let _ = socket.drain(&probe.deadline, |datagram| receiver.take(&datagram));
    }
    if let Some(first) = receiver.seen.first_media {
        let until = (first + options.time).min(last);
        while probe.deadline.elapsed() < until {
            rest.sleep(until.min(probe.deadline.elapsed() + socket.rest())).await;
            // No error of one datagram keeps the next from coming.
            let _ = socket.drain(&probe.deadline, |datagram| receiver.take(&datagram));
        }
    }
    receiver.finish(probe.deadline.elapsed());
    seen.dropped = socket.dropped();
    if seen.first_media.is_none()
        && let Some(interface) = seen.interface.clone()
    {
        // As it is now: it may have lost its link, or got it.
        let interface = Interface::find(&interface.name).unwrap_or(interface);
        seen.interface = Some(interface.clone());
        drop(socket);
        let clues =
            search(&probe.fork_within(last.saturating_sub(probe.deadline.elapsed())), endpoint, &interface)
                .await;
        seen.clues = Some(clues);
    }
    Ok(())
}

/// Reception without a packet yet.
fn reception(options: &Listen<'_>, payload_type: u8) -> Reception {
    let told = options.clock_rates.iter().find(|(own, _)| *own == payload_type).map(|(_, rate)| *rate);
    Reception::new(told.or_else(|| Format::of_payload_type(payload_type).clock_rate))
}
