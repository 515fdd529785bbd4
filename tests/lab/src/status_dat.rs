//! `status.dat`: the state of every service as Nagios and Icinga write it for others to read.

use std::collections::BTreeMap;

/// What the host believes about one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
    pub state: u8,
    /// The first line, without performance data and the blank before its `|`, which Icinga keeps.
    pub output: String,
    /// Further lines, as the host escapes them (`\n`).
    pub long_output: String,
    /// Performance data.
    pub perfdata: String,
}

/// The services of `text` that have been checked, by their description.
pub(crate) fn checked_services(text: &str) -> BTreeMap<String, Service> {
    blocks(text)
        .filter(|block| block.get("has_been_checked") == Some(&"1"))
        .filter_map(|block| service(&block))
        .collect()
}

/// The `name=value` lines of every `servicestatus { ... }`.
fn blocks(text: &str) -> impl Iterator<Item = BTreeMap<&str, &str>> {
    text.split("servicestatus {").skip(1).map(|block| {
        let lines = block.lines().take_while(|line| line.trim() != "}");
        lines.filter_map(|line| line.trim_start().split_once('=')).collect()
    })
}

fn service(block: &BTreeMap<&str, &str>) -> Option<(String, Service)> {
    let field = |name: &str| block.get(name).copied().unwrap_or_default().to_owned();
    let state = block.get("current_state")?.parse().ok()?;
    let service = Service {
        state,
        output: field("plugin_output").trim_end().to_owned(),
        long_output: field("long_plugin_output"),
        perfdata: field("performance_data"),
    };
    Some((field("service_description"), service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unchecked_services_and_other_blocks_are_left_out() {
        let text = "hoststatus {\n\thost_name=h\n\t}\n\nservicestatus {\n\thost_name=h\n\tservice_description=rtsp\n\
                    \thas_been_checked=1\n\tcurrent_state=2\n\tplugin_output=RTSP CRITICAL: a=b\n\
                    \tlong_plugin_output=one\\ntwo\n\tperformance_data=rate=1B;2;3\n\t}\n\n\
                    servicestatus {\n\tservice_description=new\n\thas_been_checked=0\n\tcurrent_state=0\n\t}\n";
        let services = checked_services(text);
        assert_eq!(services.keys().collect::<Vec<_>>(), ["rtsp"]);
        let rtsp = &services["rtsp"];
        assert_eq!((rtsp.state, rtsp.output.as_str()), (2, "RTSP CRITICAL: a=b"));
        assert_eq!((rtsp.long_output.as_str(), rtsp.perfdata.as_str()), ("one\\ntwo", "rate=1B;2;3"));
    }
}
