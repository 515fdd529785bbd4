//! `check_rtp`: RTP and MPEG-TS that are sent to a multicast group or to a port of this host.

mod address;
mod judge;
mod silence;
#[cfg(test)]
mod tests;
mod words;

use std::cell::RefCell;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use weir_cli::{Check, Common, UrlArg, seconds};
use weir_contract::{Field, Outcome, Problem, Thresholds, fault};
use weir_probe::multicast::Endpoint;
use weir_probe::rtp::{Listen, Media, Seen, Tap, listen};
use weir_probe::{NetOptions, Probe};
use weir_wire::sdp;

use crate::common::{self, ExpectArgs, StreamCheck, StreamLimits};
use crate::dead_air::DeadAirArgs;
use crate::fields::{
    BITRATE, BLACK, CONTINUITY, FIRST_MEDIA, FROZEN, GAP, JITTER, LOSS, LOUDNESS, NULLS, PAT, PCR, PMT, PTS,
    SCRAMBLED, SILENCE, SPEED, TRACKS,
};
use address::Address;

/// The word before the state.
const SERVICE: &str = "RTP";
/// What is measured.
const FIELDS: &[&Field] = &[
    &FIRST_MEDIA,
    &BITRATE,
    &LOSS,
    &JITTER,
    &GAP,
    &SPEED,
    &TRACKS,
    &CONTINUITY,
    &PAT,
    &PMT,
    &PCR,
    &PTS,
    &NULLS,
    &SCRAMBLED,
    &LOUDNESS,
    &SILENCE,
    &FROZEN,
    &BLACK,
];
/// A session description is read up to here.
const SDP_MAX: u64 = 64 * 1024;

/// The options of `check_rtp`.
#[derive(Args, Debug)]
pub struct RtpArgs {
    #[command(flatten)]
    url: UrlArg,

    /// Join the group on this interface, by its name or address [default: where the routes point]
    #[arg(long, value_name = "NAME|ADDRESS")]
    interface: Option<String>,

    /// Only packets of this sender count; of an IPv4 group only they are joined (source-specific multicast).
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,

    /// How long to listen after the first datagram.
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = seconds)]
    watch: Duration,

    /// How long to wait for the first datagram; then the reason is looked for, which takes 1.5 s more.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    wait: Duration,

    /// A session description (SDP) that says what the RTP payload types are.
    #[arg(long, value_name = "FILE")]
    sdp: Option<PathBuf>,

    /// Critical unless the stream has this service, by name or program number; repeatable.
    #[arg(long, value_name = "NAME")]
    expect_service: Vec<String>,

    /// Critical unless packets with these PIDs come, such as 256,0x101.
    #[arg(long, value_name = "PIDS", value_delimiter = ',', value_parser = pid)]
    expect_pid: Vec<u16>,

    /// Critical unless the RTP payload type is this one, such as 33 for MPEG-TS.
    #[arg(long, value_name = "TYPE", value_parser = clap::value_parser!(u8).range(..128))]
    expect_payload_type: Option<u8>,

    #[command(flatten)]
    expect: ExpectArgs,
    #[command(flatten)]
    limits: StreamLimits,
    #[command(flatten)]
    air: DeadAirArgs,
}

fn pid(text: &str) -> Result<u16, String> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = hexadecimal.map_or_else(|| text.parse(), |digits| u16::from_str_radix(digits, 16));
    number
        .ok()
        .filter(|pid| *pid < 0x2000)
        .ok_or_else(|| "use PIDs from 0 to 8191, such as 256 or 0x100".to_owned())
}

/// `check_rtp`
#[derive(Debug)]
pub struct Rtp;

impl Check for Rtp {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check RTP or MPEG-TS that is sent to a multicast group or to a port of this host.\n\n\
        Joins the group (by interface and source, if you say so), listens for a few seconds and judges what came: loss, jitter, pauses, \
        several senders, and of a transport stream what ETSI TR 101 290 asks for in priorities 1 and 2: sync, PAT, PMT, continuity, PIDs, \
        damaged packets, checksums, clocks, presentation times, scrambling. When nothing comes, the reason is looked for: another \
        interface, another source, another port, the reverse path filter, a firewall, a membership report that does not leave. \
        Needs no right; with CAP_NET_RAW it sees more of the reason.";
    const EXAMPLES: &'static str = "  A channel of an IPTV network, on the interface where it must arrive:\n    \
        check_rtp rtp://233.252.0.1:5004 --interface eth1 --expect-tracks video,audio --min-bitrate 2000000\n  \
        Source-specific, without RTP, its service by name:\n    \
        check_rtp -u udp://192.0.2.10@233.252.0.2:1234 --expect-service 'News HD' -w loss=0 -c loss=0.5\n  \
        What an encoder sends to a port of this host:\n    \
        check_rtp udp://@:5000 --expect-codec h264,aac -c scrambled=0";
    const FIELDS: &'static [&'static Field] = FIELDS;
    type Args = RtpArgs;

    fn validate(args: &RtpArgs) -> Result<(), Problem> {
        args.limits.check(FIELDS)
    }

    fn thresholds(args: &RtpArgs) -> Vec<(&'static Field, Thresholds)> {
        args.limits.all(FIELDS, &args.air, judge::rule)
    }

    fn run(args: &RtpArgs, common: &Common) -> Outcome {
        common::run::<Self>(args, common)
    }
}

