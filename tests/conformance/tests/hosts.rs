//! What the hosts themselves make of our configuration and our output: real Nagios, Icinga and Munin.
#![allow(clippy::expect_used, clippy::panic, reason = "a failing test ends here")]

use weir_conformance::{files, graphs};
use weir_lab::Lab;

#[test]
fn nagios_accepts_every_command_definition() {
    let Some(lab) = Lab::for_test(&["nagios4"]) else { return };
    let nagios =
        files("nagios-conf/commands", ".cfg").iter().fold(lab.nagios(), |nagios, file| nagios.config(file));
    nagios.service("one", "/bin/true").verify().expect("nagios4 -v is content");
}

#[test]
fn icinga_accepts_every_check_command() {
    let Some(lab) = Lab::for_test(&["icinga2"]) else { return };
    let icinga =
        files("nagios-conf/icinga2", ".conf").iter().fold(lab.icinga2(), |icinga, file| icinga.config(file));
    icinga.verify().expect("icinga2 daemon -C is content");
}

/// The first line of what a plugin printed, split at its only `|`.
fn split(output: &str) -> (&str, &str) {
    let (text, perfdata) = output.lines().next().unwrap_or_default().split_once('|').unwrap_or_default();
    (text.trim(), perfdata.trim())
}

/// A healthy stream, a dead port, and a title that tries to break the line.
const TITLE: &str = "Artist - Café 'n' <b>Title</b> | x=1";

#[test]
fn nagios_and_icinga_read_back_what_a_check_printed() {
    let Some(lab) = Lab::for_test(&["nagios4", "icinga2", "icecast2", "ffmpeg"]) else { return };
    let icecast = lab.icecast().start().expect("icecast");
    let _source = icecast.source("live.mp3", weir_lab::Clip::Tone).expect("a source");
    icecast.set_title("live.mp3", TITLE).expect("a title");
    let plugin = lab.publish("check_http_stream").expect("built");
    let (good, dead) = (icecast.url("live.mp3"), "http://127.0.0.1:9/dead.mp3".to_owned());
    let options = ["--listen", "2"];

    let nagios = lab
        .nagios()
        .service("good", &format!("{} {good} {}", plugin.display(), options.join(" ")))
        .service("dead", &format!("{} {dead} {}", plugin.display(), options.join(" ")))
        .run()
        .expect("nagios ran");
    let icinga = lab
        .icinga2()
        .service("good", &plugin, &[&good, "--listen", "2"])
        .service("dead", &plugin, &[&dead, "--listen", "2"])
        .run()
        .expect("icinga ran");

    let printed = lab.check("check_http_stream", &[&dead, "--listen", "2"]).expect("runs");
    let (text, perfdata) = split(&printed.stdout);
    for (host, services) in [("nagios", &nagios), ("icinga", &icinga)] {
        let dead = &services["dead"];
        assert_eq!(dead.state, 2, "{host}");
        assert_eq!((dead.output.trim(), dead.perfdata.trim()), (text, perfdata), "{host}");
        let good = &services["good"];
        assert_eq!(good.state, 0, "{host}: {}", good.output);
        assert!(good.output.contains("\"Artist - Café 'n' [b]Title[/b] / x=1\""), "{host}: {}", good.output);
        let labels: Vec<&str> =
            good.perfdata.split_whitespace().filter_map(|p| p.split('=').next()).collect();
        assert_eq!(labels, ["first_media", "bitrate", "gap"], "{host}: {}", good.perfdata);
    }
}

#[test]
fn munin_stores_the_value_that_the_plugin_measured() {
    let Some(lab) = Lab::for_test(&["munin", "namespace", "icecast2", "ffmpeg"]) else { return };
    let icecast = lab.icecast().start().expect("icecast");
    let _source = icecast.source("live.mp3", weir_lab::Clip::Tone).expect("a source");
    let plugin = lab.publish("stream_").expect("built");
    let config = format!(
        "[stream_*]\nenv.options --listen 2\n[stream_news]\nenv.url {}\n[stream_dead]\nenv.url http://127.0.0.1:9/x\n",
        icecast.url("live.mp3")
    );
    let munin = lab
        .munin()
        .plugin("stream_news", &plugin)
        .plugin("stream_dead", &plugin)
        .config(&config)
        .start()
        .expect("a node");
    let listed = munin.list().expect("list");
    assert!(
        listed.contains(&"stream_news".to_owned()) && listed.contains(&"stream_dead".to_owned()),
        "{listed:?}"
    );
    assert!(munin.config("stream_news").expect("config").contains("multigraph stream_news.bitrate"));
    let dirty = munin.dirty_config("stream_news").expect("dirtyconfig");
    assert!(dirty.contains("bitrate.label") && dirty.contains("bitrate.value"), "{dirty}");

    munin.update().expect("munin-update");
    assert_eq!(munin.last_value("stream_news", "state").expect("an RRD"), "0");
    assert_eq!(munin.last_value("stream_dead", "state").expect("an RRD"), "2");
    assert_eq!(munin.last_value("stream_dead-bitrate", "bitrate").expect("an RRD"), "U");
    let bitrate: f64 =
        munin.last_value("stream_news-bitrate", "bitrate").expect("an RRD").parse().expect("a number");
    assert!((40_000.0..90_000.0).contains(&bitrate), "the clip has 64 kbit/s, stored are {bitrate}");
}

#[test]
fn munin_node_configure_finds_every_graph_plugin() {
    let Some(lab) = Lab::for_test(&["munin", "namespace"]) else { return };
    let libdir = lab.dir().join("libdir");
    std::fs::create_dir(&libdir).expect("a folder");
    let names = graphs().expect("metadata");
    for name in &names {
        // The node asks them as a user to whom this checkout may be closed.
        let binary = lab.publish(name).expect("built");
        std::os::unix::fs::symlink(binary, libdir.join(name)).expect("a link");
    }
    // Without anything to watch here every plugin says no, and why: that it was asked shows that its markers were found.
    let report = lab.munin_suggestions(&libdir).expect("munin-node-configure");
    assert!(!report.contains("error"), "{report}");
}
