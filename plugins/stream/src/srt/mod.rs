//! `check_srt`: a stream over SRT, from a listener.

mod address;
mod judge;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::time::Duration;

use clap::Args;
use weir_cli::{Check, Common, seconds};
use weir_contract::{Field, Outcome, Problem, Thresholds};
use weir_probe::Probe;
use weir_probe::http_stream::Tap;
use weir_probe::srt::{Seen, Watch, watch};
use weir_wire::auth::Credentials;

use crate::common::{self, ExpectArgs, SourceArgs, StreamCheck, StreamLimits};
use crate::dead_air::DeadAirArgs;
use crate::fields::{
    BITRATE, BLACK, CONTINUITY, FIRST_MEDIA, FROZEN, GAP, LOSS, LOUDNESS, NULLS, RESENT, RTT, SILENCE, TRACKS,
};
use crate::target::Target;
use address::{Address, latency_option};

/// The word before the state.
const SERVICE: &str = "SRT";
/// What is measured.
const FIELDS: &[&Field] = &[
    &FIRST_MEDIA,
    &BITRATE,
    &LOSS,
    &RESENT,
    &RTT,
    &GAP,
    &TRACKS,
    &CONTINUITY,
    &NULLS,
    &LOUDNESS,
    &SILENCE,
    &FROZEN,
    &BLACK,
];
/// SRT has no usual port: the URL names one.
const PORTS: &[(&str, u16)] = &[("srt", 0)];
/// libsrt's own.
const LATENCY: Duration = Duration::from_millis(120);

/// The options of `check_srt`.
#[derive(Args, Debug)]
pub struct SrtArgs {
    #[command(flatten)]
    source: SourceArgs,

    #[allow(clippy::doc_markdown, reason = "this is what --help prints")]
    /// Which stream, such as camera1 or '#!::r=tv1,m=request'; without it that of the URL.
    #[arg(long, value_name = "ID")]
    stream_id: Option<String>,

    /// The latency to ask for; the larger one of both sides counts [default: that of the URL, else 0.12]
    #[arg(long, value_name = "SECONDS", value_parser = latency_option)]
    latency: Option<Duration>,

    /// How long to watch after the first packet.
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = seconds)]
    watch: Duration,

    /// How long to wait for the first packet after the server has accepted.
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = seconds)]
    wait: Duration,

    #[command(flatten)]
    expect: ExpectArgs,

    #[command(flatten)]
    limits: StreamLimits,

    #[command(flatten)]
    air: DeadAirArgs,
}

impl SrtArgs {
    /// What the URL says, and what the options say instead.
    fn address(&self) -> Result<Address, Problem> {
        let target = Target::parse(self.source.url(), &["srt"])?;
        let of_url = Address::parse(&target.url)?;
        let password =
            self.source.password_alone(&target, "write it into the stream id: #!::u=NAME,r=STREAM")?;
        let address = Address {
            stream_id: self.stream_id.clone().or(of_url.stream_id),
            passphrase: password.or(of_url.passphrase),
            latency: self.latency.or(of_url.latency),
            ..of_url
        };
        address.check()?;
        Ok(address)
    }
}

/// `check_srt`
#[derive(Debug)]
pub struct Srt;

impl Check for Srt {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check a stream over SRT: does it flow, decrypted, in time, and what does the way lose?\n\n\
        Calls a listener as a player does, with stream id and passphrase, and receives for a few seconds: acknowledges, asks again for \
        what is missing, exchanges keys, says goodbye. Packets that the server had to send again are told from packets that never \
        came within the latency. The payload is looked into as MPEG-TS: a stream that carries only stuffing is CRITICAL. The \
        passphrase comes from --password-file or from the environment's WEIR_PASSWORD.";
    const EXAMPLES: &'static str = "  A stream with picture and sound, the first packet within 2 seconds:\n    \
        check_srt srt://live.example.net:9000 --expect-tracks video,audio -w 2 -c 5\n  \
        One of several streams, encrypted, with a latency of 300 ms:\n    \
        check_srt -u 'srt://live.example.net:9000?streamid=#!::r=tv1,m=request&latency=300' --password-file /etc/weir/tv1\n  \
        Warn when 3 % are sent again, or a round trip takes 80 ms:\n    \
        check_srt srt://live.example.net:9000 --stream-id tv1 -w resent=3 -w rtt=0.08";
    const FIELDS: &'static [&'static Field] = FIELDS;
    type Args = SrtArgs;

    fn validate(args: &SrtArgs) -> Result<(), Problem> {
        args.limits.check(FIELDS)
    }

    fn thresholds(args: &SrtArgs) -> Vec<(&'static Field, Thresholds)> {
        args.limits.all(FIELDS, &args.air, judge::rule)
    }

    fn run(args: &SrtArgs, common: &Common) -> Outcome {
        common::run::<Self>(args, common)
    }
}

impl StreamCheck for Srt {
    fn url(args: &SrtArgs) -> &str {
        args.source.url()
    }

    async fn check(args: &SrtArgs, common: &Common) -> Result<Outcome, Problem> {
        args.air.fits(common)?;
        let asked = args.address()?;
        let look = async |probe: &Probe, address, target: &Target, _: Option<&Credentials>| {
            let ear = args.air.ear().map(RefCell::new);
            let tap = ear.as_ref().map(|ear| RefCell::new(|bytes: &[u8]| ear.borrow_mut().feed(bytes)));
            let tap = tap.as_ref().map(|tap| tap as &Tap<'_>);
            let options = Watch {
                stream_id: asked.stream_id.as_deref(),
                passphrase: asked.passphrase.as_deref(),
                key_length: asked.key_length,
                latency: asked.latency.unwrap_or(LATENCY),
                time: args.watch.max(args.air.time()),
                patience: args.wait,
                tap,
            };
            let mut seen = Seen::default();
            let problem = watch(probe, address, options, &mut seen).await.err();
            let mut outcome = judge::judge(args, target.url.as_str(), &asked, &seen, problem);
            let air = ear.map(|ear| ear.into_inner().report());
            args.air.judge(&mut outcome, air.as_ref(), &args.limits, FIELDS);
            outcome
        };
        args.source.every_address(SERVICE, common, PORTS, look).await
    }
}
