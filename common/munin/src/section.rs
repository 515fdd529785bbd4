//! What `config` and a fetch print.

use std::fmt::Write;

use weir_contract::text::{clean, redact};
use weir_contract::{Draw, Field, Graph, Kind, Range, Sample, Thresholds, Value};

use crate::field_name;

/// One graph as this host shall have it: known without looking at the network.
#[derive(Clone, Debug)]
pub struct Section {
    /// The multigraph name: the service's name, or `service.child`. Empty for a plugin with one graph.
    pub name: String,
    /// The description.
    pub graph: &'static Graph,
    /// Whom the graph is about: added to the title. May be empty.
    pub subject: String,
    /// The lines of the graph.
    pub rows: Vec<Row>,
    /// Seconds between values when that is not five minutes.
    pub update_rate: Option<u32>,
}

/// One line of a graph.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is drawn.
    pub field: &'static Field,
    /// Which of several; empty when there is only one.
    pub instance: String,
    /// When the master shall warn.
    pub thresholds: Thresholds,
}

impl Row {
    /// A line without thresholds.
    pub fn new(field: &'static Field, instance: impl Into<String>) -> Self {
        Self { field, instance: instance.into(), thresholds: Thresholds::default() }
    }

    fn name(&self) -> String {
        match self.instance.as_str() {
            "" => self.field.id.to_owned(),
            instance => field_name(&format!("{instance}_{}", self.field.id)),
        }
    }

    fn label(&self) -> String {
        match self.instance.as_str() {
            "" => self.field.label.to_owned(),
            instance => format!("{} {}", line(instance), self.field.label),
        }
    }
}

impl Section {
    /// A graph with one line for each of its fields.
    pub fn new(name: impl Into<String>, graph: &'static Graph, subject: impl Into<String>) -> Self {
        let rows = graph.fields.iter().map(|field| Row::new(field, "")).collect();
        Self { name: name.into(), graph, subject: subject.into(), rows, update_rate: None }
    }

    /// A graph with one line for each of its fields and each of `instances`.
    pub fn each(name: impl Into<String>, graph: &'static Graph, instances: &[String]) -> Self {
        let rows =
            instances.iter().flat_map(|i| graph.fields.iter().map(move |field| Row::new(field, i.as_str())));
        Self { rows: rows.collect(), ..Self::new(name, graph, "") }
    }
}

/// A text for an attribute: one line, no credentials, no `#` (which RRD takes for a colour) in the way.
fn line(text: &str) -> String {
    clean(&redact(text)).replace(['#', '\\'], " ").trim().to_owned()
}

/// The answer to `config`.
pub fn config(sections: &[Section]) -> String {
    let mut out = String::new();
    for section in sections {
        let graph = section.graph;
        if !section.name.is_empty() {
            let _ = writeln!(out, "multigraph {}", section.name);
        }
        let title = match section.subject.as_str() {
            "" => graph.title.to_owned(),
            subject => format!("{}: {}", line(subject), graph.title),
        };
        let _ = writeln!(
            out,
            "graph_title {title}\ngraph_vlabel {}\ngraph_category {}",
            graph.vlabel, graph.category
        );
        let _ = writeln!(out, "graph_args --base 1000{}\ngraph_info {}", floor(section), graph.info);
        if let Some(seconds) = section.update_rate {
            let _ = writeln!(out, "update_rate {seconds}");
        }
        for row in &section.rows {
            field(&mut out, row);
        }
    }
    out
}

/// The axis begins at 0 unless a field may be negative.
fn floor(section: &Section) -> &'static str {
    if section.rows.iter().all(|row| row.field.min == Some(0.0)) { " -l 0" } else { "" }
}

fn field(out: &mut String, row: &Row) {
    let (name, field) = (row.name(), row.field);
    let mut attribute = |key: &str, value: &str| {
        let _ = writeln!(out, "{name}.{key} {value}");
    };
    attribute("label", &row.label());
    attribute("info", field.help);
    // DERIVE with a floor of 0: COUNTER would draw a spike at every restart.
    attribute("type", if field.kind == Kind::Counter { "DERIVE" } else { "GAUGE" });
    attribute(
        "draw",
        match field.draw {
            Draw::Stack => "AREASTACK",
            // Of several areas only the last would be seen.
            Draw::Area if row.instance.is_empty() => "AREA",
            Draw::Area | Draw::Line => "LINE1",
        },
    );
    let scaled = |bound: Option<f64>| bound.map(|b| Value::Number(b * field.munin_scale).to_string());
    if let Some(min) = if field.kind == Kind::Counter { Some("0".to_owned()) } else { scaled(field.min) } {
        attribute("min", &min);
    }
    if let Some(max) = scaled(field.max) {
        attribute("max", &max);
    }
    let limit = |range: Option<Range>| range.and_then(|r| threshold(r, field.munin_scale));
    if let Some(range) = limit(row.thresholds.warning) {
        attribute("warning", &range);
    }
    if let Some(range) = limit(row.thresholds.critical) {
        attribute("critical", &range);
    }
}