impl StreamCheck for Rtp {
    fn url(args: &RtpArgs) -> &str {
        args.url.url()
    }

    async fn check(args: &RtpArgs, common: &Common) -> Result<Outcome, Problem> {
        args.air.fits(common)?;
        let address = Address::parse(args.url.url())?;
        let description = args.sdp.as_deref().map(read_sdp).transpose()?;
        let transcript = common.wants_transcript();
        let probe = Probe::new(common.timeout, NetOptions { transcript, ..NetOptions::default() });
        let mut seen = Seen::default();
        let endpoint = match endpoint(args, &address, &probe).await {
            Ok(endpoint) => endpoint,
            Err(problem) => {
                let mut outcome = Outcome::failed(SERVICE, args.url.url(), problem);
                probe.finish(&mut outcome);
                return Ok(outcome);
            }
        };
        let clock_rates: Vec<(u8, u32)> = formats(description.as_ref())
            .filter_map(|format| Some((format.payload_type, format.clock_rate?)))
            .collect();
        let ear = args.air.ear().map(RefCell::new);
        let tap = ear.as_ref().map(|ear| {
            RefCell::new(|media: Media<'_>| match media {
                Media::Ts(bytes) => ear.borrow_mut().feed(bytes),
                Media::Rtp(packet) => {
                    let own = |format: &&sdp::Format| format.payload_type == packet.payload_type;
                    match formats(description.as_ref()).find(own) {
                        Some(format) => ear.borrow_mut().rtp(0, format, packet),
                        None => ear.borrow_mut().rtp(
                            0,
                            &sdp::Format::of_payload_type(packet.payload_type),
                            packet,
                        ),
                    }
                }
            })
        });
        let tap = tap.as_ref().map(|tap| tap as &Tap<'_>);
        let time = args.watch.max(args.air.time());
        let options = Listen { time, patience: args.wait, clock_rates: &clock_rates, tap };
        let problem = listen(&probe, &endpoint, options, &mut seen).await.err();
        let mut outcome = judge::judge(args, &address, &endpoint, description.as_ref(), &seen, problem);
        let air = ear.map(|ear| ear.into_inner().report());
        args.air.judge(&mut outcome, air.as_ref(), &args.limits, FIELDS);
        probe.finish(&mut outcome);
        Ok(outcome)
    }
}

/// What to listen to.
async fn endpoint(args: &RtpArgs, address: &Address, probe: &Probe) -> Result<Endpoint, Problem> {
    let usage = |text: String| Err(Problem::new(&fault::USAGE, text));
    let source = match (args.source, address.source) {
        (Some(option), Some(url)) if option != url => {
            return usage(format!("--source {option} and the source {url} of the URL: give one of them"));
        }
        (option, url) => option.or(url),
    };
    let ip = if address.host.is_empty() {
        Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    } else {
        address.host.parse().ok()
    };
    let listened = match ip {
        Some(ip) => SocketAddr::new(ip, address.port),
        None => probe.resolve(&address.host, address.port).await?[0],
    };
    if let Some(source) = source.filter(|source| source.is_ipv4() != listened.is_ipv4()) {
        return usage(format!("the source {source} and {} are of different families", listened.ip()));
    }
    if source.is_some_and(|source| source.is_multicast() || source.is_unspecified()) {
        return usage("a source is the address of one sender, such as 192.0.2.10".to_owned());
    }
    let interface = args.interface.clone().or_else(|| address.interface.clone());
    Ok(Endpoint { address: listened, source, interface })
}

/// The payload types that a session description explains.
fn formats(description: Option<&sdp::Description>) -> impl Iterator<Item = &sdp::Format> {
    description.into_iter().flat_map(|description| &description.media).flat_map(|media| &media.formats)
}

fn read_sdp(path: &Path) -> Result<sdp::Description, Problem> {
    let usage = |why: String| Problem::new(&fault::USAGE, format!("--sdp {}: {why}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| usage(error.to_string()))?;
    file.take(SDP_MAX).read_to_end(&mut bytes).map_err(|error| usage(error.to_string()))?;
    sdp::parse(&bytes).map_err(|error| usage(format!("no session description: {error}")))
}
