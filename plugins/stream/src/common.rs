//! What the checks of one stream share: the options that name it, and the way from options to an outcome.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use weir_cli::{Check, Common, Credentials, Limits, NetArgs, UrlArg, seconds};
use weir_contract::{Fault, Field, Outcome, Problem, Range, Sample, Thresholds, fault};
use weir_probe::{Probe, block_on};
use weir_wire::auth;

use crate::dead_air::{DeadAirArgs, is_asked_for};
use crate::judge::{Rule, WATCH_MIN};
use crate::target::Target;

/// A check of one stream, which can be a channel.
pub trait StreamCheck: Check<Args: fmt::Debug> {
    /// The stream, as it was given.
    fn url(args: &Self::Args) -> &str;

    /// Looks at the stream and judges it.
    ///
    /// # Errors
    /// Options that cannot be meant, a password file that cannot be read.
    fn check(args: &Self::Args, common: &Common) -> impl Future<Output = Result<Outcome, Problem>>;
}

/// [`Check::run`] of a check of one stream.
pub fn run<C: StreamCheck>(args: &C::Args, common: &Common) -> Outcome {
    block_on(outcome::<C>(args, common))
        .unwrap_or_else(|problem| Outcome::failed(C::SERVICE, C::url(args), problem))
}

/// What the check says, even of options that cannot be meant.
pub async fn outcome<C: StreamCheck>(args: &C::Args, common: &Common) -> Outcome {
    let url = C::url(args);
    C::check(args, common).await.unwrap_or_else(|problem| Outcome::failed(C::SERVICE, url, problem))
}

/// The schemes of HTTP and their ports.
pub const HTTP_PORTS: &[(&str, u16)] = &[("http", 80), ("https", 443)];

/// Where the stream is, and how to reach it.
#[derive(Args, Debug)]
pub struct SourceArgs {
    #[command(flatten)]
    url: UrlArg,
    #[command(flatten)]
    credentials: Credentials,
    #[command(flatten)]
    net: NetArgs,
}

impl SourceArgs {
    /// The URL as it was given, credentials included.
    pub fn url(&self) -> &str {
        self.url.url()
    }

    /// The password, for protocols that have one and no users.
    ///
    /// # Errors
    /// A user, with what to do `instead`; a password file that cannot be read.
    pub fn password_alone(&self, target: &Target, instead: &str) -> Result<Option<String>, Problem> {
        if let Some(user) = self.credentials.user.as_ref().or(target.credentials.as_ref().map(|c| &c.user)) {
            let text = format!("user `{user}`: {} has no users; {instead}", target.url.scheme());
            return Err(Problem::new(&fault::USAGE, text));
        }
        Ok(self.credentials.password()?.map(|secret| secret.reveal().to_owned()))
    }

    /// Looks at each address that `--addresses` asks for, with a probe whose time begins now.
    ///
    /// # Errors
    /// A URL of other schemes, a password file that cannot be read.
    pub async fn every_address(
        &self,
        service: &'static str,
        common: &Common,
        ports: &[(&str, u16)],
        look: impl AsyncFn(&Probe, SocketAddr, &Target, Option<&auth::Credentials>) -> Outcome,
    ) -> Result<Outcome, Problem> {
        let schemes: Vec<&str> = ports.iter().map(|(scheme, _)| *scheme).collect();
        let target = Target::parse(self.url(), &schemes)?;
        let credentials = target.credentials(&self.credentials)?;
        let port = ports.iter().find(|(scheme, _)| *scheme == target.url.scheme());
        let port = target.url.port().or(port.map(|(_, port)| *port)).unwrap_or_default();
        let one = async |probe: &Probe, address: SocketAddr| {
            let mut outcome = look(probe, address, &target, credentials.as_ref()).await;
            // Before the addresses that serve are counted.
            common.override_states(&mut outcome);
            outcome
        };
        let probe = self.net.probe(common);
        Ok(target.every_address(service, probe, port, self.net.addresses, one).await)
    }
}

/// When the measures of a stream are bad.
#[derive(Args, Debug)]
pub struct StreamLimits {
    /// Critical when fewer bits of media per second flow, such as 500000; of several variants the best one counts.
    #[arg(long, value_name = "BITS")]
    min_bitrate: Option<u32>,

