//! `stream_`: the same measurement as the checks, drawn by Munin.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Result, bail};
use weir_cli::{Env, Graphs};
use weir_contract::{Field, Graph, Problem, Sample};
use weir_munin::{Link, Row, Section};
use weir_probe::{block_on, together};

use crate::channel::{self, CHANNELS_FILE, Channel};
use crate::fields::{
    BITRATE_GRAPH, DEAD_AIR_GRAPH, FIRST_GRAPH, GAP_GRAPH, LAG_GRAPH, LOSS_GRAPH, LOUDNESS_GRAPH,
    SPEED_GRAPH, STATE, STATE_GRAPH, TS_ERRORS_GRAPH, TS_INTERVAL_GRAPH, TS_SHARE_GRAPH,
};

/// The link that draws every channel of the file in common graphs.
const ALL: &str = "all";
/// So many channels are looked at at once.
const AT_ONCE: usize = 256;
/// The parent graph, then its children.
const GRAPHS: [&Graph; 12] = [
    &STATE_GRAPH,
    &FIRST_GRAPH,
    &BITRATE_GRAPH,
    &GAP_GRAPH,
    &LOSS_GRAPH,
    &SPEED_GRAPH,
    &LAG_GRAPH,
    &TS_ERRORS_GRAPH,
    &TS_INTERVAL_GRAPH,
    &TS_SHARE_GRAPH,
    &LOUDNESS_GRAPH,
    &DEAD_AIR_GRAPH,
];

/// `stream_NAME` or `stream_all`
#[derive(Debug)]
pub struct StreamGraphs {
    service: String,
    channels: Vec<Channel>,
    /// Whether several channels share each graph.
    shared: bool,
}

impl Graphs for StreamGraphs {
    const HELP: &'static str = "Draws channels: state, time to first media, bit rate, gaps, loss.

Links:
  stream_NAME   one channel: env.url says where it is, or the channels file lists it as NAME
  stream_all    every channel of the channels file, in common graphs, looked at at once

Environment (plugin-conf.d):
  env.url       the channel's URL, of any scheme that check_stream knows
  env.channels  the channels file, /etc/weir/channels by default; a line is NAME URL [OPTIONS]
  env.options   options of the check for all of them, such as: --transport udp -w 2
  env.timeout   seconds for all of it, 10 by default

Warning and critical ranges among the options become Munin's.";

    fn new(link: &Link, env: &Env) -> Result<Self> {
        let mut defaults = vec!["--timeout".to_owned(), env.timeout()?.as_secs_f64().to_string()];
        defaults.extend(channel::split(env.get("options").unwrap_or_default()).map_err(anyhow::Error::msg)?);
        let name = link.instance.as_deref().unwrap_or(ALL);
        if let Some(url) = env.get("url") {
            defaults.insert(0, url.to_owned());
            let channels = vec![Channel::new(name, &defaults)?];
            return Ok(Self { service: link.service.clone(), channels, shared: false });
        }
        let file = env.get("channels").unwrap_or(CHANNELS_FILE);
        let mut channels = channel::read(Path::new(file), &defaults)?;
        let shared = name == ALL;
        if !shared {
            channels.retain(|channel| channel.name == name);
        }
        if channels.is_empty() {
            bail!("{file} lists no channel `{name}`; set env.url for this link or add a line `{name} URL`");
        }
        Ok(Self { service: link.service.clone(), channels, shared })
    }

    fn sections(&self) -> Vec<Section> {
        let name = |graph: &Graph| {
            if graph.id == STATE_GRAPH.id {
                self.service.clone()
            } else {
                format!("{}.{}", self.service, graph.id)
            }
        };
        let subject = if self.shared { "channels" } else { self.channels[0].name.as_str() };
        let section = |graph: &'static Graph| {
            let row = |channel: &Channel, field| Row {
                thresholds: channel.thresholds(field),
                ..Row::new(field, self.instance(channel))
            };
            let measured = |c: &Channel, field: &'static Field| field.id == STATE.id || c.measures(field);
            let rows = self.channels.iter().flat_map(|c| {
                graph.fields.iter().filter(move |field| measured(c, field)).map(move |field| row(c, *field))
            });
            Section { rows: rows.collect(), ..Section::new(name(graph), graph, subject) }
        };
        // HLS has no losses, RTP no lag: what no channel measures is not drawn.
        GRAPHS.into_iter().map(section).filter(|section| !section.rows.is_empty()).collect()
    }

    fn measure(&self, samples: &mut Vec<Sample>) -> Result<(), Problem> {
        let outcomes = block_on(together(AT_ONCE, self.channels.iter().map(Channel::check)))?;
        for (channel, outcome) in self.channels.iter().zip(outcomes) {
            let instance = self.instance(channel);
            let state = STATE.sample(u32::from(outcome.state().exit_code()));
            samples.push(state.of(instance));
            // With several addresses or variants looked at, the first stands for the channel.
            let mut drawn = HashSet::new();
            let first = outcome.samples.into_iter().filter(|sample| drawn.insert(sample.field.id));
            samples.extend(first.map(|sample| sample.of(instance)));
        }
        Ok(())
    }

    fn autoconf(env: &Env) -> Result<(), String> {
        let file = env.get("channels").unwrap_or(CHANNELS_FILE);
        match channel::read(Path::new(file), &[]) {
            Ok(channels) if channels.is_empty() => Err(format!("{file} lists no channel")),
            Ok(_) => Ok(()),
            Err(problem) => Err(problem.text),
        }
    }

    fn suggest(env: &Env) -> Vec<String> {
        let file = env.get("channels").unwrap_or(CHANNELS_FILE);
        let channels = channel::read(Path::new(file), &[]).unwrap_or_default();
        channels.into_iter().map(|channel| channel.name).collect()
    }
}

impl StreamGraphs {
    fn instance<'a>(&self, channel: &'a Channel) -> &'a str {
        if self.shared { &channel.name } else { "" }
    }
}
