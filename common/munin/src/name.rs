//! Names: of links, services and fields.

/// How a plugin was called: `stream_news` in the plugins folder is a link to the binary `stream_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The name under which the master knows the service, and with which multigraph lines must begin.
    pub service: String,
    /// What stands behind the wildcard's `_`; `None` when the binary was called by its own name.
    pub instance: Option<String>,
}

impl Link {
    /// Reads `argv[0]` for the plugin `plugin`, whose name ends in `_` when it is a wildcard.
    pub fn parse(argv0: &str, plugin: &str) -> Self {
        let base = argv0.rsplit('/').next().unwrap_or_default();
        let instance = base.strip_prefix(plugin).filter(|rest| !rest.is_empty() && plugin.ends_with('_'));
        let base = if base.is_empty() { plugin } else { base };
        Self { service: service_name(base), instance: instance.map(str::to_owned) }
    }
}

/// The service name that the master makes of a link's name: everything outside `[A-Za-z0-9_]` becomes `_`. Multigraph
/// lines must use the same.
pub fn service_name(link: &str) -> String {
    link.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// A Munin field name: `[A-Za-z_][A-Za-z0-9_]*`, and not the reserved `root`.
pub fn field_name(text: &str) -> String {
    let mut name = service_name(text);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    if name.is_empty() || name == "root" {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_link_names_its_instance() {
        let link = Link::parse("/etc/munin/plugins/stream_beta.example.com-554", "stream_");
        assert_eq!(link.service, "stream_beta_example_com_554");
        assert_eq!(link.instance.as_deref(), Some("beta.example.com-554"));
        assert_eq!(Link::parse("stream_", "stream_").instance, None);
        assert_eq!(Link::parse("", "squid").service, "squid");
    }

    #[test]
    fn a_digit_in_front_is_kept_apart() {
        // Munin itself would turn `1st` and `2st` into the same `_st`.
        assert_ne!(field_name("1st"), field_name("2st"));
        assert_eq!(field_name("root"), "root_");
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_field_name(text in "\\PC*") {
            let name = field_name(&text);
            let mut bytes = name.bytes();
            prop_assert!(bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_'));
            prop_assert!(bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_'));
            prop_assert_eq!(field_name(&name), name);
        }
    }
}