    #[command(flatten)]
    limits: Limits,
}

impl StreamLimits {
    /// Refuses thresholds for what is not among `fields`.
    ///
    /// # Errors
    /// E-USAGE with the names that are known.
    pub fn check(&self, fields: &[&'static Field]) -> Result<(), Problem> {
        self.limits.check(fields)
    }

    /// The thresholds of `field`, where `default` counts for each of the two that was not given.
    pub fn of(&self, field: &'static Field, fields: &[&'static Field], default: Thresholds) -> Thresholds {
        let least = self.min_bitrate.filter(|_| field.id == "bitrate").map(|bits| Range::below(bits.into()));
        self.limits.of(field, fields, Thresholds { critical: least.or(default.critical), ..default })
    }

    /// The thresholds of all `fields` that are measured, those of dead air where it is asked for.
    pub fn all(
        &self,
        fields: &[&'static Field],
        air: &DeadAirArgs,
        rule: impl Fn(&Field) -> Rule,
    ) -> Vec<(&'static Field, Thresholds)> {
        let always = fields.iter().copied().filter(|field| !is_asked_for(field));
        let always = always.map(|field| (field, self.of(field, fields, rule(field).limits)));
        always.chain(air.thresholds(self, fields)).collect()
    }

    /// Judges the facts, one after the other. One that `follows` from what has been found is shown and is no second fault.
    pub fn judge(
        &self,
        outcome: &mut Outcome,
        samples: Vec<Sample>,
        fields: &[&'static Field],
        rule: impl Fn(&Field) -> Rule,
        follows: impl Fn(&Outcome, &Field) -> bool,
    ) {
        for sample in samples {
            let Rule { fault, limits } = rule(sample.field);
            let limits = self.of(sample.field, fields, limits);
            if follows(outcome, sample.field) {
                outcome.samples.push(sample.against(limits));
            } else {
                outcome.judge(sample.against(limits), fault);
            }
        }
    }
}

/// The time of `--watch`, where less would see only what the server has kept.
///
/// # Errors
/// The right form.
pub fn watch_time(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        time if time >= WATCH_MIN => Ok(time),
        _ => Err("watching for less than 2.5 seconds sees only the server's buffer".to_owned()),
    }
}

/// What a stream must hold.
#[derive(Args, Debug)]
pub struct ExpectArgs {
    /// Critical unless these kinds of tracks are described, such as video,audio; or a number of tracks.
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    expect_tracks: Vec<String>,

    /// Critical unless a track has this codec, such as H264 or H264,AAC.
    #[arg(long, value_name = "CODECS", value_delimiter = ',')]
    expect_codec: Vec<String>,
}

impl ExpectArgs {
    /// Finds what is missing among the `tracks` (kind, such as `video`, and codec) that the stream announces.
    pub fn judge(
        &self,
        outcome: &mut Outcome,
        tracks: &[(&str, Option<&str>)],
        described: &str,
        fault: &'static Fault,
    ) {
        let missing = |expected: &[String], has: &dyn Fn(&str) -> bool| {
            // A macro of the host may have been empty.
            let missing = expected.iter().filter(|wanted| !wanted.is_empty() && !has(wanted));
            missing.map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        let mut find = |fault, missing: String| {
            if !missing.is_empty() {
                outcome.find(fault, format!("expected {missing}, the stream has {described}"));
            }
        };
        let enough = |count: &str| count.parse::<usize>().is_ok_and(|count| tracks.len() >= count);
        if !matches!(self.expect_tracks.as_slice(), [count] if enough(count)) {
            let kind = |wanted: &str| tracks.iter().any(|(kind, _)| kind.eq_ignore_ascii_case(wanted));
            find(fault, missing(&self.expect_tracks, &kind));
        }
        let codec = |wanted: &str| {
            tracks.iter().any(|(_, codec)| codec.is_some_and(|codec| codec.eq_ignore_ascii_case(wanted)))
        };
        find(&fault::CODEC, missing(&self.expect_codec, &codec));
    }
}