/// A Nagios range in Munin's grammar (`min:max`, `min:`, `:max`; Munin has no implicit 0), its ends multiplied by `scale`.
/// `None` for what Munin cannot express (`@`): given as it is, it would raise a permanent alarm and break the picture.
pub fn threshold(range: Range, scale: f64) -> Option<String> {
    if range.is_inside() || (range.start().is_infinite() && range.end().is_infinite()) {
        return None;
    }
    let end =
        |value: f64| if value.is_finite() { Value::Number(scale * value).to_string() } else { String::new() };
    Some(format!("{}:{}", end(range.start()), end(range.end())))
}

/// The answer to a fetch: a value for every line that `config` announces, `U` where there is no sample.
pub fn values(sections: &[Section], samples: &[Sample]) -> String {
    fn key(sample: &Sample) -> (&str, &str) {
        (&sample.instance, sample.field.id)
    }
    // A director has tens of thousands of rows: looking each up among all samples would take seconds.
    let mut sorted: Vec<&Sample> = samples.iter().collect();
    sorted.sort_by(|a, b| key(a).cmp(&key(b))); // stable: the values of a row keep their order
    let mut out = String::new();
    for section in sections {
        if !section.name.is_empty() {
            let _ = writeln!(out, "multigraph {}", section.name);
        }
        for row in &section.rows {
            let (name, wanted) = (row.name(), (row.instance.as_str(), row.field.id));
            let first = sorted.partition_point(|sample| key(sample) < wanted);
            let of_row = sorted[first..].iter().take_while(|sample| key(sample) == wanted);
            let mut found = false;
            for sample in of_row {
                let epoch = sample.epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
                let _ = writeln!(out, "{name}.value {epoch}{}", scaled(sample));
                found = true;
            }
            if !found {
                let _ = writeln!(out, "{name}.value U");
            }
        }
    }
    out
}

fn scaled(sample: &Sample) -> String {
    let scale = sample.field.munin_scale;
    match sample.value {
        None => "U".to_owned(),
        #[allow(clippy::float_cmp, reason = "exactly 1 is the default")]
        Some(value) if scale == 1.0 => value.to_string(),
        // Three digits behind the point: microseconds, without the dust of the multiplication.
        Some(value) => Value::Number((value.as_f64() * scale * 1e3).round() / 1e3).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_contract::Unit;

    static FIRST: Field =
        Field::gauge("first_media", Unit::Seconds, "first media", "Start to media.").millis();
    static HITS: Field = Field::counter("hits", Unit::None, "hits", "Hits.").drawn(Draw::Area);
    static GRAPH: Graph = Graph {
        id: "first",
        title: "time to first media",
        vlabel: "ms",
        category: "streaming",
        info: "How long a listener waits.",
        fields: &[&FIRST, &HITS],
    };

    #[test]
    fn config_announces_what_fetch_prints() {
        let mut section = Section::new("stream_news", &GRAPH, "rtsp://u:p@example.net/news#1");
        section.rows[0].thresholds =
            Thresholds { warning: Some(Range::above(0.5)), critical: Some(Range::outside(0.1, 2.0)) };
        let sections =
            [section, Section::each("stream_news.peers", &GRAPH, &["a.b".to_owned(), "2".to_owned()])];
        let text = config(&sections);
        assert!(text.starts_with(
            "multigraph stream_news\ngraph_title rtsp://***@example.net/news 1: time to first media\n"
        ));
        assert!(text.contains("first_media.warning :500\nfirst_media.critical 100:2000\n"), "{text}");
        assert!(text.contains("hits.type DERIVE\n") && text.contains("hits.min 0\n"));
        let samples = [FIRST.sample(0.0445), HITS.sample(u64::MAX).of("a.b")];
        let values = values(&sections, &samples);
        assert_eq!(
            values,
            "multigraph stream_news\nfirst_media.value 44.5\nhits.value U\nmultigraph stream_news.peers\n\
             a_b_first_media.value U\na_b_hits.value 18446744073709551615\n_2_first_media.value U\n_2_hits.value U\n"
        );
        for line in values.lines().filter(|l| !l.starts_with("multigraph")) {
            let name = line.split_once('.').expect("field").0;
            assert!(text.contains(&format!("\n{name}.label ")), "{name} is not announced");
        }
    }

    #[test]
    fn nagios_ranges_become_munin_ranges_or_nothing() {
        let translate = |text: &str| threshold(text.parse().expect(text), 1.0);
        assert_eq!(translate("10").as_deref(), Some("0:10"));
        assert_eq!(translate("~:10").as_deref(), Some(":10"));
        assert_eq!(translate("10:").as_deref(), Some("10:"));
        assert_eq!(translate("10:20").as_deref(), Some("10:20"));
        assert_eq!(translate("@10:20"), None);
        assert_eq!(translate("~:"), None);
    }

    #[test]
    fn a_counter_that_may_fall_draws_no_spike_all_the_same() {
        static BARE: Field = Field::counter("bare", Unit::None, "bare", "Bare.").unbounded();
        static ONE: Graph = Graph { fields: &[&BARE], ..GRAPH };
        let text = config(&[Section::new("", &ONE, "")]);
        assert!(text.contains("bare.type DERIVE\n") && text.contains("bare.min 0\n"), "{text}");
    }

    #[test]
    fn a_stamped_value_carries_its_epoch() {
        let mut sample = HITS.sample(5_u64);
        sample.epoch = Some(1_700_000_000);
        let text = values(&[Section::new("", &GRAPH, "")], &[sample]);
        assert_eq!(text, "first_media.value U\nhits.value 1700000000:5\n");
    }
}
